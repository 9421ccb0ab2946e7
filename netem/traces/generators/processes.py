"""Random processes that the generators share, drawn in the order of time, so that a longer trace starts the same.

They are the same on every processor, too. exp, log and sin differ in their last bit between processors (AVX-512, FMA)
and libraries. So their results, draws included, are rounded before anything is computed from them.
"""

import math
from collections.abc import Callable

import numpy as np

from glassbench.netem.traces.trace import FloatArray

Intervals = list[tuple[float, float]]

WARM_UP = 60.0
DIGITS = 9  # that are kept behind the point of what exp, log and sin take part in


def grid(duration: float, step: float) -> FloatArray:
    """Start times of steps that cover the duration; the last step may be cut short."""
    return step * np.arange(int(np.ceil(duration / step - 1e-9)), dtype=np.float64)


def ornstein_uhlenbeck(
    rng: np.random.Generator, count: int, step: float, time_constant: float, std: float
) -> FloatArray:
    """A Gaussian process of mean 0 whose autocorrelation is exp(-t / time_constant)."""
    keep = round(math.exp(-step / time_constant), DIGITS)
    noise = np.round(rng.normal(0.0, std, count), DIGITS)
    values = np.empty(count)
    value = noise[0]
    for index in range(count):
        values[index] = value
        value = keep * value + np.sqrt(1 - keep * keep) * noise[(index + 1) % count]
    return values


def renewal(duration: float, gap: Callable[[], float], length: Callable[[], float]) -> Intervals:
    """Alternating gaps and intervals, up to the duration; returns the intervals (start, end).

    The process begins WARM_UP before time 0, so that a trace starts somewhere within it.
    """
    intervals: Intervals = []
    end = -WARM_UP
    while True:
        start = round(end + gap(), DIGITS)
        if start >= duration:
            return intervals
        end = round(start + length(), DIGITS)
        if end > 0:
            intervals.append((start, end))


def inside(times: FloatArray, intervals: Intervals) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """For each time the index of the interval that holds it, or -1."""
    if not intervals:
        return np.full(len(times), -1)
    starts, ends = np.array(intervals).T
    index = np.searchsorted(starts, times + 1e-9, side="right") - 1
    return np.where((index >= 0) & (times + 1e-9 < ends[index]), index, -1)


def decibels(value: FloatArray) -> FloatArray:
    """The power ratio of a number of decibels."""
    return np.asarray(np.round(10.0 ** (value / 10), DIGITS), dtype=np.float64)
