"""Intervals for a quantile from the order statistics of independent observations, without assuming a distribution.

Of n observations, the number at or below the q-quantile is binomial(n, q), so two of the sorted observations bound the
quantile with a known probability (David and Nagaraja, "Order Statistics", 3rd ed., 7.1; Le Boudec, "Performance
Evaluation of Computer and Communication Systems", 2.2). Infinite observations are no difficulty.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

_ROUNDING = 1e-12


@dataclass(frozen=True)
class Interval:
    """Bounds of a quantile. -inf or inf stands for a side that so few observations do not bound. `confidence` is what
    is reached: at least what was asked for, if both sides are bounded."""

    low: float
    high: float
    confidence: float


def quantile_interval(
    observations: Sequence[float] | NDArray[np.float64], quantile: float = 0.5, *, confidence: float = 0.95
) -> Interval:
    """The two-sided interval of a quantile, with at most half of the risk on each side.

    Raises ValueError for a quantile or a confidence that is not between 0 and 1, or without observations.
    """
    _check(quantile, confidence)
    values = np.sort(np.asarray(observations, dtype=np.float64))
    n = len(values)
    if n == 0:
        raise ValueError("an interval needs at least one observation")
    low_rank, high_rank, reached = _ranks(n, quantile, confidence)
    low = float(values[low_rank - 1]) if low_rank >= 1 else -math.inf
    high = float(values[high_rank - 1]) if high_rank <= n else math.inf
    return Interval(low, high, reached)


@lru_cache(maxsize=1024)  # a sweep asks for as many intervals as it has points, nearly all of as many runs
def _ranks(n: int, quantile: float, confidence: float) -> tuple[int, int, float]:
    """The ranks of the bounds among n observations, from 1 on, and the confidence that is reached. A rank of 0 or n + 1
    stands for no bound."""
    risk = (1 - confidence) / 2
    below = binomial_quantile(risk, n, quantile)  # the least k with P(B <= k) >= risk
    low = below if _cdf(below - 1, n, quantile) <= risk else below - 1  # P(B < low) <= risk
    high = binomial_quantile(1 - risk, n, quantile) + 1  # P(B >= high) <= risk
    missed = (_cdf(low - 1, n, quantile) if low >= 1 else 0.0) + (1 - _cdf(high - 1, n, quantile) if high <= n else 0.0)
    return low, high, 1 - missed


def lower_bound(
    observations: Sequence[float] | NDArray[np.float64], quantile: float = 0.5, *, confidence: float = 0.95
) -> float:
    """A number that the quantile is above with this confidence; -inf if there are too few observations to say."""
    _check(quantile, confidence)
    values = np.sort(np.asarray(observations, dtype=np.float64))
    rank = 0
    while rank < len(values) and _cdf(rank, len(values), quantile) <= 1 - confidence:
        rank += 1
    return float(values[rank - 1]) if rank >= 1 else -math.inf


def binomial_quantile(share: float, n: int, probability: float) -> int:
    """The least k with P(B <= k) >= share, for B binomial(n, probability)."""
    from scipy.special import bdtrik

    near = max(0, math.floor(bdtrik(share, n, probability)))  # P is interpolated between whole k
    return next(k for k in range(max(0, near - 1), n + 1) if k == n or _cdf(k, n, probability) >= share - _ROUNDING)


def _cdf(count: int, n: int, quantile: float) -> float:
    from scipy.special import bdtr  # scipy.stats has the same, but takes a second to import

    return float(bdtr(count, n, quantile)) if count >= 0 else 0.0


def _check(quantile: float, confidence: float) -> None:
    for name, value in (("quantile", quantile), ("confidence", confidence)):
        if not 0 < value < 1:
            raise ValueError(f"{name} must be between 0 and 1, found {value}")
