"""The clocks of two hosts, aligned by an exchange between them: offset, drift, and a bound of the error.

Each exchange has the four timestamps of NTP (RFC 5905, section 8), in seconds: the asker sends a question at t1 and has
the answer at t4 by its own clock (local), the answerer gets it at t2 and answers at t3 by its own (remote). Let
theta(t) be remote minus local time at local time t. One-way delays are not negative, so

    theta(t1) <= t2 - t1    and    theta(t4) >= t3 - t4,

however asymmetric the path is. A t1 or t3 taken too early, or a t2 or t4 taken too late, loosens this but keeps it
true.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import inf

import numpy as np
from numpy.typing import NDArray

from glassbench.netem.checks import positive

MAX_DRIFT = 500e-6  # of one clock against the other: the frequency tolerance of RFC 5905, appendix A (MAXFREQ)
TOLERANCE = 1e-6  # seconds: stamps of 1 ns, doubles up to 2^32 s, and wander of 10 ns/s over 100 s

FloatArray = NDArray[np.float64]
Line = tuple[float, float]  # theta at the reference, drift


@dataclass(frozen=True, slots=True)
class Exchange:
    """A question and its answer: t1 and t4 by the local clock, t2 and t3 by the remote one, in seconds."""

    t1: float
    t2: float
    t3: float
    t4: float

    @property
    def round_trip(self) -> float:
        """Seconds on the way, both directions together. Clocks that drift apart can make it a little negative."""
        return (self.t4 - self.t1) - (self.t3 - self.t2)


def align(exchanges: Sequence[Exchange], *, tolerance: float = TOLERANCE) -> "Alignment":
    """The line in the middle of all that the exchanges leave possible (Moon, Skelly and Towsley, INFOCOM 1999, in both
    directions at once).

    theta is assumed to be a line with |drift| <= MAX_DRIFT, apart from a deviation of at most `tolerance` seconds
    (rounding of stamps, wander of the clocks), by which every limit is widened. The lines within the limits are
    a convex polygon of offset and drift, found by clipping with one half-plane a stamp. If no line keeps the limits as
    they were measured, all are widened further by the least that lets one through (`Alignment.misfit`).

    The estimate halves what is possible at the first answer and at the last question. So it is itself one of the lines,
    and no other has a smaller largest error in between.

    Raises ValueError without exchanges, and if they contradict each other even for clocks that only keep MAX_DRIFT:
    then a clock has stepped or stood still.
    """
    if not exchanges:
        raise ValueError("exchanges: found none, accepted is one or more")
    positive("tolerance", tolerance)
    t1, t2, t3, t4 = np.array([(each.t1, each.t2, each.t3, each.t4) for each in exchanges]).T
    first, last = float(t4.min()), float(t1.max())
    reference = (first + last) / 2
    half = (last - first) / 2 if first < last else 1.0
    base = float(t2[0] - t1[0])  # small levels keep their digits
    above, below = (t1 - reference, t2 - t1 - base), (t4 - reference, t3 - t4 - base)

    contradiction = max(
        limit - float(np.min(above[1] + MAX_DRIFT * np.abs(above[0] - at))) for at, limit in zip(*below, strict=True)
    )
    if contradiction > 2 * tolerance:
        raise ValueError(
            f"exchanges: found a contradiction of {contradiction:.6f} s, accepted are clocks that never step and "
            f"drift by {MAX_DRIFT * 1e6:g} ppm at most"
        )
    misfit = _misfit(above, below)
    lines = _feasible_lines(above, below, tolerance + misfit)
    start, end = (_middle(level + drift * at for level, drift in lines) for at in (-half, half))
    level, drift = (start + end) / 2, (end - start) / (2 * half)
    return Alignment(
        reference=reference,
        offset=base + level,
        drift=drift,
        tolerance=tolerance,
        misfit=misfit,
        _errors=tuple((each[0] - level, each[1] - drift) for each in lines),
        _above=(above[0], above[1] - level - drift * above[0]),
        _below=(below[0], level + drift * below[0] - below[1]),
    )


@dataclass(frozen=True, slots=True, eq=False)
class Alignment:
    """remote - local = offset + drift * (t - reference) at local time t; seconds, and seconds per second."""

    reference: float
    offset: float
    drift: float
    tolerance: float  # seconds by which theta may differ from a line, for `bound` to hold
    misfit: float  # seconds by which it does at least, as the exchanges prove; rounding makes it some 0.1 ns
    _errors: tuple[Line, ...]  # corners of the polygon of possible lines, less the estimate
    _above: tuple[FloatArray, FloatArray]  # instants, from the reference, and limits of theta - estimate
    _below: tuple[FloatArray, FloatArray]  # and of estimate - theta

    @property
    def linear(self) -> bool:
        """Whether a line within `tolerance` explains all exchanges."""
        return self.misfit <= self.tolerance

    def to_remote(self, local_time: float) -> float:
        """What the remote clock shows at `local_time`, to `bound(local_time)` seconds."""
        return local_time + self.offset + self.drift * (local_time - self.reference)

    def to_local(self, remote_time: float) -> float:
        """The inverse of `to_remote`; the error is at most `bound(result) / (1 - MAX_DRIFT)` seconds."""
        return self.reference + (remote_time - self.reference - self.offset) / (1 + self.drift)

    def bound(self, start: float, end: float | None = None) -> float:
        """Seconds: the largest error of the estimate at local times from `start` to `end`, or at `start` alone.

        It is the largest distance to a possible line, plus `tolerance`. If the clocks are not `linear`, it is the
        `wander_bound`.
        """
        if not self.linear:
            return self.wander_bound(start, end)
        ends = (start, start if end is None else end)  # a largest distance of lines is convex: it is largest at an end
        return self.tolerance + max(
            abs(level + drift * (at - self.reference)) for level, drift in self._errors for at in ends
        )

    def wander_bound(self, start: float, end: float | None = None) -> float:
        """As `bound`, but of clocks whose drift may change at will within MAX_DRIFT: nothing else is assumed."""
        span = (start - self.reference, (start if end is None else end) - self.reference)
        return self.tolerance + max(
            _largest_below_cones(*self._above, MAX_DRIFT - self.drift, MAX_DRIFT + self.drift, span),
            _largest_below_cones(*self._below, MAX_DRIFT + self.drift, MAX_DRIFT - self.drift, span),
        )


def _misfit(above: tuple[FloatArray, FloatArray], below: tuple[FloatArray, FloatArray]) -> float:
    """The least by which all limits must be widened to let a line through. It is convex in the drift."""

    def needed(drift: float) -> float:
        return float(np.max(below[1] - drift * below[0]) - np.min(above[1] - drift * above[0])) / 2

    low, high = -MAX_DRIFT, MAX_DRIFT
    for _ in range(80):  # a third less each time
        left, right = low + (high - low) / 3, high - (high - low) / 3
        low, high = (low, right) if needed(left) < needed(right) else (left, high)
    return max(0.0, needed((low + high) / 2))


def _feasible_lines(
    above: tuple[FloatArray, FloatArray], below: tuple[FloatArray, FloatArray], widening: float
) -> list[Line]:
    """The corners of the polygon of lines between the limits, each limit widened."""
    highest = float(np.min(above[1] + MAX_DRIFT * np.abs(above[0]))) + widening
    lowest = float(np.max(below[1] - MAX_DRIFT * np.abs(below[0]))) - widening
    lines = [(lowest, -MAX_DRIFT), (highest, -MAX_DRIFT), (highest, MAX_DRIFT), (lowest, MAX_DRIFT)]
    for (instants, limits), sign in ((above, 1.0), (below, -1.0)):
        for at, limit in zip(instants.tolist(), (sign * limits + widening).tolist(), strict=True):
            lines = _clip(lines, sign, sign * at, limit)
    return lines


def _clip(lines: list[Line], level_factor: float, drift_factor: float, limit: float) -> list[Line]:
    """The part of a polygon in which level * level_factor + drift * drift_factor <= limit (Sutherland and Hodgman)."""
    beyond = [level * level_factor + drift * drift_factor - limit for level, drift in lines]
    if max(beyond) <= 0:
        return lines
    clipped: list[Line] = []
    for index, (line, excess) in enumerate(zip(lines, beyond, strict=True)):
        before, excess_before = lines[index - 1], beyond[index - 1]
        if (excess > 0) != (excess_before > 0):
            share = excess_before / (excess_before - excess)
            clipped.append((before[0] + share * (line[0] - before[0]), before[1] + share * (line[1] - before[1])))
        if excess <= 0:
            clipped.append(line)
    return clipped


def _middle(values: Iterable[float]) -> float:
    numbers = list(values)
    return (min(numbers) + max(numbers)) / 2


def _largest_below_cones(
    instants: FloatArray, limits: FloatArray, rising: float, falling: float, span: tuple[float, float]
) -> float:
    """The largest value in `span` of the function that each limit lets rise by `rising` after its instant and by
    `falling` before it, per second. Between two instants it rises, peaks and falls."""
    order = np.argsort(instants)
    instants, limits = instants[order], limits[order]
    after = np.concatenate(([inf], np.minimum.accumulate(limits - rising * instants)))
    before = np.concatenate((np.minimum.accumulate((limits + falling * instants)[::-1])[::-1], [inf]))
    start = np.maximum(np.concatenate(([-inf], instants)), span[0])
    end = np.minimum(np.concatenate((instants, [inf])), span[1])
    inside = start <= end
    after, before, start, end = after[inside], before[inside], start[inside], end[inside]
    peak = np.clip((before - after) / (rising + falling), start, end)
    return float(np.max(np.minimum(after + rising * peak, before - falling * peak)))
