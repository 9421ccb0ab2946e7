"""Folders that a dataset is not written into: they are something else, or somebody else writes or wrote them."""

import fcntl
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from glassbench.experiments.engine.plan import Plan
from glassbench.experiments.engine.plan_run import run_plan
from glassbench.experiments.results.dataset import load
from glassbench.experiments.results.files import ResultsError
from glassbench.experiments.scenario import Scenario

MakeScenario = Callable[..., Scenario]
MakePlan = Callable[..., Plan]
Complete = Callable[..., Path]
Begin = Callable[..., None]
Begun = Callable[[Plan, int], None]
MakeCounting = Callable[..., Any]

here = Path("results")


def test_a_folder_of_something_else_is_refused(
    make_plan: MakePlan, make_scenario: MakeScenario, begin: Begin, make_counting: MakeCounting
) -> None:
    def refused(plan: Plan, path: Path) -> str:
        nothing = make_counting()
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


def test_another_content_of_a_trace_is_refused(
    make_plan: MakePlan, make_scenario: MakeScenario, make_counting: MakeCounting, begun: Begun
) -> None:
    Path("my.down").write_text("1\n2\n3\n")
    plan = make_plan(make_scenario(network={"trace": "my.down"}), axes={})
    begun(plan, 2)
    Path("my.down").write_text("1\n2\n")
    with pytest.raises(ResultsError, match=r"another content of a file that its scenarios name \(my.down\)"):
        run_plan(plan, here, workers=1)
    Path("my.down").write_text("1\n2\n3\n")
    rest = make_counting()
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
