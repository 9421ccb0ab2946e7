"""The A/A check: an arm against itself must be called different as often as the stated level says, and not more."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from glassbench.experiments.results.statistics.order_statistics import binomial_quantile
from glassbench.experiments.results.statistics.paired import differences
from glassbench.experiments.results.statistics.signed_rank import FloatArray, sign_flip_p

LEAST_RUNS = 12  # half of fewer could not be called different at 5 %


@dataclass(frozen=True)
class FalsePositives:
    """`called` of `pairs` comparisons of like with like were called different at `level`; by chance `least` to `most`
    of them are, in 95 of 100 cases, if the level is true."""

    pairs: int
    called: int
    level: float
    least: int
    most: int

    @property
    def too_often(self) -> bool:
        """Whether more were called different than the level allows: then no verdict of this kind can be trusted."""
        return self.called > self.most


def false_positives(p_values: Sequence[float], *, level: float = 0.05) -> FalsePositives:
    """Count how many comparisons of like with like were called different. Raises ValueError without any."""
    if not p_values:
        raise ValueError("a false-positive rate needs at least one comparison")
    pairs = len(p_values)
    least, most = binomial_quantile(0.025, pairs, level), binomial_quantile(0.975, pairs, level)
    return FalsePositives(pairs, sum(p <= level for p in p_values), level, least, most)


def split_against_itself(
    observations: Sequence[float] | FloatArray, *, pairs: int = 200, rng: np.random.Generator, level: float = 0.05
) -> FalsePositives:
    """The observations of one arm, split at random into two halves again and again, each half an arm.

    It checks the procedure on numbers such as these, not whether the runs are independent: their seeds are. The pairs
    share observations, so their number varies somewhat more than a binomial one. Raises ValueError for fewer
    than LEAST_RUNS observations.
    """
    values = np.asarray(observations, dtype=np.float64)
    if len(values) < LEAST_RUNS:
        raise ValueError(f"an A/A check needs at least {LEAST_RUNS} runs, found {len(values)}")
    half = len(values) // 2
    p_values = []
    for _ in range(pairs):
        mixed = rng.permutation(values)
        p_values.append(sign_flip_p(differences(mixed[:half], mixed[half : 2 * half])))
    return false_positives(p_values, level=level)
