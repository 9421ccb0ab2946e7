"""Whole comparisons: the same bytes in any process, and what is kept when something goes wrong."""

import math
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import glassbench
from glassbench.experiments.engine.changes import changed
from glassbench.experiments.engine.plan_run import Interrupted
from glassbench.experiments.engine.progress import PlanProgress
from glassbench.experiments.engine.runner import compare, run
from glassbench.experiments.results import dataset_folder as folder
from glassbench.experiments.results.dataset import load
from glassbench.experiments.results.files import ResultsError, read_json
from glassbench.experiments.scenario import Scenario, ScenarioError, shipped
from glassbench.experiments.scenario.spec import FLOOR
from glassbench.experiments.scenario.title import title
from glassbench.experiments.scenario.toml_text import to_toml
from glassbench.transport.contract import TransportConfig
from glassbench.transport.registry import TRANSPORTS, TransportEntry

MakeScenario = Callable[..., Scenario]

ROOT = Path(__file__).parents[2]
PROGRAM = """
import sys
from glassbench import run
run(sys.argv[1], results=sys.argv[2], workers=int(sys.argv[3]))
"""


def run_in_a_process(file: Path, results: Path, *, workers: int, hash_seed: str) -> Path:
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "XDG_CACHE_HOME": str(results / "cache")}
    subprocess.run([sys.executable, "-c", PROGRAM, str(file), str(results), str(workers)], check=True, env=environment)
    [folder] = [path for path in results.iterdir() if path.name != "cache"]
    return folder


@pytest.mark.usefixtures("modules_of_the_user")
def test_workers_run_no_module_of_the_current_folder(make_scenario: MakeScenario, tmp_path: Path) -> None:
    done = run(make_scenario(arms=["udp", "rtp"], duration="200ms"), results=tmp_path / "results", workers=2)
    assert done.summary["outcome"].tolist() == ["measured", "measured"]


def test_as_many_workers_share_the_work_as_processors_may_be_used(
    make_scenario: MakeScenario, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts: list[int] = []
    monkeypatch.setattr("glassbench.experiments.engine.plan_run.usable_processors", lambda: 7)
    monkeypatch.setattr(
        "glassbench.experiments.engine.plan_run.run_jobs",
        lambda *_, workers: bool(counts.append(workers)),
    )
    scenario = make_scenario(arms=["udp"])
    with pytest.raises(KeyboardInterrupt):
        run(scenario, results=tmp_path)
    with pytest.raises(KeyboardInterrupt):
        glassbench.run(scenario, runs=2, results=tmp_path)
    assert counts == [7, 7]


def test_the_command_looks_for_no_module_where_an_empty_entry_of_pythonpath_sends_it(tmp_path: Path) -> None:
    (tmp_path / "queue.py").write_text("raise SystemExit('a module of the user ran')\n")
    program = (
        "import sys; from glassbench.experiments.cli.main import main; main(); import queue; print(queue.__file__)"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", program, "list", "transports"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(("", str(ROOT / "src")))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert str(tmp_path) not in done.stdout


def test_equal_scenarios_give_equal_bytes_in_any_process_and_another_seed_does_not(
    make_scenario: MakeScenario, tmp_path: Path
) -> None:
    video = {"source": "bikes", "bitrate": "1500kbit/s", "keyframe_interval": 30, "deadline": "600ms"}
    arms = ["rtp", "srt", "quic-datagram"]
    scenario = make_scenario(arms=arms, video=video, duration="500ms")
    file = tmp_path / "scenario.toml"
    file.write_text(to_toml(scenario.dump()))
    two = run_in_a_process(file, tmp_path / "two", workers=2, hash_seed="6")
    one = run(scenario, results=tmp_path / "one", workers=1).path
    other = run(make_scenario(arms=arms, video=video, duration="500ms", seed=4), results=tmp_path, workers=1).path
    for table in ("ledger.parquet", "links.parquet"):
        assert (one / table).read_bytes() == (two / table).read_bytes()
    assert (one / "summary.parquet").read_bytes() == (two / "summary.parquet").read_bytes()
    first, second = load(one).run(), load(other).run()
    assert first.summary["outcome"].tolist() == ["measured"] * len(scenario.arms)
    for arm in scenario.arms:
        ledgers = [each.ledger[each.ledger["arm"] == arm.label].reset_index(drop=True) for each in (first, second)]
        assert len(ledgers[0]) == len(ledgers[1]) == 18
        assert not ledgers[0].equals(ledgers[1]), f"{arm.label} does not depend on the seed"


def test_a_run_explains_itself(make_scenario: MakeScenario, tmp_path: Path) -> None:
    heard: dict[str, list[float]] = {}
    scenario = make_scenario(arms=["udp", "rtp"])
    measured = run(
        scenario,
        results=tmp_path,
        workers=1,
        progress=lambda done: heard.setdefault(done.cell, []).append(done.share),
        command=["glass", "run"],
    ).run()
    manifest = measured.manifest
    assert manifest["complete"] is True
    assert manifest["seeds"] == [3]
    assert manifest["scenario"] == scenario.dump()
    assert manifest["command"] == ["glass", "run"]
    assert {"python", "numpy", "av", "aioquic", "ffmpeg", "x264"} < set(manifest["versions"])
    assert measured.floor["fates"]["lost"] + measured.floor["displayed"] > 0
    assert [arm["arm"] for arm in measured.records] == ["udp", "rtp"]
    assert measured.records[0]["impairments"]["down"]["elements"][0]["commanded"]["element"] == "trace"
    assert measured.records[0]["stats"]["sender"]
    assert set(heard) == {"udp", "rtp", FLOOR}
    assert all(shares == sorted(shares) and shares[-1] == 1.0 for shares in heard.values())
    assert measured.path.name == "test-seed3"
    assert run(scenario, results=tmp_path, workers=1).path.name == "test-seed3-2"
    assert run(scenario, results=tmp_path, run_id="mine", workers=1).path.name == "mine"


def test_the_ratio_to_the_floor_is_that_of_the_95th_percentiles(make_scenario: MakeScenario, tmp_path: Path) -> None:
    network = {"rate": "8Mbit/s", "queue": "1MB", "delay": "20ms", "loss": "1%", "loss_duration": "2ms"}
    measured = run(make_scenario(arms=["udp", "srt", "rtp"], network=network), results=tmp_path, workers=1).run()
    floor = measured.floor["g2g_p95_ms"]
    assert floor == pytest.approx(20, abs=25)
    summary = measured.summary.set_index("arm")
    for arm in ("srt", "rtp"):
        assert summary.loc[arm, "floor_ratio"] == pytest.approx(summary.loc[arm, "g2g_p95_ms"] / floor, abs=1e-5)
    assert summary.loc["srt", "floor_ratio"] > 2  # its latency of 120 ms alone


def test_a_ratio_to_an_infinite_floor_is_not_given(make_scenario: MakeScenario, tmp_path: Path) -> None:
    network = {"rate": "500kbit/s", "queue": "5kB", "delay": "20ms"}
    measured = run(make_scenario(arms=["udp"], network=network), results=tmp_path, workers=1).run()
    assert measured.floor["g2g_p95_ms"] == math.inf
    assert measured.records[0]["summary"]["floor_ratio"] is None
    assert measured.notes[-1].startswith("the floor, plain udp without loss, does not show 95 % of its frames either")


@pytest.mark.long
@pytest.mark.parametrize("workers", [1, 2])
def test_an_interrupt_keeps_finished_arms_and_what_the_running_ones_measured(
    make_scenario: MakeScenario, tmp_path: Path, workers: int
) -> None:
    pressed: list[float] = []

    def interrupt(done: PlanProgress) -> None:
        if done.cell == "quic-stream" and 0.03 < done.share < 1 and not pressed:
            pressed.append(done.share)
            os.kill(os.getpid(), signal.SIGINT)

    # Long enough that the arm cannot end before the signal reaches it.
    scenario = make_scenario(arms=["udp", "quic-stream", "quic-datagram", "rtp", "srt"], duration="200s")
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(Interrupted) as interrupted:
        run(scenario, results=tmp_path, workers=workers, progress=interrupt)
    assert signal.getsignal(signal.SIGINT) is before
    kept = load(interrupted.value.path).run()
    assert not kept.complete
    assert str(interrupted.value) == f"interrupted; {kept.path} holds what was measured"
    outcomes = kept.summary.set_index("arm")["outcome"]
    assert list(outcomes.index) == [arm.label for arm in scenario.arms]
    assert outcomes["quic-stream"] == "incomplete"
    assert outcomes["srt"] == "not run"
    frames = kept.ledger[kept.ledger["arm"] == "quic-stream"]
    assert 150 < len(frames) < 5000  # of 6000
    if workers == 1:
        assert outcomes["udp"] == "measured"


def test_an_arm_that_breaks_is_named_and_the_others_go_on(
    make_scenario: MakeScenario, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def explode(config: TransportConfig) -> Any:
        raise ZeroDivisionError("a defect")

    entry = TRANSPORTS["rtp"]
    monkeypatch.setitem(
        TRANSPORTS.own, "rtp", TransportEntry("rtp", "explodes", entry.options, explode, explode, entry.media)
    )
    measured = run(make_scenario(arms=["udp", "rtp", "srt"]), results=tmp_path, workers=1).run()
    assert measured.summary["outcome"].tolist() == ["measured", "failed", "measured"]
    assert measured.summary["reason"][1] == "ZeroDivisionError: a defect"
    assert any("explode" in line for line in measured.records[1]["stats"]["traceback"])
    assert set(measured.ledger["arm"]) == {"udp", "srt"}


def test_the_arm_of_a_worker_that_dies_is_run_once_more(
    make_scenario: MakeScenario, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dying = tmp_path / "python"
    once = f'mkdir "{tmp_path}/died" 2>/dev/null && read line && exit 3'
    dying.write_text(f'#!/bin/sh\n{once}\nexec "{sys.executable}" "$@"\n')
    dying.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(dying))
    measured = run(make_scenario(arms=["udp", "rtp", "srt"]), results=tmp_path / "results", workers=2).run()
    assert (tmp_path / "died").exists()
    assert measured.summary["outcome"].tolist() == ["measured", "measured", "measured"]


@pytest.mark.sampled(2)
@pytest.mark.parametrize("workers", [1, 2])
def test_a_disk_that_fills_up_ends_the_run_with_one_sentence_and_keeps_the_rest(
    make_scenario: MakeScenario, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    def blocked(path: Path, index: int) -> Path:  # stands for the full disk: where the second arm would go is a file
        place = cell_place(path, index)
        if index == 1 and not place.exists():
            place.parent.mkdir(exist_ok=True)
            place.write_text("")
        return place

    cell_place = folder.cell_place
    monkeypatch.setattr(folder, "cell_place", blocked)
    with pytest.raises(ResultsError) as error:
        run(make_scenario(arms=["udp", "rtp"]), results=tmp_path, workers=workers)
    assert "cannot write" in str(error.value)
    assert f"cells are kept in {tmp_path / 'test-seed3'}" in str(error.value)
    assert "\n" not in str(error.value)
    kept = load(tmp_path / "test-seed3").run()
    assert not kept.complete
    assert set(kept.ledger["arm"]) <= {"udp"}
    assert kept.summary["arm"].tolist() == ["udp", "rtp"]
    assert kept.summary["outcome"][1] == "not run"
    if workers == 1:
        assert kept.summary["outcome"][0] == "measured"
        assert len(kept.ledger) == 80


def test_results_that_cannot_be_written_are_refused_before_anything_runs(
    make_scenario: MakeScenario, tmp_path: Path
) -> None:
    (tmp_path / "results").write_text("in the way")
    heard: list[float] = []
    with pytest.raises(ResultsError, match="cannot write results to"):
        run(make_scenario(), results=tmp_path / "results", progress=lambda done: heard.append(done.share))
    assert heard == []


def test_compare_changes_what_is_asked_for_in_the_default(tmp_path: Path) -> None:
    compared = compare(
        trace="wifi-bursts",
        source="lognormal",
        arms=["udp", {"transport": "rtp", "label": "mine"}],
        duration=1,
        seed=9,
        results=tmp_path,
        workers=1,
    )
    scenario = compared.manifest["scenario"]
    assert scenario["name"] == "adaptive-wifi-bursts-udp-mine"
    assert scenario["network"]["trace"] == "wifi-bursts"
    assert scenario["video"]["source"] == "lognormal"
    assert scenario["duration"] == "1s"
    assert scenario["seed"] == 9
    assert compared.summary["arm"].tolist() == ["udp", "mine"]
    assert compared.path.name == "adaptive-wifi-bursts-udp-mine-seed9"


def test_a_trace_without_a_recorded_delay_has_20_ms_each_way_and_one_with_it_keeps_its_own(tmp_path: Path) -> None:
    (tmp_path / "rates.csv").write_text("time_s,rate_mbps\n0,5\n10,5\n")
    (tmp_path / "delays.csv").write_text("time_s,rate_mbps,delay_ms\n0,5,40\n10,5,40\n")
    delays = {}
    for name in ("rates", "delays"):
        scenario = changed(shipped("adaptive"), {"trace": str(tmp_path / f"{name}.csv")})
        delays[name] = (scenario.network.delay, title(scenario).split(", ")[-2])
    assert delays == {"rates": (0.02, "20 ms each way"), "delays": (None, "40 ms each way")}
    assert changed(shipped("adaptive"), {"trace": "steps"}).network.delay is None
    assert changed(shipped("adaptive"), {}).network.delay is None


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"trace": "nowhere"}, "trace: nowhere: found neither a file nor a shipped trace"),
        ({"source": "nowhere"}, "source: unknown source 'nowhere'"),
        ({"arms": ["upd"]}, "arms: unknown transport 'upd' (did you mean 'udp'?)"),
        ({"arms": []}, "arms: list must have at least 1 item, found []"),
        ({"duration": "10"}, "duration: no unit in '10'"),
        ({"duration": -1}, "duration: a duration must look like '20ms', found '-1.0s'"),
        ({"duration": float("nan")}, "duration: a duration must look like '20ms', found 'nans'"),
        ({"seed": -1}, "seed: must be greater than or equal to 0, found -1"),
    ],
)
def test_compare_refuses_bad_input_with_one_sentence(tmp_path: Path, options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ScenarioError) as error:
        compare(**options, results=tmp_path)
    assert str(error.value).startswith(sentence)
    assert list(tmp_path.iterdir()) == [] or [path.name for path in tmp_path.iterdir()] == ["cache"]


def test_from_python_nothing_is_printed(
    make_scenario: MakeScenario, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    data = run(make_scenario(duration="200ms"), runs=2, rate="5Mbit/s", results=tmp_path, workers=1)
    assert len(data.tidy()) > 0 and repr(data) and data._repr_html_() and repr(load(data.path).run(3))
    assert capfd.readouterr() == ("", "")


def test_a_notebook_completes_what_the_package_offers() -> None:
    assert set(glassbench.__all__) <= set(dir(glassbench))


def test_a_run_and_a_dataset_have_the_same_tables(make_scenario: MakeScenario, tmp_path: Path) -> None:
    data = run(make_scenario(arms=["udp", "rtp"]), results=tmp_path, workers=1)
    one = data.run()
    assert data.arms == one.arms == ["udp", "rtp"]
    for name in ("ledger", "links", "flows", "stages"):
        whole, view = getattr(data, name), getattr(one, name)
        assert next(iter(whole)) == "seed" and set(whole["seed"]) == {3}
        pd.testing.assert_frame_equal(whole.drop(columns="seed"), view)
    tidy = one.tidy()
    assert list(tidy) == ["arm", "metric", "unit", "value"]
    p95 = tidy[(tidy["arm"] == "rtp") & (tidy["metric"] == "g2g_p95_ms")]["value"].tolist()
    assert p95 == one.summary.set_index("arm").loc[["rtp"], "g2g_p95_ms"].tolist()
    spent = data.tidy("stages").groupby(["arm", "track", "sequence"])["ms"].sum()
    g2g = one.stages.set_index(["arm", "track", "sequence"])["g2g_ms"]
    assert np.allclose(spent, g2g[np.isfinite(g2g)].sort_index())
    assert "<table" in data._repr_html_() and "rtp" in one._repr_html_()
    assert repr(one).startswith("<Run of ") and repr(data).startswith("<Dataset ")


def test_the_package_offers_its_verbs_whatever_was_imported_before() -> None:
    assert glassbench.compare is compare
    assert glassbench.run is run
    assert glassbench.load is load
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = glassbench.nothing


def test_a_manifest_is_there_before_the_first_arm_ends(make_scenario: MakeScenario, tmp_path: Path) -> None:
    seen: list[dict[str, Any]] = []

    def look(done: PlanProgress) -> None:
        seen.append(read_json(tmp_path / "test-seed3" / "manifest.json"))

    run(make_scenario(arms=["udp", "rtp"]), results=tmp_path, workers=1, progress=look)
    assert seen[0]["complete"] is False
    assert [arm["label"] for arm in seen[0]["scenario"]["arms"]] == ["udp", "rtp"]
    assert isinstance(load(tmp_path / "test-seed3").ledger, pd.DataFrame)
