"""Budgets over real programs: limits are held with the help of chance, and a world is never compared with another."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from glassbench.experiments.scenario import shipped
from glassbench.experiments.worlds.live.wiring import check_emulator

EXAMPLE = Path(__file__).parents[2] / "docs" / "peers" / "udp.pl"
SCENARIO = f"""
name = "product"
duration = "1s"
arms = ["udp", "external:label=ours,send={EXAMPLE},receive={EXAMPLE}", "external:label=gone,send=./a,receive=./b"]
[video]
source = "synthetic"
width = 320
height = 180
bitrate = "1Mbit/s"
[network]
rate = "8Mbit/s"
delay = "20ms"
"""
BUDGETS = """
scenario = "product.toml"
seeds = [1, 2]
[[budget]]
arm = "ours"
p50 = { max = "5s" }
p95 = { max = "1ms" }
[[budget]]
arm = "gone"
p50 = { max = "5s" }
"""


@pytest.fixture
def here(glass: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """The command in a folder with these files."""
    try:
        check_emulator("netns", shipped("default"))
    except OSError as error:
        pytest.skip(str(error))
    for name in ("MOST_LATE_MS", "LONGEST_PAUSE", "MOST_PAUSED"):
        monkeypatch.setattr(f"glassbench.experiments.worlds.live.arm.{name}", 1e6)  # tests share their machine
    Path("product.toml").write_text(SCENARIO)
    Path("budgets.toml").write_text(BUDGETS)
    return glass


@pytest.mark.quiet  # on a busy machine frames are left out
def test_a_live_budget_breaks_for_what_is_missing_and_not_for_what_so_few_runs_may_show_by_chance(
    here: Callable[..., Any],
) -> None:
    done = here("budget", "check", "budgets.toml", "--live", "--json")
    assert done.code == 1
    report = json.loads(done.out)
    assert not report["exact"]
    verdicts = {(verdict["arm"], verdict["metric"]): verdict for verdict in report["verdicts"]}
    assert {key: verdict["verdict"] for key, verdict in verdicts.items()} == {
        ("ours", "p50"): "kept",
        ("ours", "p95"): "kept",
        ("gone", "p50"): "not measured",
    }
    assert "so few runs break nothing" in verdicts["ours", "p95"]["sentence"]
    assert "there is no program './a' to send, or it may not be run" in verdicts["gone", "p50"]["sentence"]
    assert len(list(Path("results").iterdir())) == 1


@pytest.mark.usefixtures("no_pictures")
def test_a_baseline_of_another_world_is_refused(here: Callable[..., Any]) -> None:
    Path("budgets.toml").write_text(BUDGETS.replace("ours", "udp").partition('[[budget]]\narm = "gone"')[0])
    assert here("budget", "record", "budgets.toml").code == 0
    done = here("budget", "check", "budgets.toml", "--live", "--baseline", "budgets.baseline.json")
    assert done.code == 2
    assert done.err == (
        "error: budgets.baseline.json was recorded in virtual time, and this check is in real time, between network "
        "namespaces; record it again: glass budget record\n"
    )
