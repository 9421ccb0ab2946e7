"""Which part of a recorded trace a run replays, in both directions, and what the link table says of it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from glassbench.experiments.scenario import Scenario, ScenarioError, build
from glassbench.experiments.scenario.trace_window import TraceWindow, trace_window
from glassbench.experiments.worlds.links import open_links
from glassbench.experiments.worlds.reuse import Reuse
from glassbench.experiments.worlds.virtual import run_arm

START_AT, MEDIA_START = 1000.0, 1002.0


def staircase(file: Path, seconds: int) -> str:
    """A trace whose rate says where it is: in second n it is n + 1 Mbit/s."""
    rows = "".join(f"{second},{second + 1}\n" for second in range(seconds))
    file.write_text(f"time_s,rate_mbps\n{rows}{seconds},\n", encoding="utf-8")
    return str(file)


def scenario(network: dict[str, Any], seed: int = 1, **fields: Any) -> Scenario:
    content = {"name": "window", "duration": "2s", "arms": ["udp", "rtp"], "video": {"source": "lognormal"}}
    return build({**content, "seed": seed, "network": network, **fields})


def mbps(plan: Scenario, at: float, direction: Any = "down") -> float:
    """The rate of the link over a tenth of a second, `at` seconds after the first capture."""
    link = open_links(plan, start_at=START_AT, media_start=MEDIA_START)["network", direction]
    return link.capacity_bytes(MEDIA_START + at) * 8 / 0.1 / 1e6


def test_each_seed_draws_a_window_in_whole_milliseconds_over_the_whole_trace(tmp_path: Path) -> None:
    trace = staircase(tmp_path / "x.csv", 20)
    windows = [trace_window(scenario({"trace": trace}, seed)) for seed in range(200)]
    assert windows[0] == TraceWindow(windows[0].start, length=2.0, period=20.0)  # type: ignore[union-attr]
    starts = np.array([window.start for window in windows if window is not None])
    assert len(starts) == 200 and len(set(starts.tolist())) > 190
    assert (np.histogram(starts, bins=4, range=(0, 20))[0] > 30).all()
    assert starts * 1000 == pytest.approx(np.round(starts * 1000), abs=1e-6)


def test_the_window_is_what_the_link_replays_before_the_media_and_from_the_first_capture_on(tmp_path: Path) -> None:
    trace = staircase(tmp_path / "x.csv", 20)
    plan = scenario({"trace": trace, "trace_start": "7s"})
    assert trace_window(plan) == TraceWindow(7.0, 2.0, 20.0)
    for direction in ("down", "up"):
        assert [mbps(plan, at, direction) for at in (-2.0, -0.1, 0.0, 1.9, 12.9, 13.0)] == pytest.approx(
            [8, 9, 8, 9, 20, 1]
        )
    drawn = scenario({"trace": trace}, seed=5)
    window = trace_window(drawn)
    assert window is not None
    assert mbps(drawn, np.ceil(window.start) - window.start) == pytest.approx(np.ceil(window.start) % 20 + 1)


def test_lists_of_elements_have_the_same_window(tmp_path: Path) -> None:
    element = {"element": "trace", "trace": staircase(tmp_path / "x.csv", 20)}
    for extra in ({}, {"trace_start": "3s"}):
        short = scenario({"trace": element["trace"], **extra}, seed=9)
        long = scenario({"down": [element], "up": [{"element": "delay", "delay": "5ms"}, element], **extra}, seed=9)
        assert trace_window(long) == trace_window(short) == trace_window(long.floor())


@pytest.mark.parametrize("suffix", ["", ".csv"])
def test_down_and_up_of_different_length_repeat_at_the_end_of_the_shorter_one(tmp_path: Path, suffix: str) -> None:
    if suffix:
        staircase(tmp_path / "x.down.csv", 9)
        staircase(tmp_path / "x.up.csv", 7)
    else:
        for name, seconds in (("x.down", 9), ("x.up", 7)):  # n + 1 opportunities a millisecond in second n
            lines = [f"{ms}\n" * ((ms - 1) // 1000 + 1) for ms in range(1, seconds * 1000 + 1)]
            (tmp_path / name).write_text("".join(lines), encoding="utf-8")
    plan = scenario({"trace": str(tmp_path / f"x.down{suffix}"), "trace_start": "5s"})
    assert trace_window(plan) == TraceWindow(5.0, 2.0, 7.0)
    unit = 1.0 if suffix else 12.032
    for direction in ("down", "up"):
        rates = [mbps(plan, at, direction) / unit for at in (0.0, 1.9, 2.0, 8.9, 9.0)]
        assert rates == pytest.approx([6, 7, 1, 7, 1])


def test_a_trace_that_never_changes_has_no_window_and_cuts_no_other(tmp_path: Path) -> None:
    (tmp_path / "x.up").write_text("2\n", encoding="utf-8")
    assert trace_window(scenario({"trace": str(tmp_path / "x.up")})) is None
    (tmp_path / "x.down").write_text("".join(f"{ms}\n" for ms in (*range(1, 3000), 9000)), encoding="utf-8")
    plan = scenario({"trace": str(tmp_path / "x.down"), "trace_start": "8s"})
    assert trace_window(plan) == TraceWindow(8.0, 2.0, 9.0)
    assert mbps(plan, 1.5) == pytest.approx(12.032)
    assert mbps(plan, 1.5, "up") == pytest.approx(6.016)


def test_generated_traces_have_no_windows() -> None:
    assert trace_window(scenario({"trace": "satellite"})) is None


def test_where_a_trace_starts_has_to_be_in_it(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=r"network.trace_start: must be before the end.* 20 s; found 20 s"):
        scenario({"trace": staircase(tmp_path / "x.csv", 20), "trace_start": "20s"})
    with pytest.raises(ScenarioError, match=r"network.trace_start: needs a recorded trace that changes over time"):
        scenario({"rate": "1Mbit/s", "trace_start": "1s"})


def test_a_trace_of_which_the_common_part_carries_nothing_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.down").write_text("5000\n9000\n", encoding="utf-8")
    (tmp_path / "x.up").write_text("1\n3\n", encoding="utf-8")
    with pytest.raises(ScenarioError, match=r"x.down carries nothing in its first 0.003 s"):
        scenario({"trace": str(tmp_path / "x.down")})


def test_all_arms_of_a_seed_meet_the_same_window(tmp_path: Path, reuse: Reuse) -> None:
    plan = scenario({"trace": staircase(tmp_path / "x.csv", 20)}, seed=3, duration="1s")
    tables = [run_arm(plan, arm, reuse).links for arm in plan.arms]
    capacities = [table.loc[table["at"] < 1.0, "capacity_bytes"].tolist() for table in tables if table is not None]
    assert capacities[0] == capacities[1]
