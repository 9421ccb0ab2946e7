"""What is known, and how well: intervals, paired comparisons and their verdicts. Pure functions, no files.

The unit of chance is a block: a run (one seed), or at least ten seconds of one. It is never a frame, because neighbours
in time share their fate. An observation is a number per block, such as its 95th percentile, and it may be infinite.
"""

from glassbench.experiments.account.metrics import values_needed
from glassbench.experiments.results.statistics.comparison import ArmEvidence, Comparison, compare_arms
from glassbench.experiments.results.statistics.order_statistics import Interval, quantile_interval
from glassbench.experiments.results.statistics.paired import Paired, compare_paired

__all__ = [
    "ArmEvidence",
    "Comparison",
    "Interval",
    "Paired",
    "compare_arms",
    "compare_paired",
    "quantile_interval",
    "values_needed",
]
