"""A re-run of unchanged code never breaks a budget, not even one without any room."""

from dataclasses import replace

import pytest

from glassbench.experiments.budgets.check import check
from glassbench.experiments.budgets.measure import count, measure
from glassbench.experiments.budgets.spec import Budgets, load_budgets
from glassbench.experiments.scenario.tracks import VIDEO_TRACK
from glassbench.experiments.worlds.reuse import Reuse
from glassbench.experiments.worlds.virtual import run_arm
from glassbench.receiver.quality import QualityMemo
from glassbench.sender.encode_cache import EncodeCache

RERUNS = 100
NO_ROOM = """\
scenario = "call.toml"
[[budget]]
arm = "{arm}"
p50 = {{ max_increase = "0ms" }}
p95 = {{ max_increase = "0%" }}
p99 = {{ max_increase = "0ms" }}
max = {{ max_increase = "0ms" }}
freezes = {{ max_increase = 0 }}
shown = {{ max_decrease = "0%" }}
"""


def without_room(here, arm: str, duration: str) -> Budgets:
    scenario = (here / "call.toml").read_text()
    (here / "call.toml").write_text(scenario.replace('"2s"', f'"{duration}"'))
    (here / "budgets.toml").write_text(NO_ROOM.format(arm=arm))
    return load_budgets("budgets.toml")


@pytest.mark.lengthy
def test_a_hundred_re_runs_without_any_room_are_all_kept(call, here, record, measure_file):
    """Each simulates, counts and judges anew; what is written to files in between is left out."""
    budgets = without_room(here, "rtp", "500ms")
    (target,) = budgets.targets
    baseline = record(here / "budgets.toml")
    measured = measure_file(here / "budgets.toml")
    with EncodeCache(None) as cache:
        reuse = Reuse(cache, QualityMemo())
        for number in range(RERUNS):
            ledger = run_arm(target.scenario, target.scenario.arm("rtp"), reuse).ledger
            again = replace(measured, numbers={target: count(target, [ledger[ledger["track"] == VIDEO_TRACK]], None)})
            report = check(budgets, again, baseline)
            assert report.kept and len(report.verdicts) == 6, f"re-run {number} broke"


def test_worker_processes_give_the_same_numbers_as_this_one(call, here, tmp_path, record):
    budgets = without_room(here, "srt", "2s")
    baseline = record(here / "budgets.toml")
    assert check(budgets, measure(budgets, tmp_path / "again", workers=2), baseline).kept
