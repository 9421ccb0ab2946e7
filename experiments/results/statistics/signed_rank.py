"""The exact test of paired blocks: if two arms were alike, their names could be swapped in any block.

Then every pattern of signs of the differences was equally likely, whatever their distribution (Fisher's randomization
test; Edgington and Onghena, "Randomization Tests", 4th ed.). The statistic is Wilcoxon's signed-rank sum (1945; zeros
by Pratt 1959), which a few disastrous or infinite blocks cannot dominate.
"""

import math

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


def signed_rank_sum(differences: FloatArray) -> int:
    """Twice the sum of the signed ranks of differences (blocks,), which may be infinite. It is above 0 if most
    differences are."""
    return int(_doubled_midranks(np.abs(differences)) @ np.sign(differences).astype(np.int64))


def sign_flip_p(differences: FloatArray) -> float:
    """The two-sided p-value: the share of all 2^n patterns of signs whose sum is as far from 0. 1 if all are zero.

    All patterns are counted exactly, by the distribution of the sum of the ranks that are positive: no dice.
    """
    ranks = _doubled_midranks(np.abs(differences))[differences != 0]
    chances = _sum_distribution(ranks)
    sums = 2 * np.arange(len(chances)) - int(ranks.sum())  # the positive ranks less the negative ones
    p = float(chances[np.abs(sums) >= abs(signed_rank_sum(differences))].sum())
    return min(1.0, max(p, least_p(len(differences))))


def least_p(blocks: int) -> float:
    """The smallest p-value that so many blocks can give, with all of them on one side: 2 / 2^n."""
    return float(max(2.0 ** max(1 - blocks, -1000), 1e-300))


def blocks_needed(level: float, comparisons: int) -> int:
    """The fewest blocks that can tell arms apart at a level as one of so many comparisons (Holm)."""
    return 1 + math.ceil(math.log2(comparisons / level) - 1e-9)


def _doubled_midranks(sizes: FloatArray) -> NDArray[np.int64]:
    """Twice the rank of each size, where equal sizes share the mean of their ranks. Doubled, all ranks are whole
    numbers."""
    _, group, members = np.unique(sizes, return_inverse=True, return_counts=True)
    doubled: NDArray[np.int64] = (2 * np.cumsum(members) - members + 1)[group]
    return doubled


def _sum_distribution(terms: NDArray[np.int64]) -> FloatArray:
    """The chance of each sum from 0 on, if each term is in it or not with equal chance."""
    chances = np.zeros(int(terms.sum()) + 1)
    chances[0] = 1.0
    for term in terms.tolist():
        with_it = np.zeros_like(chances)
        with_it[term:] = chances[:-term]
        chances = (chances + with_it) / 2
    return chances
