"""What a terminal shows of a sweep: as much of the grid as a person can read, and medians over the rest."""

import pandas as pd

from glassbench.experiments.cli.show_runs import medians_table
from glassbench.experiments.cli.table import metric_columns
from glassbench.experiments.cli.whole_table import TableColumn, WholeTable
from glassbench.experiments.results.dataset import Dataset
from glassbench.experiments.results.ranking import ranking_of
from glassbench.experiments.results.subject import subject
from glassbench.experiments.scenario.spec import FLOOR

MAX_ROWS = 48


def sweep_table(dataset: Dataset) -> WholeTable:
    """A row per point and arm if those are few. Otherwise a row per arm and value of one axis, or per arm, with medians
    over the points in which a number is defined."""
    medians = dataset.medians()
    arms = medians[medians["arm"] != FLOOR] if len(medians) else medians
    if len(arms) <= MAX_ROWS:
        return medians_table(dataset)
    axes = [axis for axis in dataset.axes if arms[axis].nunique() > 1]  # one value alone says what all points say
    groups = [(axis, value, arm, rows) for axis in axes for value, arm, rows in _by(arms, axis)]
    if len(groups) > MAX_ROWS:
        groups = [("all", "", arm, rows) for _, arm, rows in _by(arms, None)]
    points = f"medians over the {len(arms)} points of the grid, one axis at a time"
    ranking = ranking_of(dataset.counters())
    metrics = ranking.metrics("sweep")
    names = [TableColumn(heading, "name") for heading in ("axis", "value", "arm")]
    table = WholeTable(
        f"{dataset.name}: {points}\n{ranking.title(subject(dataset))}",
        [*names, TableColumn("points"), *metric_columns(metrics, ranking)],
    )
    for axis, value, arm, rows in groups:
        numbers = (metric.text(rows[metric.column].median()) for metric in metrics)
        table.add_row(axis, value, arm, str(len(rows)), *numbers)
    return table


def _by(rows: pd.DataFrame, axis: str | None) -> list[tuple[str, str, pd.DataFrame]]:
    keys = ["arm"] if axis is None else [axis, "arm"]
    return [
        ("" if axis is None else str(place[0]), str(place[-1]), group)
        for place, group in rows.groupby(keys, sort=False)
    ]
