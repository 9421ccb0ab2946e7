"""Elements that limit the rate and have a queue: one of a constant rate, and one that follows a trace."""

import math
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import model_validator

from glassbench.experiments.scenario.element_spec import Capacity, Direction, ElementSpec, RandomSpec, Surroundings
from glassbench.experiments.scenario.named_files import TRACE
from glassbench.experiments.scenario.queue_spec import AnyQueue, DropTailSpec
from glassbench.experiments.scenario.schema import Rate, checked, invalid
from glassbench.netem.element import Element
from glassbench.netem.elements.fixed_rate import FixedRate
from glassbench.netem.elements.scheduled_delay import ScheduledDelay
from glassbench.netem.elements.scheduled_loss import ScheduledLoss
from glassbench.netem.elements.trace_driven import trace_driven
from glassbench.netem.replay import Replay, replayed
from glassbench.netem.supply import ConstantSupply, Supply, supply_of
from glassbench.netem.traces import GENERATORS, Trace, TraceError, TracePair, open_trace
from glassbench.netem.traces.files import find, sibling

DEFAULT_QUEUE = DropTailSpec.model_validate({"bytes": "150kB"})


class RateSpec(ElementSpec):
    """A bottleneck of constant rate with its queue."""

    limits = True
    element: Literal["rate"] = "rate"
    rate: Rate
    queue: AnyQueue = DEFAULT_QUEUE

    def build(self, around: Surroundings, rng: np.random.Generator) -> list[Element]:
        return [FixedRate(self.rate, self.queue.build())]

    def capacity(self, around: Surroundings) -> Capacity:
        return lambda start, end: self.rate / 8 * (end - start)

    def most_bytes(self, direction: Direction, duration: float, trace_period: float | None) -> float:
        return self.rate / 8 * duration

    def supply(self, around: Surroundings) -> Supply:
        return ConstantSupply(self.rate, around.start_at)


def _check_trace(name: Any) -> Any:
    if not isinstance(name, str):
        raise ValueError(f"a trace is the name of a generator ({', '.join(GENERATORS)}) or a file, found {name!r}")
    return name


TraceName = Annotated[str, checked(_check_trace)]


class TraceSpec(RandomSpec):
    """A bottleneck that follows a trace: its downlink or uplink, as the direction of the path is, with the delay and
    the loss that the trace records.

    A connection that begins ahead of the first capture meets the same part of the trace as the media do from there on,
    so what stands before that part decides nothing. `columns` names those of a log.
    """

    limits = True
    element: Literal["trace"] = "trace"
    trace: Annotated[TraceName, TRACE]
    columns: str | None = None
    queue: AnyQueue = DEFAULT_QUEUE
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

    def most_bytes(self, direction: Direction, duration: float, trace_period: float | None) -> float:
        recorded = self.recorded(direction)
        if recorded is None:
            return math.inf
        trace = recorded.cut(trace_period)
        return trace.capacity_bytes(0.0, trace.duration) * math.ceil(duration / trace.duration)

    def supply(self, around: Surroundings) -> Supply:
        trace, replay = self._replayed(around)
        return supply_of(replayed(trace.schedule, replay), origin=around.start_at)

    def least_delay(self, around: Surroundings) -> float:
        trace, _ = self._replayed(around)
        return float(trace.delay.values.min()) if self.delay and trace.delay is not None else 0.0

    def without_loss(self) -> Self:
        return self.model_copy(update={"loss": False})

    def sample(self, direction: Direction) -> Trace:
        """What the trace says of one direction. A generated trace is sampled in one short drive."""
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


def check_trace(name: str, columns: str | None, *, fields: tuple[str, str]) -> None:
    """Raises the error of a validator about one of `fields`: that of the trace, or that of its columns."""
    try:
        _open(name, columns, 0, 1.0)
    except TraceError as error:
        sentence = str(error).removeprefix("columns: ")
        raise invalid(sentence, fields[sentence != str(error)]) from None


def _open(name: str, columns: str | None, seed: int, duration: float) -> TracePair:
    """The trace of that name. A file knows neither seed nor duration, and is read once until it changes."""
    if name in GENERATORS:
        return _open_once(name, columns, seed, duration, ())
    return _open_once(name, columns, 0, 1.0, _state_of_files(name))


@lru_cache(maxsize=8)
def _open_once(name: str, columns: str | None, seed: int, duration: float, state: tuple[object, ...]) -> TracePair:
    return open_trace(name, seed=seed, duration=duration, columns=columns)


def _state_of_files(name: str) -> tuple[object, ...]:
    """What tells the files of a trace from others of the same name, and from themselves before a change."""
    file = find(Path(name))
    if file is None:
        return ()
    files = [path.absolute() for path in (file, sibling(file)) if path is not None]
    return tuple((path, (stat := path.stat()).st_mtime_ns, stat.st_size) for path in files)
