"""What the reports of one run, of many and of a sweep share: the question, pictures, fates, network, and the end."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from glassbench.experiments.results.dataset import Dataset
from glassbench.experiments.results.files import ResultsError
from glassbench.experiments.results.flow_rows import flow_rows, sharing_lines
from glassbench.experiments.results.report.content import Section
from glassbench.experiments.results.report.impairment import Impairments, impairment_section
from glassbench.experiments.results.report.pictures import latency_figure, stage_figure
from glassbench.experiments.results.report.reproduce import reproduce_section
from glassbench.experiments.results.report.strips import rate_figure, screen_figure, timeline_figure
from glassbench.experiments.results.report.tables import fate_table, flow_table, freeze_table
from glassbench.experiments.results.run import Run


def question(arms: Sequence[str], *, bulk: bool = False) -> str:
    """What the page answers."""
    if bulk:
        return "What does each flow get of this network?"
    if len(arms) == 1:
        return f"How soon does {arms[0]} put a video frame on the screen, over this network?"
    return f"Which of these {len(arms)} arms puts a video frame on the screen soonest, over this network?"


def flow_section(arms: Sequence[Mapping[str, Any]], *, of: str) -> tuple[Section, ...]:
    """The chapter about the flows of arms, of records as in `Run.records`; none if `flow_rows` has none."""
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


def tail(dataset: Dataset, impairments: Mapping[str, Sequence[Impairments]]) -> tuple[Section, ...]:
    """The chapters at the end: what the network did, and how to reproduce it."""
    reproduce = reproduce_section(
        dataset.manifest,
        seeds=dataset.seeds,
        scenario=dataset.scenario_of_all(),
        one_scenario=isinstance(dataset.manifest.get("scenario"), dict),
    )
    return (*filter(None, [impairment_section(impairments)] if impairments else []), reproduce)


def not_measured(dataset: Dataset) -> tuple[str, ...]:
    """The arms that were not measured in some cell, with their reasons."""
    cells = dataset.not_measured().items()
    return tuple(f"{arm}: {outcome}: {reason} ({count_text(count, 'cell')})" for (arm, outcome, reason), count in cells)


def note_section(notes: Sequence[str]) -> tuple[Section, ...]:
    """What has to be said beside the numbers; none if there is nothing."""
    return (Section("notes", "Notes", points=tuple(f"{note}." for note in notes)),) if notes else ()


def count_text(count: int, what: str) -> str:
    """A number of things, as `1 run` or `2 runs`."""
    return f"{count} {what}{'' if count == 1 else 's'}"
