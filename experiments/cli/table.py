"""The comparison as a table in a terminal: one row an arm, soonest first."""

import math
from collections.abc import Mapping, Sequence

from rich.table import Table

from glassbench.experiments.account.metric_table import Metric, in_view
from glassbench.experiments.cli.whole_table import titled_table
from glassbench.experiments.results.ranking import BY_LATENCY, Ranking

SummaryRow = Mapping[str, object]

WIDE = 110  # characters: with less, the table gives up its spacing


def summary_table(rows: Sequence[SummaryRow], *, title: str, ranking: Ranking = BY_LATENCY, width: int = WIDE) -> Table:
    """The table of `glass compare`: `rows` as in the `arms` of `--json`, for a terminal of `width` characters.

    An arm that was not measured to its end has its outcome in place of numbers.
    """
    # What was shown is first, since it says whether to read the rest.
    metrics = sorted(in_view(ranking.view), key=lambda metric: metric.name != "shown")
    headings = ("frames\nshown" if metric.name == "shown" else metric.heading for metric in metrics)
    table = titled_table(ranking.title(title), ("arm",), headings, padding=1 if width >= WIDE else 0)
    for row in sorted(rows, key=lambda row: _soonest_first(row, ranking)):
        if row["outcome"] != "measured":
            table.add_row(str(row["arm"]), str(row["outcome"]))
            continue
        table.add_row(str(row["arm"]), *(_text(metric, row) for metric in metrics))
    return table


def _text(metric: Metric, row: SummaryRow) -> str:
    if metric.name == "shown":
        return f"{row['displayed']}/{row['captured']}"
    return metric.text(row[metric.column])


def _soonest_first(row: SummaryRow, ranking: Ranking) -> tuple[bool, list[float], str]:
    return row["outcome"] != "measured", [_or_infinite(row.get(column)) for column in ranking.columns], str(row["arm"])


def _or_infinite(value: object) -> float:
    return float(value) if isinstance(value, int | float) else math.inf
