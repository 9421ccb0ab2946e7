"""The report of a sweep: who is soonest at which point, and how delays go along its axes."""

from glassbench.experiments.account.metric_table import in_view, known
from glassbench.experiments.results.dataset import Dataset
from glassbench.experiments.results.report.content import Figure, Report, Row, Section, Table, TableCell
from glassbench.experiments.results.report.sections import not_measured, note_section, tail
from glassbench.experiments.results.report.sweep_pictures import lines_figure, maps_figure
from glassbench.experiments.results.report.sweep_points import SweepPoints
from glassbench.experiments.results.report.tables import headings
from glassbench.experiments.results.report.why import marks_of
from glassbench.experiments.results.subject import subject
from glassbench.experiments.scenario.spec import FLOOR

_OF_A_MAP = 2  # axes


def of_a_sweep(dataset: Dataset) -> Report:
    """What a sweep says, point by point."""
    points = SweepPoints(dataset)
    drawable = bool(points.axes) and not points.rows.empty
    varied = " and ".join(points.axes) or "nothing"
    return Report(
        title=dataset.name,
        question=f"How does the delay of {_arms(dataset.arms)} depend on {varied}?",
        subject=f"{subject(dataset)}, judged by {points.name}",
        verdict=points.verdict,
        basis=points.basis,
        warnings=not_measured(dataset),
        sections=(
            *([Section("why", "Why", figures=_figures(points))] if drawable else ()),
            Section("numbers", "Numbers", tables=(_medians(dataset, points),)),
            *note_section(dataset.notes),
            *tail(dataset, {}),
        ),
        arms=marks_of(dataset.arms) if drawable else (),
    )


def _arms(arms: list[str]) -> str:
    return arms[0] if len(arms) == 1 else f"these {len(arms)} arms"


def _figures(points: SweepPoints) -> tuple[Figure, ...]:
    maps = (maps_figure(points),) if len(points.axes) == _OF_A_MAP else ()
    return (*maps, *(lines_figure(points, axis) for axis in points.axes))


def _medians(dataset: Dataset, points: SweepPoints) -> Table:
    medians = dataset.medians()
    records = medians[medians["arm"] != FLOOR].to_dict("records")
    metrics = known(in_view("report"), records)
    rows = [
        Row(
            ", ".join([*(f"{axis} {row[axis]}" for axis in points.axes), str(row["arm"])]),
            (
                TableCell(str(row["runs"])),
                *(TableCell(metric.text(row[metric.column])) for metric in metrics),
            ),
        )
        for row in records
    ]
    return Table(
        caption="The median at each point of the sweep, over the seeds in which a number is defined; ∞ stands for "
        "frames never shown.",
        corner="point and arm",
        columns=("runs", *headings(metrics)),
        rows=tuple(rows),
    )
