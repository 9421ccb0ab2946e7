"""Two sets of runs, metric by metric: what differs, by how much, and whether chance explains it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from glassbench.experiments.account.metric_table import Metric
from glassbench.experiments.results.files import ResultsError
from glassbench.experiments.results.ranking import Ranking
from glassbench.experiments.results.statistics import Paired, compare_paired
from glassbench.experiments.results.statistics.comparison import NO_VERDICT, NOT_DISTINGUISHABLE
from glassbench.experiments.results.statistics.holm import holm

LEVEL = 0.05


@dataclass(frozen=True)
class PairedRow:
    """One metric of one pair of arms: A and B in a typical run (median), and A less B. Without a `p_value` the runs are
    not independent, and the interval of the difference is none."""

    arm: str
    metric: Metric
    a: float
    b: float
    paired: Paired
    p_value: float | None

    @property
    def verdict(self) -> str:
        """Which setting is sooner, in words; or that they are not distinguishable."""
        if self.p_value is None:
            return NO_VERDICT
        if self.p_value > LEVEL:
            return NOT_DISTINGUISHABLE
        words = f"A {self.metric.less if self.paired.direction < 0 else self.metric.more}"
        return words if self.paired.difference else f"{words}, in some runs"


def paired_rows(
    pairs: Sequence[tuple[str, pd.DataFrame, pd.DataFrame]],
    ranking: Ranking,
    *,
    rng: np.random.Generator,
    independent: bool = True,
) -> list[PairedRow]:
    """Every metric of every (name, rows of A, rows of B); the rows are of a dataset's summary, pair by pair of runs.

    Holm's adjustment is over all of them; runs that are not `independent` are not tested. Pairs of which one was not
    measured are left out, and so are metrics that only one side has, as the picture delay if the other side has no
    pictures. Raises ResultsError if none is left.
    """
    measured = []
    for name, a, b in pairs:
        both = (a["outcome"].to_numpy() == "measured") & (b["outcome"].to_numpy() == "measured")
        if not both.any():
            raise ResultsError(f"{name} was not measured: {a['outcome'].iloc[0]} in A, {b['outcome'].iloc[0]} in B")
        for metric in ranking.metrics("paired"):
            values_a, values_b = values_of(a[both], metric), values_of(b[both], metric)
            if np.isnan(values_a).all() != np.isnan(values_b).all():
                continue
            paired = compare_paired(values_a, values_b, rng=rng)
            measured.append((name, metric, float(np.median(values_a)), float(np.median(values_b)), paired))
    if not independent:
        return [PairedRow(*columns, None) for columns in measured]
    adjusted = holm([paired.p_value for *_, paired in measured])
    return [PairedRow(*columns, p_value) for columns, p_value in zip(measured, adjusted, strict=True)]


def values_of(rows: pd.DataFrame, metric: Metric) -> NDArray[np.float64]:
    """A number per run, which may be infinite; NaN where it is undefined."""
    return rows[metric.column].to_numpy(dtype=np.float64, na_value=np.nan)
