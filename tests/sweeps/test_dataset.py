"""Datasets of plans: what is in them, how they go on, what they refuse, and what damage does."""

import errno
import fcntl
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from glassbench.experiments.engine.jobs import Job, JobAdvance, JobEnd, run_jobs
from glassbench.experiments.engine.plan import Plan
from glassbench.experiments.engine.plan_run import Interrupted, run_plan
from glassbench.experiments.results import dataset_folder
from glassbench.experiments.results.dataset import load
from glassbench.experiments.results.files import ResultsError
from glassbench.experiments.scenario import Scenario
from glassbench.experiments.scenario.spec import FLOOR

MakeScenario = Callable[..., Scenario]
MakePlan = Callable[..., Plan]
ReadFolder = Callable[[Path], dict[str, bytes]]
Complete = Callable[..., Path]
Begin = Callable[..., None]

here = Path("results")


class Counting:
    """Runs cells in this process, remembers which, and says that it was interrupted after `most` of them."""

    def __init__(self, most: int = 10**6) -> None:
        self.ran: list[int] = []
        self._most = most

    def __call__(self, jobs: Sequence[Job], finished: Callable[[Job, JobEnd], None], advance: JobAdvance) -> bool:
        def count(job: Job, done: JobEnd) -> None:
            self.ran.append(int(job.name))
            finished(job, done)

        return run_jobs(jobs[: self._most], count, advance, workers=1) and len(jobs) <= self._most


@pytest.fixture
def complete(made_once: Callable[..., Path], make_plan: MakePlan) -> Complete:
    """The folder of a dataset that ran in one go; it is read only."""

    def folder_of(*seeds: int) -> Path:
        plan = make_plan(seeds=list(seeds))
        return made_once(f"dataset of {seeds}", lambda folder: run_plan(plan, folder, workers=1))

    return folder_of


@pytest.fixture
def begin(made_once: Callable[..., Path], make_plan: MakePlan) -> Begin:
    """Make `results` a dataset of these seeds whose first cells ran, as `begun` does; each of them runs once for all
    tests."""

    def begin_with(cells: int, *seeds: int) -> None:
        def fill(folder: Path) -> None:
            with pytest.raises(Interrupted):
                run_plan(make_plan(seeds=list(seeds)), folder, run_cells=Counting(cells))

        shutil.copytree(made_once(f"{cells} cells of {seeds}", fill), here)

    return begin_with


def begun(plan: Plan, cells: int) -> None:
    with pytest.raises(Interrupted, match=f"{cells} of {len(plan.cells)} cells are kept in results"):
        run_plan(plan, here, run_cells=Counting(cells))


def test_a_dataset_has_a_row_per_cell_and_the_frames_of_each(make_plan: MakePlan, complete: Complete) -> None:
    plan = make_plan()
    data = load(complete(3, 4))
    assert data.rows["cell"].tolist() == list(range(12))
    assert data.rows["arm"].tolist() == [cell.arm for cell in plan.cells]
    assert data.rows["seed"].tolist() == [cell.scenario.seed for cell in plan.cells]
    assert data.summary["cell"].tolist() == [i for i, cell in enumerate(plan.cells) if cell.arm != FLOOR]
    assert (data.axes, data.arms) == (["network.delay"], ["udp", "rtp"])
    rows = data.where(arm="rtp", **{"network.delay": "40ms"})
    assert rows["seed"].tolist() == [3, 4]
    assert data.where(arm="rtp", outcome="failed").empty
    with pytest.raises(KeyError):
        data.where(colour="red")
    cells = rows["cell"].tolist()
    ledger = data.frames("ledger", cells)
    assert set(ledger["cell"]) == set(cells) and set(ledger["arm"]) == {"rtp"}
    for cell, latencies in zip(reversed(cells), data.latencies(cells[::-1]), strict=True):
        row = data.rows.iloc[cell]
        assert len(latencies) == row["captured"]
        assert np.isfinite(latencies).sum() == row["displayed"]
        assert np.median(latencies) * 1e3 == pytest.approx(row["g2g_p50_ms"], rel=0.2)
    assert json.loads(data.scenario(5)) == plan.cells[5].scenario.dump()
    assert len(data.counters()) == 12
    files = {path.name for path in complete(3, 4).iterdir()}
    assert files == {"manifest.json", "summary.parquet", *(f"{name}.parquet" for name in dataset_folder.TABLES)}


def test_the_ratio_to_the_floor_is_that_of_the_same_point_and_seed(make_plan: MakePlan, complete: Complete) -> None:
    data = load(complete(3, 4))
    floors = {
        (row["axis.network.delay"], row["seed"]): row["g2g_p95_ms"] for row in data.where(arm=FLOOR).to_dict("records")
    }
    assert len(floors) == 4
    for row in data.summary.to_dict("records"):
        floor = floors[row["axis.network.delay"], row["seed"]]
        assert row["floor_ratio"] == pytest.approx(row["g2g_p95_ms"] / floor, abs=1e-6)
    assert run_plan(make_plan(seeds=[3], floor=False), Path("other"), workers=1).summary["floor_ratio"].isna().all()


def test_without_frames_only_the_numbers_are_kept_and_they_are_the_same(
    make_plan: MakePlan, complete: Complete
) -> None:
    with_frames = load(complete(3))
    begun_without = Counting(3)
    with pytest.raises(Interrupted):
        run_plan(make_plan(seeds=[3], frames=False), Path("other"), run_cells=begun_without)
    assert {path.name for path in Path("other/cells").glob("*/*")} == {"arm.json"}
    without = run_plan(make_plan(seeds=[3], frames=False), Path("other"), workers=1)
    pd.testing.assert_frame_equal(without.summary, with_frames.summary)
    with pytest.raises(ResultsError, match="other keeps no frames of its cells, only their summaries"):
        _ = without.ledger


def test_numbers_of_an_axis_stay_numbers_and_arms_that_cannot_are_in_it(make_plan: MakePlan) -> None:
    plan = make_plan(axes={"video.fps": [25, 12.5], "video.codec": ["h264", "vp8"]}, seeds=[1])
    data = run_plan(plan, here, workers=1)
    assert data.where(**{"video.fps": 12.5})["axis.video.fps"].dtype.kind == "f"
    assert data.where(**{"video.codec": "vp8"}, arm="rtp")["outcome"].tolist() == ["unsupported"] * 2
    assert data.latencies(data.where(outcome="unsupported")["cell"].tolist())[0].size == 0
    assert data.counters()[data.where(outcome="unsupported")["cell"].tolist()[0]] == {}


def test_the_bytes_do_not_depend_on_the_process_the_workers_or_a_break(
    make_plan: MakePlan, complete: Complete, read_folder: ReadFolder
) -> None:
    plan = make_plan(seeds=[3])
    run_plan(plan, Path("two"), workers=2)
    begun(plan, 4)
    rest = Counting()
    run_plan(plan, here, run_cells=rest)
    assert rest.ran == [4, 5]
    wanted = read_folder(complete(3))
    assert read_folder(Path("two")) == wanted
    assert read_folder(here) == wanted


def test_a_complete_dataset_is_opened_and_nothing_runs(
    make_plan: MakePlan, complete: Complete, read_folder: ReadFolder
) -> None:
    shutil.copytree(complete(3, 4), here)
    before = read_folder(here)
    again = Counting()
    run_plan(make_plan(), here, run_cells=again, command=["other"])
    assert again.ran == []
    assert read_folder(here) == before


def test_what_killed_processes_leave_behind_does_not_disturb(
    make_plan: MakePlan, complete: Complete, read_folder: ReadFolder
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
    rest = Counting()
    run_plan(plan, here, run_cells=rest)
    assert rest.ran == [4, 5]
    (here / "cells/000003").mkdir(parents=True)  # killed before it had cleaned up
    (here / "cells/000003/arm.json").write_text("{}")
    run_plan(plan, here, run_cells=rest)
    assert rest.ran == [4, 5]
    assert read_folder(here) == read_folder(complete(3))


@pytest.mark.parametrize("file", ["arm.json", "ledger.parquet", "links.parquet"])
@pytest.mark.parametrize("damage", ["empty", "half", "gone", "text"])
def test_a_cell_with_a_damaged_file_is_run_again(
    make_plan: MakePlan, begin: Begin, complete: Complete, read_folder: ReadFolder, file: str, damage: str
) -> None:
    plan = make_plan(seeds=[3])
    begin(4, 3)
    path = here / "cells/000002" / file
    if damage == "gone":
        path.unlink()
    else:
        content = path.read_bytes()
        path.write_bytes({"empty": b"", "half": content[: len(content) // 2], "text": b"[]"}[damage])
    rest = Counting()
    run_plan(plan, here, run_cells=rest)
    assert rest.ran == [2, 4, 5]
    assert read_folder(here) == read_folder(complete(3))


def test_a_table_damaged_inside_is_one_sentence_and_the_next_attempt_runs_that_cell(
    make_plan: MakePlan, begin: Begin, complete: Complete, read_folder: ReadFolder
) -> None:
    plan = make_plan(seeds=[3])
    begin(4, 3)
    path = here / "cells/000001/ledger.parquet"
    content = bytearray(path.read_bytes())
    content[4:600] = b"\xff" * 596
    path.write_bytes(content)
    with pytest.raises(ResultsError, match=r"cells/000001/ledger.parquet is damaged; the same command runs that cell"):
        run_plan(plan, here, workers=1)
    rest = Counting()
    run_plan(plan, here, run_cells=rest)
    assert rest.ran == [1]
    assert read_folder(here) == read_folder(complete(3))


def test_a_folder_of_something_else_is_refused(make_plan: MakePlan, make_scenario: MakeScenario, begin: Begin) -> None:
    def refused(plan: Plan, path: Path) -> str:
        nothing = Counting()
        with pytest.raises(ResultsError) as error:
            run_plan(plan, path, run_cells=nothing)
        assert nothing.ran == []
        return str(error.value)

    from glassbench.experiments.engine.runner import run

    folder = run(make_scenario(), results=Path("runs"), workers=1).path
    assert f"{folder} holds other cells than this plan asks for" in refused(make_plan(), folder)
    Path("full").mkdir()
    Path("full/letter.txt").touch()
    assert refused(make_plan(), Path("full")).endswith("full: it exists and is not a folder of results")
    Path("file").touch()
    assert refused(make_plan(), Path("file")).endswith("a file of that name is in the way")
    begin(2, 3, 4)
    assert "holds other cells than this plan asks for (12 of plan 'tiny')" in refused(make_plan(seeds=[3, 5]), here)
    manifest = json.loads((here / "manifest.json").read_text())
    (here / "manifest.json").write_text(json.dumps({**manifest, "versions": {**manifest["versions"], "source": "0"}}))
    assert "was made with another version of source" in refused(make_plan(), here)
    (here / "manifest.json").write_text(json.dumps({**manifest, "schema": 99}))
    assert "has schema 99; this version of Glassbench reads 4" in refused(make_plan(), here)
    (here / "manifest.json").write_text("{")
    assert "manifest.json is not valid JSON" in refused(make_plan(), here)


def test_a_complete_dataset_of_another_version_is_not_taken_for_a_measurement_of_this_one(
    make_plan: MakePlan, complete: Complete
) -> None:
    shutil.copytree(complete(3, 4), here)
    manifest = json.loads((here / "manifest.json").read_text())
    (here / "manifest.json").write_text(json.dumps({**manifest, "versions": {**manifest["versions"], "source": "0"}}))
    with pytest.raises(ResultsError, match=r"was made with another version of source, so .* remove that folder"):
        run_plan(make_plan(), here, workers=1)
    assert len(load(here).rows) == 12


def test_another_content_of_a_trace_is_refused(make_plan: MakePlan, make_scenario: MakeScenario) -> None:
    Path("my.down").write_text("1\n2\n3\n")
    plan = make_plan(make_scenario(network={"trace": "my.down"}), axes={})
    begun(plan, 2)
    Path("my.down").write_text("1\n2\n")
    with pytest.raises(ResultsError, match=r"another content of a file that its scenarios name \(my.down\)"):
        run_plan(plan, here, workers=1)
    Path("my.down").write_text("1\n2\n3\n")
    rest = Counting()
    run_plan(plan, here, run_cells=rest)
    assert rest.ran == [2, 3, 4, 5]


def test_two_processes_never_write_one_dataset(make_plan: MakePlan, begin: Begin) -> None:
    plan = make_plan(seeds=[3])
    begin(4, 3)
    lock = os.open(here / ".lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(lock, fcntl.LOCK_EX)
    with pytest.raises(ResultsError, match="results is being written by another process"):
        run_plan(plan, here, workers=1)
    os.close(lock)
    run_plan(plan, here, workers=1)


def test_a_dataset_of_a_stranger_leads_nowhere_else(make_plan: MakePlan, begin: Begin) -> None:
    plan = make_plan(seeds=[3])
    begin(4, 3)
    Path("mine").mkdir()
    (here / "cells/000005").symlink_to(Path("mine").resolve())
    with pytest.raises(ResultsError, match="cells/000005 is a link to elsewhere; nothing is written there"):
        run_plan(plan, here, workers=1)
    (here / "cells/000005").unlink()
    (here / ".lock").symlink_to(Path("mine/lock").resolve())
    with pytest.raises(ResultsError, match="cannot write results to"):
        run_plan(plan, here, workers=1)
    assert list(Path("mine").iterdir()) == []


def test_a_lock_that_was_taken_on_a_removed_file_is_none(make_plan: MakePlan, monkeypatch: pytest.MonkeyPatch) -> None:
    here.mkdir()
    real = fcntl.flock

    def late(file: int, how: int) -> None:
        (here / ".lock").unlink()  # whoever held it removes it between our open and our lock
        real(file, how)

    monkeypatch.setattr(fcntl, "flock", late)
    with pytest.raises(ResultsError, match="is being written by another process"):
        run_plan(make_plan(), here, workers=1)


@pytest.mark.parametrize("file", ["arm.json", "ledger.parquet", "summary.parquet"])
def test_a_full_disk_is_one_sentence_and_keeps_cells(
    make_plan: MakePlan, complete: Complete, read_folder: ReadFolder, monkeypatch: pytest.MonkeyPatch, file: str
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
    rest = Counting()
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


def test_a_summary_in_pieces_is_the_same_table(
    make_plan: MakePlan, complete: Complete, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = load(complete(3))
    monkeypatch.setattr(dataset_folder, "_SUMMARY_ROWS", 2)
    pieces = run_plan(make_plan(seeds=[3]), Path("pieces"), workers=1)
    assert pq.ParquetFile("pieces/summary.parquet").num_row_groups == 3
    pd.testing.assert_frame_equal(pieces.summary, whole.summary)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda: (here / "summary.parquet").write_bytes(b"PAR1"), "summary.parquet is not a readable Parquet file"),
        ((here / "summary.parquet").unlink, "summary.parquet is missing; the results cannot be read without it"),
        (lambda: (here / "ledger.parquet").write_bytes(b"PAR1"), "ledger.parquet is not a readable Parquet file"),
        (lambda: (here / "manifest.json").write_text('{"schema": 4, "complete": true}'), "'name'"),
        (lambda: (here / "manifest.json").write_text("{}"), "has schema None"),
    ],
)
def test_a_damaged_dataset_is_one_sentence(complete: Complete, change: Callable[[], Any], sentence: str) -> None:
    shutil.copytree(complete(3), here)
    change()
    with pytest.raises(ResultsError) as error:
        data = load(here)
        assert len(data.summary)
        data.latencies([0])
    assert sentence in str(error.value) and "\n" not in str(error.value)


@pytest.mark.long
def test_a_dataset_is_the_same_in_another_process_with_another_hash_seed(
    make_plan: MakePlan, read_folder: ReadFolder
) -> None:
    run_plan(make_plan(), here, workers=1)
    program = (
        "import json, sys; from glassbench import grid, run_plan; from glassbench.experiments import scenario\n"
        "base = scenario.build(json.loads(sys.argv[1]))\n"
        "axes = {'network.delay': ['5ms', '40ms']}\n"
        "run_plan(grid('tiny', base, axes=axes, seeds=[3, 4], floor=True, frames=True), 'other', workers=2)\n"
    )
    cell = make_plan().cells[0].scenario.dump()
    content = json.dumps({**cell, "arms": ["udp", "rtp"], "seed": 1})
    environment = {**os.environ, "PYTHONHASHSEED": "7", "PYTHONPATH": str(Path(__file__).parents[2] / "src")}
    subprocess.run([sys.executable, "-c", program, content], check=True, env=environment, timeout=60)
    mine, others = read_folder(here), read_folder(Path("other"))
    assert all(mine[name] == others[name] for name in mine if name.endswith(".parquet"))
    assert {*mine} == {*others}
