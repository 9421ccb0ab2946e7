"""Chapters of a report that one run and many runs share: the fates of frames, and the pictures."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from glassbench.experiments.results.files import ResultsError
from glassbench.experiments.results.flow_rows import flow_rows, sharing_lines
from glassbench.experiments.results.report.content import Section
from glassbench.experiments.results.report.pictures import latency_figure, stage_figure
from glassbench.experiments.results.report.strips import rate_figure, screen_figure, timeline_figure
from glassbench.experiments.results.report.tables import fate_table, flow_table, freeze_table
from glassbench.experiments.results.run import Run


def flow_section(arms: Sequence[Mapping[str, Any]], *, of: str) -> tuple[Section, ...]:
    """The chapter about the flows of arms, of records as in `Run.arms`; none if `flow_rows` has none."""
    rows = flow_rows(arms)
    if not rows:
        return ()
    paragraphs = tuple(f"{line}." for line in sharing_lines(arms))
    return (Section("flows", "Flows", paragraphs, tables=(flow_table(rows, of=of),)),)


def fate_section(fates: Mapping[str, object]) -> Section:
    """The fates of the arms that recorded any."""
    recorded = {arm: counts for arm, counts in fates.items() if isinstance(counts, dict) and counts}
    return Section("fates", "Fates of the frames", tables=(fate_table(recorded),))


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
        Section("latency", "Latency", figures=(latency_figure(frames_of_all, drawn, of=pooled_of),)),
        Section("timeline", "Every frame against the link", figures=(timeline_figure(run, drawn, of=of),)),
        Section("rates", "What was told, sent and queued", figures=(rate_figure(run, drawn, of=of),)),
        Section("stages", "Where each millisecond went", figures=(stage_figure(frames_of_all, drawn, of=pooled_of),)),
        Section(
            "screen",
            "Freezes and picture quality",
            figures=(screen_figure(run, drawn, of=of),),
            tables=(freeze_table(video, drawn, of=of),),
        ),
    )
