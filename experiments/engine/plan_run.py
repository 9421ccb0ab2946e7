"""Running a plan into the folder of a dataset: what is finished already is not run again.

dataset = run_plan(plan, Path("results/my-sweep"))
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from glassbench.experiments.account.arm_result import ArmResult
from glassbench.experiments.engine.jobs import Job, JobAdvance, JobEnd, JobFinished, run_jobs
from glassbench.experiments.engine.plan import Plan
from glassbench.experiments.engine.progress import Advance, PlanProgress, unwatched
from glassbench.experiments.results import dataset_folder as folder
from glassbench.experiments.results.arm_folder import write_arm
from glassbench.experiments.results.captures import CAPTURES
from glassbench.experiments.results.dataset import Dataset, load
from glassbench.experiments.results.files import OutputError, ResultsError
from glassbench.experiments.results.versions import versions
from glassbench.experiments.scenario.named_files import digests
from glassbench.experiments.scenario.spec import FLOOR
from glassbench.experiments.scenario.title import network_words, title
from glassbench.experiments.scenario.trace_window import trace_windows
from glassbench.netem.live.processors import usable_processors
from glassbench.sender.size_model import SizeSource
from glassbench.sender.source import SourceError

MOST_REPORTED = 64  # cells of a plan of which each says how far it has come; of more, only that they ended

RunCells = Callable[[Sequence[Job], JobFinished, JobAdvance], bool]
"""Runs jobs, and calls back for each one that ended, and with the share of one that is done; False if it was
interrupted before the last."""


class Interrupted(KeyboardInterrupt):
    """Ctrl-C. `kept` is the sentence that says what is there; `path` is the folder of it."""

    def __init__(self, kept: str, path: Path) -> None:
        super().__init__(kept)
        self.kept = kept
        self.path = path


def run_plan(
    plan: Plan,
    path: str | Path,
    *,
    workers: int | None = None,
    run_cells: RunCells | None = None,
    capture: bool = False,
    fresh: bool = False,
    progress: Advance = unwatched,
    command: Sequence[str] = (),
    about: dict[str, Any] | None = None,
) -> Dataset:
    """Run all cells of a plan that the folder at `path` does not hold yet, and open the dataset.

    `workers` is the number of processes, one per usable processor by default; `run_cells` takes their place, for a
    cluster. With `capture` the folder has `captures/` too: the packets of each arm for Wireshark, and qlogs for qvis.
    With `fresh` everything is measured, into a folder with a number behind its name if that is taken. `about` goes into
    the manifest. Raises ResultsError, OSError without the world of the plan or without what its scenarios ask for, and
    Interrupted after Ctrl-C.
    """
    scenarios = [cell.scenario for cell in plan.cells if cell.arm != FLOOR]
    manifest = {
        "name": plan.name,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),  # noqa: TID251  of the calendar
        "title": title(*scenarios, network=plan.world.has_floor),
        "network": network_words(*scenarios) if plan.world.has_floor else "",
        "fingerprint": plan.fingerprint,
        "cells": len(plan.cells),
        "frames": plan.frames,
        "world": plan.world.words,
        "command": list(command),
        "versions": {**versions(), **_vmaf_version(plan)},
        "files": digests(cell.scenario for cell in plan.cells),
        **_windows(plan),
        **(about or {}),
    }
    _check_sources(plan)
    plan.world.check(plan.cells[0].scenario, capture=capture)
    path = folder.new_place(Path(path)) if fresh else Path(path)
    workers = (workers or usable_processors()) if plan.world.parallel else 1
    with folder.dataset_folder(path, manifest):
        if not folder.is_complete(path):
            _run_missing(plan, path, run_cells or partial(run_jobs, workers=workers), progress, capture=capture)
    return load(path)


def _check_sources(plan: Plan) -> None:
    """Raises SourceError where arms would not be shown the same."""
    for cell in plan.cells:
        source = cell.scenario.video.open(0)
        if not plan.world.films and not isinstance(source, SizeSource) and source.is_live:
            raise SourceError(
                f"video.source: found {cell.scenario.video.source!r}, which gives other pictures each time; accepted "
                "is a source that repeats (glass serve takes a camera)"
            )


def _vmaf_version(plan: Plan) -> dict[str, str]:
    """The version of what scores pictures, if a cell asks for that. Raises VmafError."""
    if not any(cell.scenario.video.vmaf for cell in plan.cells):
        return {}
    from glassbench.receiver.vmaf import vmaf_version

    return {"vmaf": vmaf_version()}


def _windows(plan: Plan) -> dict[str, Any]:
    """The manifest's `trace_windows`: one per seed and point of the axes, if recorded traces are replayed."""
    windows: dict[str, dict[str, Any]] = {}
    for cell, window in zip(plan.cells, trace_windows([cell.scenario for cell in plan.cells]), strict=True):
        if window is not None:
            place = {"seed": cell.scenario.seed, **({"axes": dict(cell.axes)} if cell.axes else {})}
            windows.setdefault(json.dumps(place), {**place, **window.record()})
    return {"trace_windows": list(windows.values())} if windows else {}


def _run_missing(plan: Plan, path: Path, run_cells: RunCells, progress: Advance, *, capture: bool) -> None:
    total = len(plan.cells)
    done = folder.finished_cells(path, total, frames=plan.frames)
    if done:
        progress(PlanProgress("", 0.0, len(done), total))
    died: list[Job] = []

    def advance(job: Job, share: float) -> None:
        progress(PlanProgress(job.label, share, len(done), total))

    def finished(job: Job, ended: JobEnd) -> None:
        if ended.unwritten is not None:
            raise OutputError(ended.unwritten)
        # Whose process ended may have kept its cell just before.
        if not ended.kept and not folder.is_finished(path, int(job.name), frames=plan.frames):
            if ended.died and job not in died:
                died.append(job)
                return
            if ended.outcome not in folder.FINISHED:
                return
            assert job.place is not None
            write_arm(job.place, ArmResult(job.arm, ended.outcome, ended.reason))
        if ended.outcome in folder.FINISHED:
            done.add(int(job.name))
            advance(job, 1.0)

    missing = [job for job in _jobs(plan, path, capture=capture) if int(job.name) not in done]
    # Whose process died is run once more: mostly somebody, or too little memory, killed it.
    try:
        all_ended = run_cells(missing, finished, advance) and (not died or run_cells(tuple(died), finished, advance))
    except ResultsError as error:
        kept = folder.finished_cells(path, total, frames=plan.frames)  # others went on until they were stopped
        raise type(error)(f"{error}; {len(kept)} of {total} cells are kept in {path}") from None
    if not all_ended:
        kept_cells = f"interrupted; {len(done)} of {total} cells are kept in {path}"
        raise Interrupted(f"{kept_cells}, the same command goes on", path)
    folder.finish(path, [cell.axes for cell in plan.cells], partial(_describe, plan), frames=plan.frames)


def _describe(plan: Plan, index: int) -> dict[str, Any]:
    cell = plan.cells[index]
    return {"arm": cell.arm, "seed": cell.scenario.seed, "scenario": cell.scenario.dump()}


def _jobs(plan: Plan, path: Path, *, capture: bool) -> list[Job]:
    """A job per cell."""
    several = len({cell.scenario.seed for cell in plan.cells}) > 1
    of_seed: Counter[int] = Counter()
    jobs = []
    for index, cell in enumerate(plan.cells):
        seed = cell.scenario.seed
        place = path / CAPTURES / (f"seed{seed}" if several else "") / _folder_name(of_seed[seed], cell.arm)
        of_seed[seed] += 1
        jobs.append(
            Job(
                str(index),
                f"{cell.arm}, seed {seed}" if several else cell.arm,
                cell.scenario,
                cell.arm,
                folder.cell_place(path, index),
                partial=not several and not cell.axes,  # one run is shown as far as it got
                quality=(plan.quality or cell.scenario.video.vmaf is not None) and cell.arm != FLOOR,
                frames=plan.frames,
                reports=len(plan.cells) <= MOST_REPORTED,
                capture=place if capture and cell.arm != FLOOR else None,
                world=plan.world,
            )
        )
    return jobs


def _folder_name(number: int, arm: str) -> str:
    return f"{number:02d}-{re.sub(r'[^A-Za-z0-9.=_-]+', '-', arm)[:80]}"
