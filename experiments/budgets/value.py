"""The value of a metric: over all runs together, and run by run."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from glassbench.experiments.account.metric_table import Metric, Runs, in_view

Frames = Sequence[pd.DataFrame]
"""The ledger of one track, run by run."""

HELD = {metric.name: metric for metric in in_view("budget")}
"""The metrics that a budget can hold, by name."""


@dataclass(frozen=True)
class Value:
    """A metric over all runs together, and run by run, in its unit; a run in which it is undefined is left out."""

    pooled: float
    runs: tuple[float, ...]


def value(metric: Metric, runs: Frames, floor: Frames | None = None) -> float:
    """The metric over all captured frames of all runs together; NaN if it is undefined, as where none was captured."""
    return metric.of(Runs(runs, floor=floor))
