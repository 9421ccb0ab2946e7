"""The trace: what a link could carry over time in one direction, and its statistics.

A trace repeats from its end. A rate schedule is a step function; an opportunity schedule is a sorted list of
milliseconds at which one packet of 1504 bytes may leave (mahimahi). Time 0 and the end of the period are the same
instant once the trace repeats, so an interval here is (t0, t1]: over a whole period it holds each opportunity once.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from glassbench.netem.schedule import OPPORTUNITY_BYTES, OpportunitySchedule, RateSchedule

FloatArray = NDArray[np.float64]
Schedule = OpportunitySchedule | RateSchedule

WINDOW = 0.5  # seconds: minimum and maximum rate are over windows of this length
OUTAGE = 0.1  # seconds: a shorter time without capacity is not called an outage


class TraceError(ValueError):
    """A trace that cannot be used; the message is one sentence with file, line, what was found and what is accepted."""


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """A step function: `values[i]` holds from `times[i]` (seconds, from 0) until the next; repeats with its trace."""

    times: FloatArray
    values: FloatArray

    def at(self, time: ArrayLike) -> FloatArray:
        """The values at instants within the period (seconds)."""
        return np.asarray(self.values[np.searchsorted(self.times, time, side="right") - 1], dtype=np.float64)

    def mean(self, duration: float) -> float:
        """The mean over time from 0 to the duration of the trace."""
        return float(np.diff(np.append(self.times, duration)) @ self.values / duration)


class Statistics(NamedTuple):
    """Of one direction. Rates are in bit/s, times in seconds, `outage_ratio` is a fraction of the duration.

    `mean_bps` is over the whole trace, `min_bps` and `max_bps` over windows of WINDOW seconds. `longest_outage` is the
    longest time with no capacity at all, also when it is shorter than OUTAGE; `outages` counts those of OUTAGE or more.
    `mean_delay` (s) and `mean_loss` (fraction) are None where the trace says nothing.
    """

    duration: float
    mean_bps: float
    min_bps: float
    max_bps: float
    longest_outage: float
    outages: int
    outage_ratio: float
    mean_delay: float | None
    mean_loss: float | None


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """One direction of a link over time.

    `format` is the name of the file format, or "generated". `source` says in a few words where the trace comes from,
    and `reason` why a file was taken for that format. `delay` is the one-way propagation delay in seconds, `loss` the
    fraction of packets lost; None means the trace says nothing about it.
    """

    name: str
    format: str
    source: str
    schedule: Schedule
    delay: Series | None = None
    loss: Series | None = None
    reason: str = ""

    @property
    def duration(self) -> float:
        """Seconds after which the trace repeats."""
        return self.schedule.period

    @property
    def steady(self) -> bool:
        """Whether the trace is the same at all times, so that it makes no difference where a run begins in it."""
        series = [steps for steps in (self.delay, self.loss) if steps is not None]
        return _is_steady(self.schedule) and all(len(merged(steps.times, steps.values)[0]) == 1 for steps in series)

    def cut(self, period: float | None) -> "Trace":
        """The trace up to `period` seconds, a whole number of milliseconds, after which it repeats. A trace that is no
        longer than that, or steady, is returned as it is. Raises TraceError."""
        if period is None or period >= self.duration or self.steady:
            return self
        try:
            schedule = self.schedule.cut(period)
        except ValueError:
            raise TraceError(
                f"{self.name} carries nothing in its first {period:g} s, which are as long as the trace beside it is"
            ) from None
        return replace(self, schedule=schedule, delay=_cut(self.delay, period), loss=_cut(self.loss, period))

    def capacity_bytes(self, t0: float, t1: float) -> float:
        """Bytes that the link can carry in (t0, t1], in seconds from the start; the trace repeats for ever."""
        return self.schedule.capacity_bytes(t0, t1)

    def content(self) -> bytes:
        """What the trace says, as bytes. Traces that say the same have the same bytes, whatever files they stand in."""
        schedule, series = self.schedule, (self.delay, self.loss)
        arrays: list[NDArray[np.float64] | NDArray[np.int64]] = [np.array([self.duration])]
        if isinstance(schedule, OpportunitySchedule):
            arrays.append(schedule.opportunities_ms)
        else:
            arrays += merged(schedule.times, schedule.rates_bps)
        arrays += [array for steps in series if steps for array in merged(steps.times, steps.values)]
        kinds = [type(schedule).__name__, *(steps is not None for steps in series), *map(len, arrays)]
        return repr(kinds).encode() + b"".join(array.tobytes() for array in arrays)

    def rates(self, window: float = WINDOW) -> tuple[FloatArray, FloatArray]:
        """Mean rate (bit/s) over consecutive whole windows: their start times and rates.

        A trace shorter than the window is one window.
        """
        window = min(window, self.duration)
        edges = window * np.arange(int(self.duration / window + 1e-9) + 1, dtype=np.float64)
        return edges[:-1], np.diff(cumulative_bytes(self.schedule, edges)) * 8 / window

    def outages(self, shortest: float = OUTAGE) -> list[tuple[float, float]]:
        """Intervals (start, end) of at least `shortest` seconds without capacity; one may end past the period."""
        starts, ends = _gaps(self.schedule)
        long = ends - starts >= shortest - 1e-9
        return [(float(start), float(end)) for start, end in zip(starts[long], ends[long], strict=True)]

    def statistics(self) -> Statistics:
        rates = self.rates()[1]
        starts, ends = _gaps(self.schedule)
        gaps = ends - starts
        outages = gaps[gaps >= OUTAGE - 1e-9]
        return Statistics(
            duration=self.duration,
            mean_bps=self.capacity_bytes(0.0, self.duration) * 8 / self.duration,
            min_bps=float(rates.min()),
            max_bps=float(rates.max()),
            longest_outage=float(gaps.max(initial=0.0)),
            outages=len(outages),
            outage_ratio=float(outages.sum() / self.duration),
            mean_delay=None if self.delay is None else self.delay.mean(self.duration),
            mean_loss=None if self.loss is None else self.loss.mean(self.duration),
        )


@dataclass(frozen=True, slots=True, eq=False)
class TracePair:
    """Both directions of a link: `down` carries the video, `up` what comes back. `notes` says what was assumed."""

    name: str
    down: Trace
    up: Trace
    notes: tuple[str, ...] = ()


def cumulative_bytes(schedule: Schedule, times: FloatArray) -> FloatArray:
    """Bytes that can be carried in (0, t] for each t >= 0 in seconds: `capacity_bytes` for many instants at once."""
    if isinstance(schedule, RateSchedule):
        edges = np.append(schedule.times, schedule.period)
        totals = np.append(0.0, np.cumsum(schedule.rates_bps * np.diff(edges))) / 8
        periods, rest = np.divmod(times, schedule.period)
        return np.asarray(periods * totals[-1] + np.interp(rest, edges, totals), dtype=np.float64)
    # In whole milliseconds, with a grain of tolerance: 0.29 s is 289.99999999999994 ms in floating point.
    ms = np.floor(times * 1000 + 1e-6).astype(np.int64)
    periods_ms, rest_ms = np.divmod(ms, schedule.period_ms)
    counts = np.searchsorted(_within_period(schedule), rest_ms, side="right")
    return np.asarray((periods_ms * len(schedule.opportunities_ms) + counts) * OPPORTUNITY_BYTES, dtype=np.float64)


def rate_steps(schedule: Schedule) -> tuple[FloatArray, FloatArray]:
    """The schedule as a step function: times (s) and rates (bit/s).

    Opportunities become the rate of their millisecond (the one that ends at them); equal neighbours are merged, so that
    the capacity is right at every whole millisecond.
    """
    if isinstance(schedule, RateSchedule):
        return schedule.times, schedule.rates_bps
    marks = _within_period(schedule)
    return steps_of_milliseconds(marks, np.full(len(marks), OPPORTUNITY_BYTES), schedule.period_ms)


def steps_of_milliseconds(
    marks: NDArray[np.int64], sizes: NDArray[np.int64], period_ms: int
) -> tuple[FloatArray, FloatArray]:
    """Times (s) and rates (bit/s) that carry `sizes` bytes within the milliseconds that end at `marks`, which are
    sorted and from 1 to `period_ms`; equal neighbours are merged."""
    marks, first = np.unique(marks, return_index=True)
    carried = np.add.reduceat(sizes, first)
    # Each busy millisecond starts a step at mark - 1 and a step back to zero at mark.
    ends = marks[marks < period_ms]
    times_ms = np.concatenate([[0], marks - 1, ends])
    rates = np.concatenate([[0], carried, np.zeros(len(ends), dtype=np.int64)])
    order = np.lexsort((rates, times_ms))  # of a step down and a step up at the same instant the step up holds
    times_ms, rates = times_ms[order], rates[order]
    last = np.append(times_ms[1:] != times_ms[:-1], True)
    return merged(times_ms[last] / 1000, rates[last] * 8 * 1000.0)


def merged(times: FloatArray, values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """A step function without the steps that change nothing."""
    changes = np.append(True, values[1:] != values[:-1])
    return times[changes], values[changes]


def step_union(trace: Trace) -> tuple[FloatArray, FloatArray, FloatArray | None, FloatArray | None]:
    """A trace on one time line: times (s), rate (bit/s), delay (s) and loss (fraction), None where it has none."""
    rates = Series(*rate_steps(trace.schedule))
    columns = [column for column in (rates, trace.delay, trace.loss) if column is not None]
    times = np.unique(np.concatenate([column.times for column in columns]))
    delay = None if trace.delay is None else trace.delay.at(times)
    loss = None if trace.loss is None else trace.loss.at(times)
    return times, rates.at(times), delay, loss


def _is_steady(schedule: Schedule) -> bool:
    if isinstance(schedule, RateSchedule):
        return len(merged(schedule.times, schedule.rates_bps)[0]) == 1
    marks, counts = np.unique(_within_period(schedule), return_counts=True)
    gaps = np.diff(np.append(0, marks))
    return int(marks[-1]) == schedule.period_ms and len({*gaps.tolist()}) == len({*counts.tolist()}) == 1


def _cut(series: Series | None, period: float) -> Series | None:
    if series is None:
        return None
    kept = series.times < period
    return Series(series.times[kept], series.values[kept])


def _within_period(schedule: OpportunitySchedule) -> NDArray[np.int64]:
    """Opportunities of one period in 1..period ms. Those at 0 count as those at the end of the period before."""
    marks = np.asarray(schedule.opportunities_ms, dtype=np.int64)
    zeros = int(np.searchsorted(marks, 0, side="right"))
    return np.append(marks[zeros:], np.full(zeros, schedule.period_ms, dtype=np.int64))


def _gaps(schedule: Schedule) -> tuple[FloatArray, FloatArray]:
    """Starts and ends of all times without capacity. One that goes on at the start of the next period counts once."""
    if isinstance(schedule, OpportunitySchedule):
        marks = np.unique(_within_period(schedule)) / 1000
        whole = marks[-1] == schedule.period
        marks = np.append(0.0, marks) if whole else np.append(marks, schedule.period + marks[0])
        return marks[:-1], marks[1:]
    times, rates = merged(schedule.times, schedule.rates_bps)
    ends = np.append(times[1:], schedule.period)
    starts, ends = times[rates == 0], ends[rates == 0]
    if len(starts) > 1 and starts[0] == 0 and ends[-1] == schedule.period:
        return starts[1:], np.append(ends[1:-1], schedule.period + ends[0])
    return starts, ends
