"""The report of one run: its numbers, without intervals."""

from collections.abc import Sequence

from glassbench.experiments.account.number_text import number_text
from glassbench.experiments.results.answer import answer
from glassbench.experiments.results.dataset import Dataset
from glassbench.experiments.results.ranking import Ranking, ranking_of
from glassbench.experiments.results.report.content import Report, Section
from glassbench.experiments.results.report.sections import (
    fate_section,
    flow_section,
    note_section,
    picture_sections,
    question,
    tail,
)
from glassbench.experiments.results.report.tables import run_table
from glassbench.experiments.results.report.why import marks_of, percentile_figure
from glassbench.experiments.results.run import Run
from glassbench.experiments.results.subject import network, subject

ONE_RUN = (
    "This is one run, so no number has an interval: another seed may put another arm first. Intervals need several "
    "runs: glass compare --runs COUNT, or glass run SCENARIO --runs COUNT."
)


def of_one_run(dataset: Dataset) -> Report:
    """What one run says, as far as it got. Raises ResultsError if its frames cannot be drawn."""
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
        question=question(order, bulk=dataset.is_bulk),
        subject=ranking.title(subject(run)),
        verdict=answer(run.records, network(run)),
        basis=ONE_RUN,
        warnings=tuple(warnings),
        sections=(
            *(() if dataset.is_bulk else _why(run, order, ranking)),
            Section("numbers", "Numbers", () if dataset.is_bulk else (_floor(run),), tables=(run_table(ordered),)),
            *note_section(run.notes),
            *flow_section(ordered, of="this run"),
            *(() if dataset.is_bulk else _frames_of_one_run(run, order)),
            *tail(dataset, {arm["arm"]: [arm["impairments"]] for arm in ordered}),
        ),
        arms=marks_of(order),
    )


def _why(run: Run, order: Sequence[str], ranking: Ranking) -> tuple[Section, ...]:
    video = run.video_by_arm()
    drawn = [arm for arm in order if arm in video]
    return (Section("why", "Why", figures=(percentile_figure(video, drawn, ranking),)),) if drawn else ()


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
