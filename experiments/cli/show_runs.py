"""What the commands show of many runs: what is known of each arm, the verdict, and how sure that is."""

from typing import Any

import pandas as pd

from glassbench.experiments.account.number_text import interval_text, number_text
from glassbench.experiments.cli.flow_table import print_flows
from glassbench.experiments.cli.output import print_json
from glassbench.experiments.cli.show_notes import print_notes
from glassbench.experiments.cli.table import metric_columns
from glassbench.experiments.cli.table_layout import print_whole
from glassbench.experiments.cli.terminal import say
from glassbench.experiments.cli.whole_table import TableColumn, WholeTable
from glassbench.experiments.results.captures import CAPTURES
from glassbench.experiments.results.dataset import Dataset
from glassbench.experiments.results.evidence import evidence, picture_evidence, sizing
from glassbench.experiments.results.flow_rows import typical_arms
from glassbench.experiments.results.ranking import ranking_of
from glassbench.experiments.results.statistics import ArmEvidence, Comparison, Interval, Paired
from glassbench.experiments.results.statistics.comparison import LATENCY, brief
from glassbench.experiments.results.subject import subject
from glassbench.experiments.scenario.spec import FLOOR


def show_evidence(dataset: Dataset, *, as_json: bool, whole: bool = False) -> None:
    """The arms of a dataset without axes, compared over its seeds, and their notes, `whole` or how they begin."""
    compared, pictures = evidence(dataset), picture_evidence(dataset)
    if as_json:
        print_json(evidence_object(dataset, compared, pictures), results=dataset.path, notes=dataset.notes)
        return
    about = ranking_of(dataset.counters()).title(subject(dataset))
    title = f"{dataset.name}: {compared.blocks} {compared.unit}s\n{about}"
    print_whole(evidence_table(title, compared))
    print_flows(typical_arms(dataset), title="flows: medians over seeds")
    say(compared.answer)
    if pictures is not None:
        say(pictures.answer)
    if compared.unit == "run" and not compared.dependent:
        say(sizing(compared.blocks))
    print_others(dataset, whole=whole)
    if (captures := dataset.path / CAPTURES).is_dir():
        say(f"captures: {captures} (packets for Wireshark, qlogs for qvis)")
    say(f"results: {dataset.path} (complete)")


def show_medians(dataset: Dataset, *, as_json: bool, whole: bool = False) -> None:
    """A row per point of the axes and arm: medians over the seeds; and notes, `whole` or how they begin."""
    if as_json:
        content = {"points": median_rows(dataset), **overlap_object(dataset)}
        print_json(content, results=dataset.path, notes=dataset.notes)
        return
    print_whole(medians_table(dataset))
    if not dataset.axes:
        print_flows(typical_arms(dataset), title="flows: medians over seeds")
    print_others(dataset, whole=whole)
    say(f"results: {dataset.path} (complete)")


def median_rows(dataset: Dataset) -> list[dict[str, Any]]:
    """The medians as `--json` prints them."""
    return [
        {str(name): None if pd.isna(value) else value for name, value in row.items()}
        for row in dataset.medians().to_dict("records")
    ]


def medians_table(dataset: Dataset) -> WholeTable:
    """A row per point of the axes and arm, the floor's not among them. Axes that are alike in all rows stand above."""
    ranking = ranking_of(dataset.counters())
    metrics = ranking.metrics("medians")
    medians = dataset.medians()
    rows = medians[medians["arm"] != FLOOR].to_dict("records")
    axes = [axis for axis in dataset.axes if len({str(row[axis]) for row in rows}) > 1]
    alike = [f"{axis} {rows[0][axis]}" for axis in dataset.axes if rows and axis not in axes]
    names = [TableColumn(name, "name") for name in (*axes, "arm")]
    table = WholeTable(
        f"{dataset.name}: {', '.join(['medians over seeds', *alike])}\n{ranking.title(subject(dataset))}",
        [*names, TableColumn("runs"), *metric_columns(metrics, ranking)],
    )
    for row in rows:
        numbers = [metric.text(row[metric.column]) for metric in metrics]
        table.add_row(*(str(row[axis]) for axis in axes), str(row["arm"]), str(row["runs"]), *numbers)
    return table


def evidence_object(dataset: Dataset, compared: Comparison, pictures: Comparison | None = None) -> dict[str, Any]:
    """What `--json` prints. `pictures` compares the picture delays, where they decide too."""
    return {
        "blocks": compared.blocks,
        "unit": compared.unit,
        "percentile": compared.percentile,
        "level": compared.level,
        **_judged(compared),
        "pictures": None if pictures is None else _judged(pictures),
        **overlap_object(dataset),
    }


def _judged(compared: Comparison) -> dict[str, Any]:
    return {
        "delay": compared.delay,
        "answer": compared.answer,
        "arms": [_arm_object(arm) for arm in compared.arms],
    }


def evidence_table(title: str, compared: Comparison) -> WholeTable:
    """A row per arm, soonest first."""
    name = f"p{100 * compared.percentile:g}"
    delay = "" if compared.delay == LATENCY else f"{compared.delay}\n"
    columns = [
        TableColumn("arm", "name"),
        TableColumn("shown", decides=True),
        TableColumn(f"{delay}p50 ms\nall frames"),
        TableColumn(f"{delay}{name} ms\nall frames"),
        TableColumn(f"{delay}{name} ms\ntypical {compared.unit} [95 %]", decides=True),
        TableColumn("later than soonest\nms [95 %]", decides=True),
        TableColumn("p\n(Holm)"),
        TableColumn("verdict", "words", decides=True),
    ]
    table = WholeTable(title, columns)
    for arm in compared.arms:
        paired = arm.against_best
        table.add_row(
            arm.arm,
            f"{arm.shown:.1%}",
            _ms(arm.median),
            _ms(arm.pooled),
            _with_bounds(arm.typical, arm.interval),
            "" if paired is None else _with_bounds(paired.difference, paired),
            "" if arm.p_value is None else f"{arm.p_value:.2g}",
            brief(arm.verdict),
        )
    return table


def _with_bounds(seconds: float, bounds: Interval | Paired | None) -> str:
    return _ms(seconds) + ("" if bounds is None else interval_text(bounds.low, bounds.high, _ms))


def _ms(seconds: float) -> str:
    return number_text(1e3 * seconds, ".1f")


def _rounded_ms(seconds: float) -> float:
    return round(1e3 * seconds, 6)


def _bounds_ms(bounds: Interval | Paired) -> list[float]:
    return [_rounded_ms(bounds.low), _rounded_ms(bounds.high)]


def _arm_object(arm: ArmEvidence) -> dict[str, Any]:
    paired = arm.against_best
    return {
        "arm": arm.arm,
        "shown": round(arm.shown, 6),
        "p50_ms": _rounded_ms(arm.median),
        "pooled_ms": _rounded_ms(arm.pooled),
        "typical_ms": _rounded_ms(arm.typical),
        "interval_ms": None if arm.interval is None else _bounds_ms(arm.interval),
        "later_ms": None if paired is None else _rounded_ms(paired.difference),
        "later_interval_ms": None if paired is None else _bounds_ms(paired),
        "p_holm": arm.p_value,
        "verdict": arm.verdict,
    }


def overlap_object(dataset: Dataset) -> dict[str, Any]:
    """What `--json` prints of how far runs share parts of a recorded trace: null without one."""
    return {"overlap": None if dataset.overlap is None else vars(dataset.overlap)}


def print_others(dataset: Dataset, *, whole: bool = False) -> None:
    """Cells that were not measured, once for each arm and reason, and the notes of the others."""
    for arm, outcome, reason in dataset.not_measured():
        say(f"{arm}: {outcome}: {reason}")
    print_notes(dataset, whole=whole)
