"""Capacity over time, in the two forms that traces have: a fluid rate, and mahimahi's delivery opportunities.

Times are in seconds from the start of the schedule, which repeats for ever. An interval is (t0, t1]: the end of a
period and the start of the next are one instant, and belong to the period that ends.
"""

import math
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

OPPORTUNITY_BYTES = 1504  # mm-link's packet size: an Ethernet payload with the 4-byte header of its TUN device

_GRAIN_BYTES = 1e-5  # rounding of the sums: a packet that lacks no more than this when capacity stops is through


@dataclass(frozen=True, slots=True, eq=False)
class RateSchedule:
    """A piecewise-constant rate: `rates_bps[i]` holds from `times[i]` until the next time, the last until `period`.

    `times` starts at 0 and increases strictly; rates are finite, not negative, and not all zero. Raises ValueError.
    """

    times: NDArray[np.float64]
    rates_bps: NDArray[np.float64]
    period: float
    _edges: list[float] = field(init=False, repr=False)
    _rates: list[float] = field(init=False, repr=False)  # bytes per second
    _totals: list[float] = field(init=False, repr=False)  # bytes carried from 0 to each edge

    def __post_init__(self) -> None:
        _check_rates(self.times, self.rates_bps, self.period)
        edges = np.append(self.times, self.period).astype(float)
        rates = np.asarray(self.rates_bps, dtype=float) / 8
        totals = np.append(0.0, np.cumsum(rates * np.diff(edges)))
        for name, values in (("_edges", edges), ("_rates", rates), ("_totals", totals)):
            object.__setattr__(self, name, values.tolist())  # bisect and indexing are much faster on lists

    def cut(self, period: float) -> "RateSchedule":
        """The same until `period` seconds, after which it repeats. Raises ValueError if it carries nothing then."""
        kept = self.times < period
        return RateSchedule(self.times[kept], self.rates_bps[kept], period)

    def departure(self, start: float, size_bytes: float) -> float:
        """When the last bit has left, if serialisation starts at `start` and the packet is alone on the link.

        It is the exact integral over the steps and the repeats, in O(log n). A time without capacity is waited out.
        """
        periods, rest = divmod(start, self.period)
        index = bisect_right(self._edges, rest, hi=len(self._rates)) - 1
        rate = self._rates[index]
        if rate > 0 and rest + size_bytes / rate <= self._edges[index + 1]:
            return start + size_bytes / rate  # the usual case, and without the rounding of large totals
        extra, target = divmod(self._totals[index] + rate * (rest - self._edges[index]) + size_bytes, self._totals[-1])
        if target <= _GRAIN_BYTES:  # the last bit is also the last of its period, after which there may be no capacity
            extra, target = extra - 1, self._totals[-1]
        index = bisect_left(self._totals, target - _GRAIN_BYTES, lo=1) - 1
        within = min(self._edges[index] + (target - self._totals[index]) / self._rates[index], self._edges[index + 1])
        return max(start, (periods + extra) * self.period + within)

    def capacity_bytes(self, t0: float, t1: float) -> float:
        """Bytes the link can carry in (t0, t1]."""
        return self._carried(t1) - self._carried(t0)

    def _carried(self, time: float) -> float:
        periods, rest = divmod(time, self.period)
        index = bisect_right(self._edges, rest, hi=len(self._rates)) - 1
        return periods * self._totals[-1] + self._totals[index] + self._rates[index] * (rest - self._edges[index])


@dataclass(frozen=True, slots=True, eq=False)
class OpportunitySchedule:
    """Instants, in whole milliseconds, at each of which OPPORTUNITY_BYTES may leave.

    `opportunities_ms` is sorted and not negative, several may be equal, the last is positive. It repeats after
    `period_ms`, which is the last opportunity if it is not given. Raises ValueError.
    """

    opportunities_ms: NDArray[np.int64]
    period_ms: int = 0
    _marks: list[int] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        marks = self.opportunities_ms
        if len(marks) == 0 or marks[-1] <= 0:
            raise ValueError("OpportunitySchedule: found no opportunity after 0 ms, at least one is needed")
        if marks[0] < 0 or (np.diff(marks) < 0).any():
            raise ValueError("OpportunitySchedule: opportunities are whole milliseconds from 0 that never decrease")
        object.__setattr__(self, "_marks", np.asarray(marks, dtype=np.int64).tolist())
        object.__setattr__(self, "period_ms", self.period_ms or self._marks[-1])
        if self.period_ms < self._marks[-1]:
            raise ValueError("OpportunitySchedule: the period is not before the last opportunity")

    @property
    def period(self) -> float:
        return self.period_ms / 1000

    def cut(self, period: float) -> "OpportunitySchedule":
        """The same until `period` seconds, a whole number of milliseconds, after which it repeats. Raises ValueError if
        it carries nothing then."""
        period_ms = round(period * 1000)
        return OpportunitySchedule(self.opportunities_ms[self.opportunities_ms <= period_ms], period_ms)

    def capacity_bytes(self, t0: float, t1: float) -> float:
        """Bytes of all opportunities in (t0, t1]."""
        return float((self.passed(t1) - self.passed(t0)) * OPPORTUNITY_BYTES)

    def passed(self, time: float) -> int:
        """How many opportunities are at or before `time`, those at 0 included."""
        if time < 0:
            return 0
        ms = round(time * 1000)  # the next line decides on which side of the whole millisecond `time` is
        periods, rest = divmod(ms if ms / 1000 <= time else ms - 1, self.period_ms)
        return periods * len(self._marks) + bisect_right(self._marks, rest)

    def opportunity_at(self, index: int) -> float:
        """The instant of the opportunity with this index, counted from 0 over all repeats."""
        periods, rest = divmod(index, len(self._marks))
        return (periods * self.period_ms + self._marks[rest]) / 1000


def _check_rates(times: NDArray[np.float64], rates_bps: NDArray[np.float64], period: float) -> None:
    if len(times) == 0 or len(times) != len(rates_bps):
        given = f"{len(times)} times and {len(rates_bps)} rates"
        raise ValueError(f"RateSchedule: found {given}, at least one time and one rate per time are needed")
    if times[0] != 0 or not (np.diff(times) > 0).all() or not times[-1] < period < math.inf:
        raise ValueError("RateSchedule: times start at 0 and increase strictly up to the period")
    if not (np.isfinite(rates_bps) & (np.asarray(rates_bps) >= 0)).all():
        raise ValueError("RateSchedule: rates are finite and not negative")
    if not np.any(rates_bps):
        raise ValueError("RateSchedule: found a rate of 0 for ever, a link that never carries anything is not accepted")
