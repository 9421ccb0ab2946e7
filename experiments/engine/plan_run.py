"""Running a plan into the folder of a dataset: what is finished already is not run again.

dataset = run_plan(plan, Path("results/my-sweep"))
"""

import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from glassbench.experiments.account.arm_result import ArmResult
from glassbench.experiments.engine.jobs import Done, Job, run_jobs
from glassbench.experiments.engine.plan import Plan
from glassbench.experiments.results import dataset_folder as folder
from glassbench.experiments.results.arm_folder import write_arm
from glassbench.experiments.results.dataset import Dataset, load_dataset
from glassbench.experiments.results.files import OutputError, ResultsError
from glassbench.experiments.results.versions import versions
from glassbench.experiments.scenario.named_files import digests
from glassbench.experiments.scenario.spec import FLOOR
from glassbench.experiments.scenario.title import title
from glassbench.experiments.scenario.trace_window import trace_windows
from glassbench.netem.live.processors import usable_processors

CellProgress = Callable[[int, int, str], None]
"""(cells finished, cells in all, the cell that finished last)"""

RunCells = Callable[[Sequence[Job], Callable[[Job, Done], None]], bool]
"""Runs jobs and calls back for each one; False if it was interrupted before the last."""


class PlanInterrupted(KeyboardInterrupt):
    """Ctrl-C: the same command goes on where this one stopped. `kept` is the sentence that says so."""

    def __init__(self, kept: str) -> None:
        super().__init__(kept)
        self.kept = kept


def run_plan(
    plan: Plan,
    path: str | Path,
    *,
    workers: int | None = None,
    run_cells: RunCells | None = None,
    progress: CellProgress = lambda finished, total, cell: None,
    command: Sequence[str] = (),
    about: dict[str, Any] | None = None,
) -> Dataset:
    """Run all cells of a plan that the folder at `path` does not hold yet, and open the dataset.

    `workers` is the number of processes, one per usable processor by default; `run_cells` takes their place, for a
    cluster. `about` goes into the manifest. Raises ResultsError, OSError without the world of the plan, and
    PlanInterrupted after Ctrl-C.
    """
    manifest = {
        "name": plan.name,
        "title": title(*(cell.scenario for cell in plan.cells if cell.arm != FLOOR)),
        "fingerprint": plan.fingerprint,
        "cells": len(plan.cells),
        "frames": plan.frames,
        "world": plan.world.words,
        "command": list(command),
        "versions": versions(),
        "files": digests(cell.scenario for cell in plan.cells),
        **_windows(plan),
        **(about or {}),
    }
    path = Path(path)
    plan.world.check(plan.cells[0].scenario, capture=False)
    workers = (workers or usable_processors()) if plan.world.parallel else 1
    with folder.dataset_folder(path, manifest):
        if not folder.is_complete(path):
            _run_missing(plan, path, run_cells or _on_this_machine(workers), progress)
    return load_dataset(path)


def _windows(plan: Plan) -> dict[str, Any]:
    """The manifest's `trace_windows`: one per seed and point of the axes, if recorded traces are replayed."""
    found: dict[str, dict[str, Any]] = {}
    for cell, window in zip(plan.cells, trace_windows([cell.scenario for cell in plan.cells]), strict=True):
        if window is not None:
            place = {"seed": cell.scenario.seed, **({"axes": dict(cell.axes)} if cell.axes else {})}
            found.setdefault(json.dumps(place), {**place, **window.record()})
    return {"trace_windows": list(found.values())} if found else {}


def _run_missing(plan: Plan, path: Path, run_cells: RunCells, progress: CellProgress) -> None:
    total = len(plan.cells)
    done = folder.finished_cells(path, total, frames=plan.frames)
    progress(len(done), total, "")
    died: list[Job] = []

    def finished(job: Job, ended: Done) -> None:
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
        done.add(int(job.name))
        progress(len(done), total, job.arm)

    missing = [_job(plan, path, index) for index in range(total) if index not in done]
    # Whose process died is run once more: mostly somebody, or too little memory, killed it.
    try:
        all_ended = run_cells(missing, finished) and (not died or run_cells(tuple(died), finished))
    except ResultsError as error:
        kept = folder.finished_cells(path, total, frames=plan.frames)  # others went on until they were stopped
        raise type(error)(f"{error}; {len(kept)} of {total} cells are kept in {path}") from None
    if not all_ended:
        raise PlanInterrupted(f"interrupted; {len(done)} of {total} cells are kept in {path}, the same command goes on")
    folder.finish(path, [cell.axes for cell in plan.cells], partial(_describe, plan), frames=plan.frames)


def _describe(plan: Plan, index: int) -> dict[str, Any]:
    cell = plan.cells[index]
    return {"arm": cell.arm, "seed": cell.scenario.seed, "scenario": cell.scenario.dump()}


def _job(plan: Plan, path: Path, index: int) -> Job:
    cell = plan.cells[index]
    return Job(
        str(index),
        cell.scenario,
        cell.arm,
        folder.cell_place(path, index),
        partial=False,
        quality=plan.quality,
        frames=plan.frames,
        world=plan.world,
        reports=False,  # progress is counted in cells
    )


def _on_this_machine(workers: int) -> RunCells:
    def run_cells(jobs: Sequence[Job], finished: Callable[[Job, Done], None]) -> bool:
        return run_jobs(jobs, workers=workers, progress=lambda name, share: None, finished=finished) if jobs else True

    return run_cells
