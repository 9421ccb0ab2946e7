"""The report of many runs: intervals over the seeds, and a verdict."""

from collections.abc import Mapping, Sequence
from typing import Any

from glassbench.experiments.account.ledger import FATES
from glassbench.experiments.results.answer import NO_FRAMES
from glassbench.experiments.results.dataset import Dataset
from glassbench.experiments.results.evidence import evidence, picture_evidence, sizing
from glassbench.experiments.results.flow_rows import typical_arms
from glassbench.experiments.results.ranking import ranking_of
from glassbench.experiments.results.report.content import Report, Section
from glassbench.experiments.results.report.sections import (
    count_text,
    fate_section,
    flow_section,
    not_measured,
    note_section,
    picture_sections,
    question,
    tail,
)
from glassbench.experiments.results.report.tables import interval_table, verdict_table
from glassbench.experiments.results.report.why import difference_figure, marks_of
from glassbench.experiments.results.run import Run
from glassbench.experiments.results.statistics import Comparison
from glassbench.experiments.results.subject import subject
from glassbench.experiments.scenario.spec import FLOOR

_POOLED_RUNS = (
    20  # pictures of all frames are of so many runs at most: of more, memory would grow and the eye see no more
)


def of_many_runs(dataset: Dataset) -> Report:
    """What the runs of many seeds say. Raises ResultsError if their frames cannot be drawn."""
    drawable = dataset.manifest.get("frames") and not dataset.is_bulk
    compared = evidence(dataset) if drawable else None
    pictures = picture_evidence(dataset) if drawable else None
    order = [arm.arm for arm in compared.arms] if compared else []
    order += [arm for arm in dataset.arms if arm not in order]
    intervals = interval_table(dataset.summary, order, intervals=not dataset.dependent)
    return Report(
        title=dataset.name,
        question=question(order, bulk=dataset.is_bulk),
        subject=ranking_of(dataset.counters()).title(subject(dataset)) if compared else subject(dataset),
        verdict=_verdict(dataset, compared, pictures),
        basis=_basis(compared, len(dataset.seeds), dataset.dependent),
        warnings=not_measured(dataset),
        sections=(
            *(
                [Section("why", "Why", figures=(difference_figure([one for one in (compared, pictures) if one]),))]
                if compared
                else ()
            ),
            Section("numbers", "Numbers", tables=(*([verdict_table(compared)] if compared else []), intervals)),
            *note_section(dataset.notes),
            *flow_section(typical_arms(dataset), of="a typical run, the median over the measured runs"),
            *(_pictures(dataset, order) if compared else ()),
            *(() if dataset.is_bulk else (fate_section(_fates(dataset, order)),)),
            *tail(dataset, _impairments(dataset)),
        ),
        arms=marks_of(order) if compared else (),
    )


def _verdict(dataset: Dataset, compared: Comparison | None, pictures: Comparison | None) -> str:
    if compared is not None:
        return compared.answer if pictures is None else f"{compared.answer} {pictures.answer}"
    return (
        NO_FRAMES if dataset.is_bulk else "No frames are kept, so the arms are not compared; their numbers are below."
    )


def _basis(compared: Comparison | None, runs: int, dependent: str) -> str:
    if compared is not None and compared.unit != "run":
        return (
            f"One run has no interval of its own; these are over {count_text(compared.blocks, 'block')} of ten seconds "
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
