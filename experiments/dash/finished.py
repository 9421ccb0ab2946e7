"""What came out of results that are complete: a sentence, the numbers of each arm, and how one run went over time."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from glassbench.experiments.account.percentile import percentile
from glassbench.experiments.results.answer import answer
from glassbench.experiments.results.dataset import Dataset, load
from glassbench.experiments.results.ranking import ranking_of
from glassbench.experiments.results.subject import network
from glassbench.experiments.scenario.flow_spec import MEDIA
from glassbench.experiments.scenario.spec import FLOOR
from glassbench.experiments.scenario.tracks import VIDEO_TRACK
from glassbench.experiments.worlds.shown_slices import MOST_SLICES, SHORTEST, ShownSlice

MOST_LEDGER_BYTES = 32 * 2**20  # of a file whose frames are drawn here; larger ones have their figures

_MOST_ROWS = 200


@dataclass(frozen=True)
class Findings:
    """A `sentence` that says what came out; `columns` and `rows` of numbers, a row per arm."""

    sentence: str
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()


def findings_of(path: Path) -> Findings:
    """What complete results say. Raises ResultsError, and whatever a library raises for tables of strangers."""
    dataset = load(path)
    sentence = _run_sentence(dataset) if dataset.is_one_run else _typical_sentence(dataset)
    columns, rows = _numbers(dataset)
    return Findings(sentence, columns, rows)


def slices_of(path: Path) -> list[dict[str, Any]]:
    """How each arm of one run went, as while it ran; none of many runs, and of a run that is too large to look at.
    Raises as `findings_of` does."""
    dataset = load(path)
    ledger = path / "ledger.parquet"
    if not dataset.is_one_run or not ledger.is_file() or ledger.stat().st_size > MOST_LEDGER_BYTES:
        return []
    cells = dataset.summary["cell"].tolist()
    frames = dataset.frames("ledger", cells, ["cell", "flow", "track", "captured_at", "displayed_at"])
    frames = frames[(frames["flow"] == MEDIA) & (frames["track"] == VIDEO_TRACK)]
    return [
        {
            "key": str(row["cell"]),
            "label": str(row["arm"]),
            "arm": str(row["arm"]),
            "share": 1.0,
            "outcome": str(row["outcome"]),
            "reason": None if pd.isna(row["reason"]) else str(row["reason"]),
            "left_out": 0,
            "attempt": 0,
            "slices": _slices(frames[frames["cell"] == row["cell"]]),
        }
        for row in dataset.summary.to_dict("records")
    ]


def _run_sentence(dataset: Dataset) -> str:
    run = dataset.run()
    return answer(run.records, network(run))


def _typical_sentence(dataset: Dataset) -> str:
    """Of many runs the numbers alone: how sure they are takes all frames to say, and the report says it."""
    ranking = ranking_of(dataset.counters())
    column, by = ranking.columns[0], next(iter(ranking.judged_by.values()))
    delays = {row["arm"]: row[column] for row in dataset.medians().to_dict("records") if row["arm"] != FLOOR}
    delays = {arm: delay for arm, delay in delays.items() if isinstance(delay, float) and math.isfinite(delay)}
    if dataset.axes or not delays:
        of_what = ", ".join(dataset.axes) or "their seeds"
        return f"{len(dataset.summary)} cells of {len(dataset.arms)} arms; a report says how they depend on {of_what}."
    arm = min(delays, key=lambda name: delays[name])
    least = f"{arm} ({delays[arm]:.0f} ms)"
    return f"Least median {by} over {len(dataset.seeds)} runs: {least}; a report says how sure that is."


def _numbers(dataset: Dataset) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    ranking = ranking_of(dataset.counters())
    metrics = [metric for metric in ranking.metrics("medians") if ranking.decides(metric)]
    medians = dataset.medians()
    medians = medians[medians["arm"] != FLOOR]
    names = (*dataset.axes, "arm", "runs")
    columns = (*names, *(" ".join(metric.heading.split()) for metric in metrics))
    rows = tuple(
        (*(str(row[name]) for name in names), *(metric.text(row[metric.column]) for metric in metrics))
        for row in medians.head(_MOST_ROWS).to_dict("records")
    )
    return columns, rows


def _slices(frames: pd.DataFrame) -> list[ShownSlice]:
    captured = np.sort(frames["captured_at"].to_numpy(dtype=np.float64))
    displayed = frames["displayed_at"].to_numpy(dtype=np.float64)
    delays = displayed - frames["captured_at"].to_numpy(dtype=np.float64)
    last = float(np.nanmax(displayed, initial=0.0))
    if not len(captured) or not np.isfinite(captured).all() or not last < 1e6:
        return []
    length = max(SHORTEST, last / MOST_SLICES)
    slices, shown = [], 0
    for number in range(math.ceil(last / length)):
        end = (number + 1) * length
        inside = np.sort(delays[(displayed > number * length) & (displayed <= end)])
        shown += len(inside)
        p50, p95 = (round(1e3 * percentile(inside, share), 3) if len(inside) else None for share in (0.5, 0.95))
        slices.append(ShownSlice(round(end, 3), int(np.searchsorted(captured, end)), shown, p50, p95))
    return slices
