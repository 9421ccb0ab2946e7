"""The report of one run: one scenario, one seed."""

from collections.abc import Sequence

import numpy as np

from glassbench.experiments.results.files import ResultsError
from glassbench.experiments.results.report.content import Report, Section
from glassbench.experiments.results.report.impairment import impairment_section
from glassbench.experiments.results.report.numbers import number
from glassbench.experiments.results.report.pictures import latency_figure, stage_figure
from glassbench.experiments.results.report.provenance import provenance_section
from glassbench.experiments.results.report.strips import screen_figure, timeline_figure
from glassbench.experiments.results.report.tables import fate_table, freeze_table, run_table, soonest_first
from glassbench.experiments.results.run import Run
from glassbench.experiments.results.run_answer import answer
from glassbench.experiments.results.subject import run_subject

ONE_RUN = (
    "This is one run, so no number has an interval: another seed may put another arm first. Intervals need several "
    "runs: glass compare --runs COUNT, or glass run SCENARIO --runs COUNT."
)


def run_report(run: Run) -> Report:
    """What a run says, as far as it got. Raises ResultsError if its frames cannot be drawn."""
    rows = [{"arm": arm["arm"], "outcome": arm["outcome"], **arm["summary"]} for arm in run.arms]
    scenario = run.manifest["scenario"]
    ordered = sorted(run.arms, key=soonest_first)
    warnings = [
        f"{arm['arm']}: {arm['outcome']}: {arm.get('reason') or 'no reason is recorded'}"
        for arm in run.arms
        if arm["outcome"] != "measured"
    ]
    if not run.complete:
        warnings.insert(
            0, "This run is incomplete: it broke off, and the report shows what it had measured until then."
        )
    return Report(
        title=run.name,
        subject=run_subject(run.manifest),
        verdict=answer([{"g2g_p50_ms": None, "g2g_p95_ms": None, **row} for row in rows]),
        basis=ONE_RUN,
        warnings=(*warnings, *(f"Note: {note}." for note in run.notes)),
        sections=(
            Section("numbers", "Numbers", (_floor(run),), tables=(run_table(ordered),)),
            *picture_sections(
                run, [arm["arm"] for arm in ordered], pooled=run, of="this run", pooled_of="all captured frames"
            ),
            fate_section({arm["arm"]: arm["summary"].get("fates") for arm in ordered}),
            *filter(None, [impairment_section({arm["arm"]: [arm.get("impairments") or {}] for arm in ordered})]),
            provenance_section(run.manifest, seeds=[scenario["seed"]], scenario=scenario),
        ),
    )


def fate_section(fates: dict[str, object]) -> Section:
    """Of the arms that recorded any."""
    return Section(
        "fates",
        "Fates of the frames",
        tables=(fate_table({arm: counts for arm, counts in fates.items() if isinstance(counts, dict) and counts}),),
    )


def picture_sections(run: Run, order: Sequence[str], *, pooled: Run, of: str, pooled_of: str) -> tuple[Section, ...]:
    """The chapters with pictures: over time those of one run, else those of all frames of `pooled`, with the arms in
    this order. Raises ResultsError."""
    video = run.video_by_arm()
    if not video:
        nothing = "No arm has frames, so there is nothing to draw."
        return (Section("latency", "Latency", (nothing,)),)
    for arm, frames in video.items():
        if not np.isfinite(frames["captured_at"]).all():
            raise ResultsError(f"{run.path / 'ledger.parquet'}: arm {arm}: captured_at must be a finite number")
    frames_of_all = pooled.video_by_arm()
    drawn = [arm for arm in order if arm in video]
    return (
        Section("latency", "Latency", figures=(latency_figure(frames_of_all, of=pooled_of),)),
        Section("timeline", "Every frame against the link", figures=(timeline_figure(run, drawn, of=of),)),
        Section("stages", "Where each millisecond went", figures=(stage_figure(frames_of_all, drawn, of=pooled_of),)),
        Section(
            "screen",
            "Freezes and picture quality",
            figures=(screen_figure(run, drawn, of=of),),
            tables=(freeze_table(video, drawn, of=of),),
        ),
    )


def _floor(run: Run) -> str:
    p95 = run.floor.get("g2g_p95_ms")
    text = "The floor is plain UDP on the same path without what loses packets by itself."
    return f"{text} Its p95 is {number(p95, '.1f')} ms." if p95 is not None else f"{text} It was not measured."
