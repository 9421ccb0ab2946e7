"""Two arms over the same blocks: how much later is one, between which bounds, and may it be chance?

Each block gives one number per arm (such as its 95th percentile) and one difference. Both arms meet the same network in
a block, so a difference comes from the arms. Its size is the median difference, the difference in a typical block; its
interval is a paired bootstrap over blocks (Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, 8 and 13).
Whether it may be chance is for the exact test of `signed_rank.py`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from glassbench.experiments.results.statistics.signed_rank import FloatArray, least_p, sign_flip_p, signed_rank_sum

RESAMPLES = 2000


@dataclass(frozen=True)
class Paired:
    """`difference` is that of a typical block, first arm less second; `low` to `high` bound it (-inf to inf if the
    blocks are too few for that). `direction` is 1 if the first arm ranks higher over all blocks, and -1 if lower: a
    difference that most blocks do not have shows only there. `p_value` is two-sided. `by_block` has the difference in
    each block, in their order. Differences may be infinite."""

    blocks: int
    difference: float
    low: float
    high: float
    direction: int
    p_value: float
    by_block: tuple[float, ...] = ()

    def turned(self) -> "Paired":
        """The same with the arms in the other order."""
        return Paired(
            self.blocks,
            0.0 - self.difference,
            0.0 - self.high,
            0.0 - self.low,
            -self.direction,
            self.p_value,
            tuple(0.0 - each for each in self.by_block),
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
    between = differences(a, b)
    low, high = _bootstrap(between, rng, confidence)
    return Paired(
        blocks=len(a),
        difference=_median(between),
        low=low,
        high=high,
        direction=int(np.sign(signed_rank_sum(between))),
        p_value=sign_flip_p(between),
        by_block=tuple(between.tolist()),
    )


def differences(a: FloatArray, b: FloatArray) -> FloatArray:
    """a - b, where infinite in both is no difference."""
    return np.subtract(a, b, out=np.zeros_like(a), where=a != b)


def _median(values: FloatArray) -> float:
    """The mean of the middle two. The middle between -inf and inf is 0, because neither side wins."""
    ordered = np.sort(values)
    low, high = ordered[(len(ordered) - 1) // 2], ordered[len(ordered) // 2]
    return 0.0 if math.isinf(low) and math.isinf(high) and low != high else float((low + high) / 2)


def _bootstrap(values: FloatArray, rng: np.random.Generator, confidence: float) -> tuple[float, float]:
    n = len(values)
    if least_p(n) > 1 - confidence:
        return -math.inf, math.inf  # resamples of so few blocks are too much alike: they bound half of what they should
    ordered = np.sort(values)
    # The median of a resample is the mean of its middle ranks, so ranks are resampled, and infinite values never added.
    picks = np.sort(rng.integers(0, n, size=(RESAMPLES, n)), axis=1)
    low_ranks, high_ranks = picks[:, (n - 1) // 2], picks[:, n // 2]
    lows, highs = ordered[low_ranks], ordered[high_ranks]
    with np.errstate(invalid="ignore"):
        medians = np.where(lows == highs, lows, (lows + highs) / 2)
    medians = np.sort(np.where(np.isnan(medians), 0.0, medians))
    tail = (1 - confidence) / 2
    return float(medians[int(tail * RESAMPLES)]), float(medians[math.ceil((1 - tail) * RESAMPLES) - 1])
