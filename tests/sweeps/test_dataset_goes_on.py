"""A dataset that broke off goes on: what is whole is kept, what is not runs again, and the bytes are the same."""

import errno
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from glassbench.experiments.engine.jobs import Job, JobAdvance, JobEnd, run_jobs
from glassbench.experiments.engine.plan import Plan
from glassbench.experiments.engine.plan_run import run_plan
from glassbench.experiments.results.files import ResultsError

MakePlan = Callable[..., Plan]
ReadFolder = Callable[[Path], dict[str, bytes]]
Complete = Callable[..., Path]
Begin = Callable[..., None]
Begun = Callable[[Plan, int], None]
MakeCounting = Callable[..., Any]

here = Path("results")


def test_the_bytes_do_not_depend_on_the_process_the_workers_or_a_break(
    make_plan: MakePlan, complete: Complete, read_folder: ReadFolder, make_counting: MakeCounting, begun: Begun
) -> None:
    plan = make_plan(seeds=[3])
    run_plan(plan, Path("two"), workers=2)
    begun(plan, 4)
    rest = make_counting()
    run_plan(plan, here, run_cells=rest)
    assert rest.ran == [4, 5]
    wanted = read_folder(complete(3))
    assert read_folder(Path("two")) == wanted
    assert read_folder(here) == wanted


def test_a_complete_dataset_is_opened_and_nothing_runs(
    make_plan: MakePlan,
    complete: Complete,
    read_folder: ReadFolder,
    make_counting: MakeCounting,
) -> None:
    shutil.copytree(complete(3, 4), here)
    before = read_folder(here)
    again = make_counting()
    run_plan(make_plan(), here, run_cells=again, command=["other"])
    assert again.ran == []
    assert read_folder(here) == before


def test_what_killed_processes_leave_behind_does_not_disturb(
    make_plan: MakePlan, complete: Complete, read_folder: ReadFolder, make_counting: MakeCounting, begun: Begun
) -> None:
    here.mkdir()
    (here / "manifest.json.77.part").write_text("{")  # killed before it had a manifest
    (here / ".lock").touch()
    plan = make_plan(seeds=[3])
    begun(plan, 4)
    (here / "ledger.parquet.77.part").write_text("half")
    (here / "cells/000001/arm.json.78.part").write_text("half")
    (here / "cells/000005").mkdir()
    (here / ".lock").touch()
    rest = make_counting()
    run_plan(plan, here, run_cells=rest)
    assert rest.ran == [4, 5]
    (here / "cells/000003").mkdir(parents=True)  # killed before it had cleaned up
    (here / "cells/000003/arm.json").write_text("{}")
    run_plan(plan, here, run_cells=rest)
    assert rest.ran == [4, 5]
    assert read_folder(here) == read_folder(complete(3))


@pytest.mark.sampled(3)
@pytest.mark.parametrize("file", ["arm.json", "ledger.parquet", "links.parquet"])
@pytest.mark.parametrize("damage", ["empty", "half", "gone", "text"])
def test_a_cell_with_a_damaged_file_is_run_again(
    make_plan: MakePlan,
    begin: Begin,
    complete: Complete,
    read_folder: ReadFolder,
    file: str,
    damage: str,
    make_counting: MakeCounting,
) -> None:
    plan = make_plan(seeds=[3])
    begin(4, 3)
    path = here / "cells/000002" / file
    if damage == "gone":
        path.unlink()
    else:
        content = path.read_bytes()
        path.write_bytes({"empty": b"", "half": content[: len(content) // 2], "text": b"[]"}[damage])
    rest = make_counting()
    run_plan(plan, here, run_cells=rest)
    assert rest.ran == [2, 4, 5]
    assert read_folder(here) == read_folder(complete(3))


def test_a_table_damaged_inside_is_one_sentence_and_the_next_attempt_runs_that_cell(
    make_plan: MakePlan,
    begin: Begin,
    complete: Complete,
    read_folder: ReadFolder,
    make_counting: MakeCounting,
) -> None:
    plan = make_plan(seeds=[3])
    begin(4, 3)
    path = here / "cells/000001/ledger.parquet"
    content = bytearray(path.read_bytes())
    content[4:600] = b"\xff" * 596
    path.write_bytes(content)
    with pytest.raises(ResultsError, match=r"cells/000001/ledger.parquet is damaged; the same command runs that cell"):
        run_plan(plan, here, workers=1)
    rest = make_counting()
    run_plan(plan, here, run_cells=rest)
    assert rest.ran == [1]
    assert read_folder(here) == read_folder(complete(3))


@pytest.mark.parametrize("file", ["arm.json", "ledger.parquet", "summary.parquet"])
def test_a_full_disk_is_one_sentence_and_keeps_cells(
    make_plan: MakePlan,
    complete: Complete,
    read_folder: ReadFolder,
    monkeypatch: pytest.MonkeyPatch,
    file: str,
    make_counting: MakeCounting,
) -> None:
    plan = make_plan(seeds=[3])
    real, writes = Path.replace, iter(range(100))

    def replace(self: Path, target: Path) -> Path:
        if target.name == file and "results" in str(target) and next(writes) == (0 if file == "summary.parquet" else 4):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(self, target)

    with monkeypatch.context() as full:
        full.setattr(Path, "replace", replace)
        with pytest.raises(ResultsError, match="No space left on device"):
            run_plan(plan, here, workers=1)
    kept = 6 if file == "summary.parquet" else 4
    rest = make_counting()
    run_plan(plan, here, run_cells=rest)
    assert rest.ran == list(range(kept, 6))
    assert read_folder(here) == read_folder(complete(3))


def test_a_cell_whose_process_died_is_run_once_more_and_then_failed(make_plan: MakePlan) -> None:
    attempts: list[str] = []

    def deadly(jobs: Sequence[Job], finished: Callable[[Job, JobEnd], None], advance: JobAdvance) -> bool:
        for job in jobs:
            attempts.append(job.name)
            if job.name == "3" or (job.name == "5" and attempts.count("5") == 1):
                finished(job, JobEnd("failed", "its worker process ended with code -9", died=True))
            else:
                run_jobs([job], finished, advance, workers=1)
        return True

    data = run_plan(make_plan(seeds=[3]), here, run_cells=deadly)
    assert attempts[-2:] == ["3", "5"] and len(attempts) == 8
    assert data.where(outcome="failed")["cell"].tolist() == [3]
    assert data.rows["reason"][3] == "its worker process ended with code -9"
    assert data.latencies([3])[0].size == 0
