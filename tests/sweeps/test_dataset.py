"""Datasets of plans: what is in them, and what a damaged one says."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from glassbench.experiments.cli.show_runs import medians_table
from glassbench.experiments.engine.plan import Plan
from glassbench.experiments.engine.plan_run import Interrupted, run_plan
from glassbench.experiments.results import dataset_folder
from glassbench.experiments.results.dataset import load
from glassbench.experiments.results.files import ResultsError
from glassbench.experiments.results.live_file import LIVE_FILE
from glassbench.experiments.scenario.spec import FLOOR, Scenario

MakeScenario = Callable[..., Scenario]
MakePlan = Callable[..., Plan]
ReadFolder = Callable[[Path], dict[str, bytes]]
Complete = Callable[..., Path]
MakeCounting = Callable[..., Any]

here = Path("results")


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


def test_axes_that_are_alike_in_all_rows_stand_above_the_table(make_plan: MakePlan) -> None:
    axes = {"duration": ["400ms"], "network.delay": ["5ms", "40ms"], "video.source": ["lognormal"]}
    run_plan(make_plan(axes=axes), here / "tiny", workers=1)
    table = medians_table(load(here / "tiny"))
    assert table.title.startswith("tiny: medians over seeds, duration 400ms, video.source lognormal\n")
    assert [column.heading for column in table.columns][:3] == ["network.delay", "arm", "runs"]
    assert [row[:2] for row in table.rows] == [(delay, arm) for delay in ("5ms", "40ms") for arm in ("udp", "rtp")]


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
    make_plan: MakePlan, complete: Complete, make_counting: MakeCounting
) -> None:
    with_frames = load(complete(3))
    begun_without = make_counting(3)
    with pytest.raises(Interrupted):
        run_plan(make_plan(seeds=[3], frames=False), Path("other"), run_cells=begun_without)
    assert {path.name for path in Path("other/cells").glob("*/*")} == {"arm.json", LIVE_FILE}
    without = run_plan(make_plan(seeds=[3], frames=False), Path("other"), workers=1)
    pd.testing.assert_frame_equal(without.summary, with_frames.summary)
    with pytest.raises(ResultsError, match="other keeps no frames of its cells, only their summaries"):
        _ = without.ledger


def test_numbers_of_an_axis_stay_numbers_and_arms_that_cannot_are_in_it(
    make_plan: MakePlan, make_scenario: MakeScenario
) -> None:
    with_slices = make_scenario(arms=["rtp:slices=2"])
    plan = make_plan(with_slices, axes={"video.fps": [25, 12.5], "video.codec": ["h264", "vp8"]}, seeds=[1])
    data = run_plan(plan, here, workers=1)
    assert data.where(**{"video.fps": 12.5})["axis.video.fps"].dtype.kind == "f"
    assert data.where(**{"video.codec": "vp8"}, arm="rtp:slices=2")["outcome"].tolist() == ["unsupported"] * 2
    assert data.latencies(data.where(outcome="unsupported")["cell"].tolist())[0].size == 0
    assert data.counters()[data.where(outcome="unsupported")["cell"].tolist()[0]] == {}


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


@pytest.mark.lengthy
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
