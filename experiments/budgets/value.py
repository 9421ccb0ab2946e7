"""What a budget can hold, and the value of it: over all runs together, and run by run."""

from dataclasses import dataclass

from glassbench.experiments.account.metric_table import in_view

HELD = {metric.name: metric for metric in in_view("budget")}
"""The metrics that a budget can hold, by name."""


@dataclass(frozen=True)
class Value:
    """A metric over all captured frames of all runs together, and run by run, in its unit; a run in which it is
    undefined is left out."""

    pooled: float
    runs: tuple[float, ...]
