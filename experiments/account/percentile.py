"""The percentile of all metrics. It is light to import: live parts use it."""

import math

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


def percentile(values: FloatArray, share: float) -> float:
    """The nearest-rank percentile: the least value with at least `share` of all values at or below it; NaN of none.

    Unlike interpolation it is always a measured value, and works with infinite ones.
    """
    return float(np.sort(values)[rank(share, len(values))]) if len(values) else math.nan


def rank(share: float, count: int) -> int:
    """The index of the nearest-rank percentile among `count` sorted values."""
    # A grain of tolerance: 0.95 * 20 is 19, not the 20 that the next float above would make of it.
    return max(0, math.ceil(share * count - 1e-9) - 1)
