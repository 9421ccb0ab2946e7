"""The elements of a path, as a scenario names them: ELEMENTS is the whole list.

Each is a table `{ element = "...", field = ... }`, and builds the boxes of `netem` that it stands for.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from glassbench.experiments.scenario.queue_spec import DropTailSpec, QueueSpec
from glassbench.experiments.scenario.schema import (
    Count,
    Duration,
    Fraction,
    PositiveDuration,
    Rate,
    Size,
    Spec,
    checked,
    chosen_by,
    dumped,
    invalid,
)
from glassbench.netem.element import Element
from glassbench.netem.elements.delay import Delay
from glassbench.netem.elements.duplication import Duplication
from glassbench.netem.elements.fixed_rate import FixedRate
from glassbench.netem.elements.gilbert_elliott import GilbertElliottLoss
from glassbench.netem.elements.jitter import Jitter
from glassbench.netem.elements.loss_episodes import LossEpisodes
from glassbench.netem.elements.outage import Outage
from glassbench.netem.elements.policer import Policer
from glassbench.netem.elements.random_delay import RandomDelay
from glassbench.netem.elements.random_loss import RandomLoss
from glassbench.netem.elements.reordering import Reordering
from glassbench.netem.elements.scheduled_delay import ScheduledDelay
from glassbench.netem.elements.scheduled_loss import ScheduledLoss
from glassbench.netem.elements.size_limit import SizeLimit
from glassbench.netem.elements.trace_driven import trace_driven
from glassbench.netem.replay import Replay, replayed
from glassbench.netem.traces import GENERATORS, Trace, TraceError, TracePair, open_trace
from glassbench.netem.traces.files import find, sibling

Direction = Literal["down", "up"]
DIRECTIONS: tuple[Direction, Direction] = ("down", "up")

Capacity = Callable[[float, float], float]  # bytes that the link can carry between two instants

DEFAULT_QUEUE = DropTailSpec.model_validate({"bytes": "150kB"})


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
    against which the floor is measured, does without it."""

    loses: ClassVar[bool] = False

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
    """An element that throws dice. They are named after its kind and its `name`; without a name, after what it says."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")] | None = None

    @property
    def dice(self) -> str:
        """What tells its dice from those of its kind. A queue throws none, so it is not part of it."""
        said = self.model_dump(mode="json", exclude={"name", "queue"}, exclude_defaults=True)
        return self.name or json.dumps(said, sort_keys=True)


class DelaySpec(ElementSpec):
    """Constant propagation delay."""

    element: Literal["delay"] = "delay"
    delay: Duration

    def build(self, around: Surroundings, rng: np.random.Generator) -> list[Element]:
        return [Delay(self.delay)]


class RandomDelaySpec(RandomSpec):
    """Delay drawn anew for each packet."""

    element: Literal["random-delay"] = "random-delay"
    distribution: str = "normal"
    mean: PositiveDuration
    deviation: Duration
    reorder: bool = False

    def build(self, around: Surroundings, rng: np.random.Generator) -> list[Element]:
        return [RandomDelay(self.distribution, self.mean, self.deviation, rng, reorder=self.reorder)]


class JitterSpec(RandomSpec):
    """Delay variation that is correlated in time and the same for all arms; order is kept."""

    element: Literal["jitter"] = "jitter"
    mean: PositiveDuration
    correlation_time: PositiveDuration = 0.05

    def build(self, around: Surroundings, rng: np.random.Generator) -> list[Element]:
        return [Jitter(self.mean, self.correlation_time, rng, epoch=around.start_at)]


class ReorderingSpec(RandomSpec):
    """Some packets are held back until others have passed."""

    element: Literal["reordering"] = "reordering"
    probability: Fraction
    lateness: PositiveDuration
    extent: Count | None = None

    def build(self, around: Surroundings, rng: np.random.Generator) -> list[Element]:
        return [Reordering(self.probability, rng, lateness=self.lateness, extent=self.extent)]


class DuplicationSpec(RandomSpec):
    """Some packets come twice."""

    loses = True
    element: Literal["duplication"] = "duplication"
    probability: Fraction

    def build(self, around: Surroundings, rng: np.random.Generator) -> list[Element]:
        return [Duplication(self.probability, rng)]


class RandomLossSpec(RandomSpec):
    """Independent loss per packet."""

    loses = True
    element: Literal["random-loss"] = "random-loss"
    probability: Fraction

    def build(self, around: Surroundings, rng: np.random.Generator) -> list[Element]:
        return [RandomLoss(self.probability, rng)]


class GilbertElliottSpec(RandomSpec):
    """Bursty loss per packet; `mean_burst` in packets."""

    loses = True
    element: Literal["gilbert-elliott"] = "gilbert-elliott"
    mean_loss: Fraction
    mean_burst: float

    def build(self, around: Surroundings, rng: np.random.Generator) -> list[Element]:
        return [GilbertElliottLoss(self.mean_loss, self.mean_burst, rng)]


class LossEpisodesSpec(RandomSpec):
    """Bad moments in time, the same for all arms."""

    loses = True
    element: Literal["loss-episodes"] = "loss-episodes"
    mean_loss: Fraction
    mean_duration: PositiveDuration

    def build(self, around: Surroundings, rng: np.random.Generator) -> list[Element]:
        return [LossEpisodes(self.mean_loss, self.mean_duration, rng, epoch=around.start_at)]


class OutageWindow(Spec):
    """One outage, from the first capture on."""

    start: Duration
    duration: PositiveDuration


class OutageSpec(ElementSpec):
    """Everything is lost in these windows after the first capture; with `period` they repeat."""

    loses = True
    element: Literal["outage"] = "outage"
    windows: Annotated[tuple[OutageWindow, ...], Field(strict=False, min_length=1)]
    period: PositiveDuration | None = None

    def build(self, around: Surroundings, rng: np.random.Generator) -> list[Element]:
        windows = [(window.start, window.duration) for window in self.windows]
        return [Outage(windows, epoch=around.media_start, period=self.period)]


class PolicerSpec(ElementSpec):
    """Token bucket: what exceeds the rate and the burst is dropped, not queued."""

    loses = True
    element: Literal["policer"] = "policer"
    rate: Rate
    burst: Size

    def build(self, around: Surroundings, rng: np.random.Generator) -> list[Element]:
        return [Policer(self.rate, self.burst)]


class SizeLimitSpec(ElementSpec):
    """A smaller MTU on the path from an instant on, `start` after the first capture, that nobody is told of."""

    loses = True
    element: Literal["size-limit"] = "size-limit"
    largest: Size
    start: Duration = 0.0

    def build(self, around: Surroundings, rng: np.random.Generator) -> list[Element]:
        return [SizeLimit(self.largest, around.media_start + self.start)]


class RateSpec(ElementSpec):
    """A bottleneck of constant rate with its queue."""

    element: Literal["rate"] = "rate"
    rate: Rate
    queue: QueueSpec = DEFAULT_QUEUE

    def build(self, around: Surroundings, rng: np.random.Generator) -> list[Element]:
        return [FixedRate(self.rate, self.queue.build())]

    def capacity(self, around: Surroundings) -> Capacity:
        return lambda start, end: self.rate / 8 * (end - start)


def _check_trace(name: Any) -> Any:
    if not isinstance(name, str):
        raise ValueError(f"a trace is the name of a generator ({', '.join(GENERATORS)}) or a file, found {name!r}")
    return name


TraceName = Annotated[str, checked(_check_trace)]


class TraceSpec(RandomSpec):
    """A bottleneck that follows a trace, its downlink or uplink as the path does, with the delay and the loss that the
    trace records, if it does. A connection that begins ahead of the first capture meets the same part of the trace as
    the media do from there on, so what stands before that part decides nothing. `columns` names those of a log."""

    element: Literal["trace"] = "trace"
    trace: TraceName
    columns: str | None = None
    queue: QueueSpec = DEFAULT_QUEUE
    delay: bool = True
    loss: bool = True

    @model_validator(mode="after")
    def _can_be_built(self) -> Self:
        check_trace(self.trace, self.columns, fields=("trace", "columns"))
        return self

    def build(self, around: Surroundings, rng: np.random.Generator) -> list[Element]:
        trace, replay = self._replayed(around)
        elements: list[Element] = [trace_driven(replayed(trace.schedule, replay), self.queue.build())]
        if self.loss and trace.loss is not None:
            times, values = trace.loss.times.tolist(), trace.loss.values.tolist()
            elements.append(ScheduledLoss(times, values, trace.duration, rng, replay=replay))
        if self.delay and trace.delay is not None:
            times, values = trace.delay.times.tolist(), trace.delay.values.tolist()
            elements.append(ScheduledDelay(times, values, trace.duration, replay=replay))
        return elements

    def capacity(self, around: Surroundings) -> Capacity:
        trace, replay = self._replayed(around)
        return replayed(trace.schedule, replay).capacity_bytes

    def without_loss(self) -> Self:
        return self.model_copy(update={"loss": False})

    def sample(self, direction: Direction) -> Trace:
        """What the trace says of one direction; of a generated one, in one short drive."""
        pair = _open(self.trace, self.columns, 0, 1.0)
        return pair.down if direction == "down" else pair.up

    def recorded(self, direction: Direction) -> Trace | None:
        return None if self.trace in GENERATORS else self.sample(direction)

    def _replayed(self, around: Surroundings) -> tuple[Trace, Replay]:
        lead = around.media_start - around.start_at
        recorded = self.recorded(around.direction)
        if recorded is not None:
            return recorded.cut(around.trace_period), Replay(around.media_start, around.trace_start, lead)
        pair = _open(self.trace, self.columns, around.trace_seed, around.trace_duration)
        return pair.down if around.direction == "down" else pair.up, Replay(around.media_start, lead=lead)


ELEMENTS: dict[str, type[ElementSpec]] = {
    "trace": TraceSpec,
    "rate": RateSpec,
    "policer": PolicerSpec,
    "size-limit": SizeLimitSpec,
    "delay": DelaySpec,
    "random-delay": RandomDelaySpec,
    "jitter": JitterSpec,
    "reordering": ReorderingSpec,
    "duplication": DuplicationSpec,
    "random-loss": RandomLossSpec,
    "gilbert-elliott": GilbertElliottSpec,
    "loss-episodes": LossEpisodesSpec,
    "outage": OutageSpec,
}

AnyElement = Annotated[ElementSpec, chosen_by("element", ELEMENTS), dumped]


def check_trace(name: str, columns: str | None, *, fields: tuple[str, str]) -> None:
    """Raises the error of a validator about one of `fields`: that of the trace, or that of its columns."""
    try:
        _open(name, columns, 0, 1.0)
    except TraceError as error:
        sentence = str(error).removeprefix("columns: ")
        raise invalid(sentence, fields[sentence != str(error)]) from None


def _open(name: str, columns: str | None, seed: int, duration: float) -> TracePair:
    """A trace; files know neither seed nor duration, and one is read once until it changes."""
    if name in GENERATORS:
        return _open_once(name, columns, seed, duration, ())
    return _open_once(name, columns, 0, 1.0, _state_of_files(name))


@lru_cache(maxsize=8)
def _open_once(name: str, columns: str | None, seed: int, duration: float, state: tuple[object, ...]) -> TracePair:
    return open_trace(name, seed=seed, duration=duration, columns=columns)


def _state_of_files(name: str) -> tuple[object, ...]:
    """What tells the files of a trace from others of the same name, and from themselves before a change."""
    found = find(Path(name))
    if found is None:
        return ()
    files = [path.absolute() for path in (found, sibling(found)) if path is not None]
    return tuple((path, (stat := path.stat()).st_mtime_ns, stat.st_size) for path in files)
