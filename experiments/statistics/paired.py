"""Two arms over the same blocks: how much later is one, between which bounds, and may it be chance?

Each block gives one number per arm (such as its 95th percentile) and one difference. Both arms meet the same network in
a block, so a difference is theirs. The size is the median difference, the difference in a typical block; its interval
is a paired bootstrap over blocks (Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, 8 and 13).

The verdict is a randomization test: if the arms were alike, their names could be swapped in any block, so every pattern
of signs was equally likely (Fisher; Edgington and Onghena, "Randomization Tests", 4th ed.). Its level is exact for any
distribution. The statistic is the signed-rank sum (Wilcoxon 1945; zeros by Pratt 1959), which a few disastrous or
infinite blocks cannot dominate.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

FloatArray = NDArray[np.float64]

EXACT_BLOCKS = 13  # all 2^13 patterns of signs are tried; above that, so many of them:
SIGN_PATTERNS = 9999
RESAMPLES = 2000


@dataclass(frozen=True)
class Paired:
    """`difference` is that of a typical block, first arm less second; `low` to `high` bound it. `direction` is 1 if
    the first arm ranks higher over all blocks, -1 if lower: a difference that most blocks do not have shows there only.
    `p_value` is two-sided; with so few blocks it cannot be below `least_p`. Differences may be infinite."""

    blocks: int
    difference: float
    low: float
    high: float
    direction: int
    p_value: float
    least_p: float

    def turned(self) -> "Paired":
        """The same with the arms in the other order."""
        return Paired(
            self.blocks,
            0.0 - self.difference,
            0.0 - self.high,
            0.0 - self.low,
            -self.direction,
            self.p_value,
            self.least_p,
        )


def compare_paired(
    first: Sequence[float] | FloatArray,
    second: Sequence[float] | FloatArray,
    *,
    rng: np.random.Generator,
    confidence: float = 0.95,
) -> Paired:
    """Compare an observation per block of two arms, in the same order of blocks. Infinite in both is no difference.

    Raises ValueError without blocks, or if the arms have different numbers of them.
    """
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if a.shape != b.shape or a.ndim != 1:
        raise ValueError(f"a paired comparison needs as many blocks of both arms, found {a.shape} and {b.shape}")
    if len(a) == 0:
        raise ValueError("a paired comparison needs at least one block")
    differences = _differences(a, b)
    low, high = _bootstrap(differences, rng, confidence)
    return Paired(
        blocks=len(a),
        difference=_median(differences),
        low=low,
        high=high,
        direction=int(np.sign(_signed_ranks(differences).sum())),
        p_value=_randomization_p(differences, rng),
        least_p=least_p(len(a)),
    )


def least_p(blocks: int) -> float:
    """The smallest p-value that so many blocks can give: all of them on one side."""
    return max(2.0 ** (1 - blocks), 1 / (SIGN_PATTERNS + 1)) if blocks > EXACT_BLOCKS else 2.0 ** (1 - blocks)


def _differences(a: FloatArray, b: FloatArray) -> FloatArray:
    return np.subtract(a, b, out=np.zeros_like(a), where=a != b)


def _median(differences: FloatArray) -> float:
    """The mean of the middle two; what lies between -inf and inf is 0, because neither side wins."""
    ordered = np.sort(differences)
    low, high = ordered[(len(ordered) - 1) // 2], ordered[len(ordered) // 2]
    return 0.0 if math.isinf(low) and math.isinf(high) and low != high else float((low + high) / 2)


def _bootstrap(differences: FloatArray, rng: np.random.Generator, confidence: float) -> tuple[float, float]:
    n = len(differences)
    ordered = np.sort(differences)
    # The median of a resample is the mean of its middle ranks, so ranks are resampled, and infinite values never added.
    picks = np.sort(rng.integers(0, n, size=(RESAMPLES, n)), axis=1)
    low_ranks, high_ranks = picks[:, (n - 1) // 2], picks[:, n // 2]
    lows, highs = ordered[low_ranks], ordered[high_ranks]
    with np.errstate(invalid="ignore"):
        medians = np.where(lows == highs, lows, (lows + highs) / 2)
    medians = np.sort(np.where(np.isnan(medians), 0.0, medians))
    tail = (1 - confidence) / 2
    return float(medians[int(tail * RESAMPLES)]), float(medians[math.ceil((1 - tail) * RESAMPLES) - 1])


def _randomization_p(differences: FloatArray, rng: np.random.Generator) -> float:
    """Two-sided: the share of sign patterns whose signed-rank sum is as far from 0 as the one that was observed."""
    signed = _signed_ranks(differences)
    observed = abs(float(signed.sum())) - 1e-9
    if len(differences) <= EXACT_BLOCKS:
        patterns = np.array(list(product((-1.0, 1.0), repeat=len(differences))))
        return float(np.mean(np.abs(patterns @ signed) >= observed))
    patterns = rng.integers(0, 2, size=(SIGN_PATTERNS, len(differences))) * 2.0 - 1.0
    beyond = int(np.sum(np.abs(patterns @ signed) >= observed))
    return (1 + beyond) / (1 + SIGN_PATTERNS)  # the observed pattern is one of them (Phipson and Smyth 2010)


def _signed_ranks(differences: FloatArray) -> FloatArray:
    return np.asarray(rankdata(np.abs(differences)) * np.sign(differences), dtype=np.float64)
