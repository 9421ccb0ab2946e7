"""The report of results: of one run its numbers, of several seeds intervals and a verdict, of a sweep its points."""

from collections.abc import Mapping, Sequence
from typing import Any

from glassbench.experiments.account.ledger import FATES
from glassbench.experiments.account.metric_table import in_view
from glassbench.experiments.account.number_text import number_text
from glassbench.experiments.results.answer import NO_FRAMES, answer
from glassbench.experiments.results.dataset import Dataset
from glassbench.experiments.results.evidence import evidence, picture_evidence, sizing
from glassbench.experiments.results.flow_rows import typical_arms
from glassbench.experiments.results.ranking import ranking_of
from glassbench.experiments.results.report.content import Report, Row, Section, Table, TableCell
from glassbench.experiments.results.report.impairment import impairment_section
from glassbench.experiments.results.report.provenance import provenance_section
from glassbench.experiments.results.report.sections import fate_section, flow_section, picture_sections
from glassbench.experiments.results.report.tables import (
    headings,
    interval_table,
    run_table,
    verdict_table,
)
from glassbench.experiments.results.run import Run
from glassbench.experiments.results.statistics import Comparison
from glassbench.experiments.results.subject import network, subject
from glassbench.experiments.scenario.spec import FLOOR

_POOLED_RUNS = (
    20  # pictures of all frames are of so many runs at most: of more, memory would grow and the eye see no more
)


ONE_RUN = (
    "This is one run, so no number has an interval: another seed may put another arm first. Intervals need several "
    "runs: glass compare --runs COUNT, or glass run SCENARIO --runs COUNT."
)


def report_of(dataset: Dataset) -> Report:
    """What results say, as far as they got. Raises ResultsError if their frames cannot be drawn."""
    if dataset.axes:
        return _of_a_sweep(dataset)
    if dataset.is_one_run and dataset.manifest.get("frames"):
        return _of_one_run(dataset)
    return _of_many_runs(dataset)


def _of_one_run(dataset: Dataset) -> Report:
    run = dataset.run()
    ranking = ranking_of(arm["stats"] for arm in run.records)
    ordered = ranking.order(run.records)
    order = [arm["arm"] for arm in ordered]
    warnings = [
        f"{arm['arm']}: {arm['outcome']}: {arm.get('reason') or 'no reason is recorded'}"
        for arm in run.records
        if arm["outcome"] != "measured"
    ]
    if not run.complete:
        warnings.insert(
            0, "This run is incomplete: it broke off, and the report shows what it had measured until then."
        )
    return Report(
        title=run.name,
        subject=ranking.title(subject(run)),
        verdict=answer(run.records, network(run)),
        basis=ONE_RUN,
        warnings=(*warnings, *(f"Note: {note}." for note in run.notes)),
        sections=(
            Section("numbers", "Numbers", () if dataset.is_bulk else (_floor(run),), tables=(run_table(ordered),)),
            *flow_section(ordered, of="this run"),
            *(() if dataset.is_bulk else _frames_of_one_run(run, order)),
            *_tail(dataset, {arm["arm"]: [arm["impairments"]] for arm in ordered}),
        ),
    )


def _frames_of_one_run(run: Run, order: Sequence[str]) -> tuple[Section, ...]:
    fates = {arm["arm"]: arm["summary"].get("fates") for arm in run.records}
    return (
        *picture_sections(run, order, pooled=run, of="this run", pooled_of="all captured frames"),
        fate_section({arm: fates[arm] for arm in order}),
    )


def _floor(run: Run) -> str:
    p95 = run.floor.get("g2g_p95_ms")
    text = "The floor is plain UDP on the same path without what loses packets by itself."
    return f"{text} Its p95 is {number_text(p95, '.1f')} ms." if p95 is not None else f"{text} It was not measured."


def _of_a_sweep(dataset: Dataset) -> Report:
    return Report(
        title=dataset.name,
        subject=subject(dataset),
        verdict=f"No one verdict: this varies {', '.join(dataset.axes)}, and each point of the sweep has its own.",
        basis="The table has medians over seeds, without intervals. To test two datasets pair by pair: "
        "glass results compare A B.",
        warnings=_others(dataset),
        sections=(Section("numbers", "Numbers", tables=(_medians(dataset),)), *_tail(dataset, {})),
    )


def _of_many_runs(dataset: Dataset) -> Report:
    compared = evidence(dataset) if dataset.manifest.get("frames") and not dataset.is_bulk else None
    order = [arm.arm for arm in compared.arms] if compared else []
    order += [arm for arm in dataset.arms if arm not in order]
    intervals = interval_table(dataset.summary, order, intervals=not dataset.dependent)
    return Report(
        title=dataset.name,
        subject=ranking_of(dataset.counters()).title(subject(dataset)) if compared else subject(dataset),
        verdict=_verdict(dataset, compared),
        basis=_basis(compared, len(dataset.seeds), dataset.dependent),
        warnings=_others(dataset),
        sections=(
            Section("numbers", "Numbers", tables=(*([verdict_table(compared)] if compared else []), intervals)),
            *flow_section(typical_arms(dataset), of="a typical run, the median over the measured runs"),
            *(_pictures(dataset, order) if compared else ()),
            *(() if dataset.is_bulk else (fate_section(_fates(dataset, order)),)),
            *_tail(dataset, _impairments(dataset)),
        ),
    )


def _verdict(dataset: Dataset, compared: Comparison | None) -> str:
    if compared is not None:
        pictures = picture_evidence(dataset)
        return compared.answer if pictures is None else f"{compared.answer} {pictures.answer}"
    return (
        NO_FRAMES if dataset.is_bulk else "No frames are kept, so the arms are not compared; their numbers are below."
    )


def _tail(dataset: Dataset, impairments: Mapping[str, Sequence[Mapping[str, Any]]]) -> tuple[Section, ...]:
    whose = "" if isinstance(dataset.manifest.get("scenario"), dict) else " of the first cell"
    scenario = dataset.scenario_of_all()
    provenance = provenance_section(dataset.manifest, seeds=dataset.seeds, scenario=scenario, of=whose)
    return (*filter(None, [impairment_section(impairments)] if impairments else []), provenance)


def _basis(compared: Comparison | None, runs: int, dependent: str) -> str:
    if compared is not None and compared.unit != "run":
        return (
            f"One run has no interval of its own; these are over {_count(compared.blocks, 'block')} of ten seconds "
            "of it, and say nothing of other seeds."
        )
    if dependent:
        return f"There are no intervals: {dependent}."
    return "One run has no interval." if runs == 1 else f"Intervals are at 95 %. {sizing(runs)}"


def _pictures(dataset: Dataset, order: Sequence[str]) -> tuple[Section, ...]:
    """Over time, the first seed; for the rest, the frames of all seeds together."""
    seeds = dataset.seeds
    pooled = seeds[:_POOLED_RUNS]
    of_all = "all captured frames of " + ("all runs" if len(pooled) == len(seeds) else f"the first {len(pooled)} runs")
    one = f"the run with seed {seeds[0]}, the first of {len(seeds)}"
    return picture_sections(
        _measured(dataset, seeds[:1]), order, pooled=_measured(dataset, pooled), of=one, pooled_of=of_all
    )


def _measured(dataset: Dataset, seeds: Sequence[int]) -> Run:
    """What was measured with these seeds, as one run: pictures are made of it."""
    summary = dataset.summary
    rows = summary[summary["seed"].isin(list(seeds)) & (summary["arm"] != FLOOR) & (summary["outcome"] == "measured")]
    return Run(dataset, tuple(rows["cell"].tolist()))


def _others(dataset: Dataset) -> tuple[str, ...]:
    """Arms that were not measured in some cell, with their reasons, and the notes of the others."""
    cells = dataset.not_measured().items()
    return (
        *(f"{arm}: {outcome}: {reason} ({_count(count, 'cell')})" for (arm, outcome, reason), count in cells),
        *(f"Note: {note}." for note in dataset.notes),
    )


def _fates(dataset: Dataset, order: Sequence[str]) -> dict[str, object]:
    measured = dataset.summary[dataset.summary["outcome"] == "measured"]
    rows_by_arm = {arm: measured[measured["arm"] == arm] for arm in order}
    return {
        arm: {fate: int(rows[f"fate_{fate}"].sum()) for fate in FATES} for arm, rows in rows_by_arm.items() if len(rows)
    }


def _impairments(dataset: Dataset) -> Mapping[str, Sequence[Mapping[str, Any]]]:
    by_cell = dataset.impairments()
    table = dataset.summary
    return {arm: [by_cell[cell] for cell in table.loc[table["arm"] == arm, "cell"].tolist()] for arm in dataset.arms}


def _medians(dataset: Dataset) -> Table:
    medians = dataset.medians()
    rows = [
        Row(
            ", ".join([*(f"{axis} {row[axis]}" for axis in dataset.axes), str(row["arm"])]),
            (
                TableCell(str(row["runs"])),
                *(TableCell(metric.text(row[metric.column])) for metric in in_view("report")),
            ),
        )
        for row in medians[medians["arm"] != FLOOR].to_dict("records")
    ]
    return Table(
        caption="The median at each point of the sweep, over the seeds in which a number is defined; ∞ stands for "
        "frames never shown.",
        corner="point and arm",
        columns=("runs", *headings()),
        rows=tuple(rows),
    )


def _count(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
