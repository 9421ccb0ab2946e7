"""What is known of each number at each point of a dataset: its median over the seeds, and the bounds of it."""

from typing import Any

import numpy as np
import pandas as pd

from glassbench.experiments.account.metric_table import METRICS
from glassbench.experiments.results.paired_metrics import values_of
from glassbench.experiments.results.statistics import quantile_interval
from glassbench.experiments.scenario.spec import FLOOR


def intervals_of(table: pd.DataFrame, axes: dict[str, str], *, independent: bool) -> pd.DataFrame:
    """A row per point of the axes, arm and metric, in long form; `table` is a dataset's summary, `axes` has its columns
    by the names of the axes.

    Columns: each axis by its name, `arm`, `metric` (its name in METRICS), `unit`, `runs` in which it is defined, their
    `median`, `least` and `most`, and `low` and `high`, the 95 % interval of the median by order statistics: infinite on
    a side that so few runs do not bound, missing if the runs are not `independent`. Times are in ms.
    """
    measured = table[(table["outcome"] == "measured") & (table["arm"] != FLOOR)]
    columns = {metric: values_of(measured, metric) for metric in METRICS.values()}
    groups = measured.groupby([*axes.values(), "arm"], sort=False, dropna=False).indices
    rows = []
    for place, cells in sorted(groups.items(), key=lambda group: int(group[1][0])):
        point: dict[str, Any] = dict(zip([*axes, "arm"], _as_tuple(place, len(axes) + 1), strict=True))
        for metric, column in columns.items():
            values = column[cells]
            values = values[~np.isnan(values)]
            if not len(values):
                continue
            bounds = quantile_interval(values)
            rows.append(
                point
                | {
                    "metric": metric.name,
                    "unit": metric.unit,
                    "runs": len(values),
                    "median": float(np.median(values)),
                    "low": bounds.low if independent else np.nan,
                    "high": bounds.high if independent else np.nan,
                    "least": float(values.min()),
                    "most": float(values.max()),
                }
            )
    names = [*axes, "arm", "metric", "unit", "runs", "median", "low", "high", "least", "most"]
    return pd.DataFrame(rows, columns=names)


def _as_tuple(place: Any, length: int) -> tuple[Any, ...]:
    """The key of a group, which pandas gives bare if it is one column."""
    return tuple(place) if isinstance(place, tuple) and len(place) == length else (place,)
