"""The comparison as a table in a terminal: one row an arm, soonest first."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from glassbench.experiments.account.metric_table import Metric, in_view
from glassbench.experiments.cli.whole_table import TableColumn, WholeTable
from glassbench.experiments.results.ranking import BY_LATENCY, Ranking

SummaryRow = Mapping[str, object]


def summary_table(rows: Sequence[SummaryRow], *, title: str, ranking: Ranking = BY_LATENCY) -> WholeTable:
    """The table of `glass compare`: `rows` as in the `arms` of `--json`.

    An arm that was not measured to its end has its outcome in place of numbers.
    """
    # What was shown is first, since it says whether to read the rest.
    metrics = sorted(in_view(ranking.view), key=lambda metric: metric.name != "shown")
    shown, *others = metric_columns(metrics, ranking)
    columns = [TableColumn("arm", "name"), replace(shown, heading="frames\nshown"), *others]
    table = WholeTable(ranking.title(title), columns)
    for row in sorted(rows, key=lambda row: _soonest_first(row, ranking)):
        if row["outcome"] != "measured":
            table.add_row(str(row["arm"]), str(row["outcome"]))
            continue
        table.add_row(str(row["arm"]), *(_text(metric, row) for metric in metrics))
    return table


def metric_columns(metrics: Iterable[Metric], ranking: Ranking) -> list[TableColumn]:
    """A column per metric."""
    return [TableColumn(metric.heading, decides=ranking.decides(metric)) for metric in metrics]


def _text(metric: Metric, row: SummaryRow) -> str:
    if metric.name == "shown":
        return f"{row['displayed']}/{row['captured']}"
    return metric.text(row[metric.column])


def _soonest_first(row: SummaryRow, ranking: Ranking) -> tuple[bool, list[float], str]:
    return row["outcome"] != "measured", [_or_infinite(row.get(column)) for column in ranking.columns], str(row["arm"])


def _or_infinite(value: object) -> float:
    return float(value) if isinstance(value, int | float) else math.inf
