"""The report of a dataset: several seeds of one scenario, compared with intervals; or a sweep, point by point."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from glassbench.experiments.account.ledger import FATES
from glassbench.experiments.results.dataset import Dataset
from glassbench.experiments.results.evidence import evidence, sizing
from glassbench.experiments.results.report.content import Cell, Report, Row, Section, Table
from glassbench.experiments.results.report.impairment import impairment_section
from glassbench.experiments.results.report.numbers import number
from glassbench.experiments.results.report.provenance import provenance_section
from glassbench.experiments.results.report.run_report import fate_section, picture_sections
from glassbench.experiments.results.report.tables import interval_table, verdict_table
from glassbench.experiments.results.run import Run
from glassbench.experiments.results.statistics import Comparison
from glassbench.experiments.results.subject import dataset_subject
from glassbench.experiments.scenario.spec import FLOOR

_POOLED_RUNS = (
    20  # pictures of all frames are of so many runs at most: of more, memory would grow and the eye see no more
)

_MEDIANS = (
    ("g2g_p50_ms", "p50, ms", ".1f"),
    ("g2g_p95_ms", "p95, ms", ".1f"),
    ("g2g_p99_ms", "p99, ms", ".1f"),
    ("shown", "delivered, %", ".1f"),
    ("freezes", "freezes", ".0f"),
    ("ssim", "SSIM", ".3f"),
    ("sent_mbps", "sent, Mbit/s", ".2f"),
    ("floor_ratio", "p95 / floor", ".2f"),
)


def dataset_report(dataset: Dataset) -> Report:
    """What a dataset says. Raises ResultsError."""
    seeds = sorted({int(seed) for seed in dataset.summary["seed"]})
    whose = "" if isinstance(dataset.manifest.get("scenario"), dict) else " of the first cell"
    subject = dataset_subject(dataset)
    tail = (
        *filter(None, [impairment_section(_impairments(dataset))] if not dataset.axes else []),
        provenance_section(dataset.manifest, seeds=seeds, scenario=dataset.scenario_of_all(), of=whose),
    )
    if dataset.axes:
        return Report(
            title=dataset.name,
            subject=subject,
            verdict=f"No one verdict: this varies {', '.join(dataset.axes)}, and each point of the sweep has its own.",
            basis="The table has medians over seeds, without intervals. To test two datasets pair by pair: "
            "glass results compare A B.",
            warnings=_others(dataset),
            sections=(Section("numbers", "Numbers", tables=(_medians(dataset),)), *tail),
        )
    compared = evidence(dataset) if dataset.manifest.get("frames") else None
    order = [arm.arm for arm in compared.arms] if compared else []
    order += [arm for arm in dataset.arms if arm not in order]
    return Report(
        title=dataset.name,
        subject=subject,
        verdict=compared.answer
        if compared
        else "No frames are kept, so the arms are not compared; their numbers are below.",
        basis=_basis(compared, len(seeds), dataset.dependent),
        warnings=_others(dataset),
        sections=(
            Section(
                "numbers",
                "Numbers",
                tables=(
                    *([verdict_table(compared)] if compared else []),
                    interval_table(dataset.summary, order, intervals=not dataset.dependent),
                ),
            ),
            *(_pictures(dataset, seeds, order) if compared else ()),
            fate_section(_fates(dataset, order)),
            *tail,
        ),
    )


def _basis(compared: Comparison | None, runs: int, dependent: str) -> str:
    if compared is not None and compared.unit != "run":
        return (
            f"One run has no interval of its own; these are over {_count(compared.blocks, 'block')} of ten seconds "
            "of it, and say nothing of other seeds."
        )
    if dependent:
        return f"There are no intervals: {dependent}."
    return "One run has no interval." if runs == 1 else f"Intervals are at 95 %. {sizing(runs)}"


def _pictures(dataset: Dataset, seeds: Sequence[int], order: Sequence[str]) -> tuple[Section, ...]:
    """Over time, the first seed; for the rest, the frames of all seeds together."""
    pooled = seeds[:_POOLED_RUNS]
    of_all = "all captured frames of " + ("all runs" if len(pooled) == len(seeds) else f"the first {len(pooled)} runs")
    one = f"the run with seed {seeds[0]}, the first of {len(seeds)}"
    return picture_sections(
        _as_run(dataset, seeds[:1]), order, pooled=_as_run(dataset, pooled), of=one, pooled_of=of_all
    )


def _as_run(dataset: Dataset, seeds: Sequence[int]) -> Run:
    """The cells of these seeds as if they were one run, which is what pictures are made of."""
    summary = dataset.summary
    rows = summary[summary["seed"].isin(list(seeds)) & (summary["arm"] != FLOOR) & (summary["outcome"] == "measured")]
    cells = rows["cell"].tolist()
    manifest = {"scenario": {"name": dataset.name}, "complete": True, "arms": {}}
    arms = [{"arm": arm, "outcome": "measured", "summary": {}} for arm in dict.fromkeys(rows["arm"].tolist())]
    return Run(dataset.path, manifest, arms, dataset.ledger(cells), dataset.links(cells))


def _others(dataset: Dataset) -> tuple[str, ...]:
    """Arms that were not measured in some cell, with their reasons, and the notes of the others."""
    rows = dataset.summary[(dataset.summary["outcome"] != "measured") & (dataset.summary["arm"] != FLOOR)]
    cells = Counter((str(row["arm"]), str(row["outcome"]), str(row["reason"])) for row in rows.to_dict("records"))
    return (
        *(f"{arm}: {outcome}: {reason} ({_count(n, 'cell')})" for (arm, outcome, reason), n in sorted(cells.items())),
        *(f"Note: {note}." for note in dataset.notes),
    )


def _fates(dataset: Dataset, order: Sequence[str]) -> dict[str, object]:
    measured = dataset.summary[dataset.summary["outcome"] == "measured"]
    found = {arm: measured[measured["arm"] == arm] for arm in order}
    return {arm: {fate: int(rows[f"fate_{fate}"].sum()) for fate in FATES} for arm, rows in found.items() if len(rows)}


def _impairments(dataset: Dataset) -> Mapping[str, Sequence[Mapping[str, Any]]]:
    by_cell = dataset.impairments()
    table = dataset.summary
    return {arm: [by_cell[cell] for cell in table.loc[table["arm"] == arm, "cell"].tolist()] for arm in dataset.arms}


def _medians(dataset: Dataset) -> Table:
    medians = dataset.medians()
    rows = [
        Row(
            ", ".join([*(f"{axis} {row[axis]}" for axis in dataset.axes), str(row["arm"])]),
            (Cell(str(row["runs"])), *(Cell(_median(row[name], name, form)) for name, _, form in _MEDIANS)),
        )
        for row in medians[medians["arm"] != FLOOR].to_dict("records")
    ]
    return Table(
        caption="The median at each point of the sweep, over the seeds in which a number is defined; ∞ stands for "
        "frames never shown.",
        corner="point and arm",
        columns=("runs", *(heading for _, heading, _ in _MEDIANS)),
        rows=tuple(rows),
    )


def _median(value: Any, name: str, form: str) -> str:
    if pd.isna(value):
        return number(None)
    return number(100 * float(value) if name == "shown" else float(value), form)


def _count(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
