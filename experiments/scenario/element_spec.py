"""What the elements of a path have in common, as a scenario writes them; `elements.py` has the table."""

import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal, Self

import numpy as np
from pydantic import model_validator

from glassbench.experiments.scenario.schema import Name, Spec, invalid
from glassbench.netem.element import Element
from glassbench.netem.supply import Supply
from glassbench.netem.traces import Trace

Direction = Literal["down", "up"]
DIRECTIONS: tuple[Direction, Direction] = ("down", "up")

Capacity = Callable[[float, float], float]  # bytes that the link can carry between two instants


@dataclass(frozen=True)
class Surroundings:
    """What an element is built into; instants and times in seconds.

    `trace_seed` and `trace_duration` are for generated traces. Recorded ones are at `trace_start` at the first capture
    and repeat after `trace_period`, or after their own if it is None.
    """

    direction: Direction
    start_at: float
    media_start: float
    trace_seed: int
    trace_duration: float
    trace_start: float = 0.0
    trace_period: float | None = None


class ElementSpec(Spec):
    """One element of a path. `loses` says that it takes packets away by itself or doubles them: the loss-free path,
    against which the floor is measured, does without it. `limits` says that it limits the rate. `said` is its part of a
    title: the subject, one of those of `title.py`, and the text, into which the fields go as they stand in a file."""

    loses: ClassVar[bool] = False
    limits: ClassVar[bool] = False
    said: ClassVar[tuple[str, str]] = ("element", "{element}")

    @property
    def kind(self) -> str:
        """The name of the element in scenarios."""
        return str(self.element)  # type: ignore[attr-defined]

    def build(self, around: Surroundings, rng: np.random.Generator) -> list[Element]:
        """New elements of netem, in the order in which packets pass them."""
        raise NotImplementedError

    def capacity(self, around: Surroundings) -> Capacity | None:
        """What the element can carry; None if it does not limit the rate."""
        return None

    def most_bytes(self, direction: Direction, duration: float, trace_period: float | None) -> float:
        """No more bytes than this pass in any `duration` seconds, if recorded traces repeat after `trace_period`;
        infinite if that is not known ahead of a run."""
        return math.inf

    def supply(self, around: Surroundings) -> Supply | None:
        """What the element offers to a packet that is alone; None if it lets every packet pass at once."""
        return None

    def least_delay(self, around: Surroundings) -> float:
        """Seconds by which the element delays every packet at least, behind its bottleneck if it has one."""
        return 0.0

    def without_loss(self) -> Self | None:
        """The element on the loss-free path."""
        return None if self.loses else self

    def recorded(self, direction: Direction) -> Trace | None:
        """The recorded trace that the element replays in a direction; None if it replays none."""
        return None

    @model_validator(mode="after")
    def _can_be_built(self) -> Self:
        """netem knows what it accepts: its sentences name the class and the field."""
        try:
            self.build(Surroundings("down", 0.0, 0.0, 0, 1.0), np.random.default_rng(0))
        except ValueError as error:
            match = re.fullmatch(r"\w+\.([a-z]+(?:_[a-z]+)*?)(?:_bps|_bytes)?( [a-z]+)?: (.*)", str(error), re.DOTALL)
            if match is None:
                raise invalid(str(error)) from None
            raise invalid(f"{match[1]}{match[2] or ''}: {match[3]}", match[1]) from None
        return self


class RandomSpec(ElementSpec):
    """An element that throws dice. Its kind and its `name` name them; without a name, the values of its fields do."""

    name: Name | None = None

    @property
    def dice(self) -> str:
        """What tells its dice from those of others of its kind. A queue throws no dice, so it is not part of it."""
        said = self.model_dump(mode="json", exclude={"name", "queue"}, exclude_defaults=True)
        return self.name or json.dumps(said, sort_keys=True)
