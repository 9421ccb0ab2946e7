"""The table of metrics that a budget can hold, and how each is counted from the frames of its runs.

A value is in the metric's unit: ms, a count, a share of frames (0 to 1), or a plain ratio. Infinite is a value.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from glassbench.experiments.account.metrics import floor_ratio, freezes, glass_to_glass, percentile

Frames = Sequence[pd.DataFrame]
"""The ledger of one track, run by run."""


@dataclass(frozen=True)
class Metric:
    """One line of the table. `share` is the percentile of glass-to-glass latency that it is made of, None without one.
    `video_only`: a track of messages has none."""

    name: str
    unit: str
    share: float | None = None
    lower_is_better: bool = True
    video_only: bool = False


@dataclass(frozen=True)
class Value:
    """A metric over all runs together, and run by run, in its unit; a run in which it is undefined is left out."""

    pooled: float
    runs: tuple[float, ...]


METRICS = {
    metric.name: metric
    for metric in (
        Metric("p50", "ms", 0.50),
        Metric("p95", "ms", 0.95),
        Metric("p99", "ms", 0.99),
        Metric("max", "ms", 1.0),
        Metric("freezes", "count", video_only=True),
        Metric("delivered", "share", lower_is_better=False),
        Metric("floor_ratio", "ratio", 0.95, video_only=True),
    )
}


def value(metric: Metric, runs: Frames, floor: Frames | None = None) -> float:
    """The metric over all captured frames of all runs together; NaN if it is undefined, as where none was captured.

    Percentiles are nearest rank, and a frame that was never shown is infinite. `floor_ratio` needs the frames of the
    `floor`, and is undefined if the floor's p95 is infinite.
    """
    if metric.name == "freezes":
        return float(sum(len(freezes(frames)) for frames in runs))
    if metric.name == "delivered":
        captured = sum(len(frames) for frames in runs)
        return sum(int((frames["fate"] == "displayed").sum()) for frames in runs) / captured if captured else math.nan
    assert metric.share is not None
    latency = _percentile_ms(runs, metric.share)
    if metric.name != "floor_ratio":
        return latency
    assert floor is not None
    ratio = floor_ratio(latency, _percentile_ms(floor, metric.share))
    return math.nan if ratio is None else ratio


def _percentile_ms(runs: Frames, share: float) -> float:
    latencies = np.concatenate([glass_to_glass(frames) for frames in runs])
    return round(1e3 * percentile(latencies, share), 6)
