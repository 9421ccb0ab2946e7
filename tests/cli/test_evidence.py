"""glass compare --runs, glass ab and glass results: many runs, answers with intervals, one place for all results."""

import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Glass = Callable[..., Any]

RUNS = ("compare", "--source", "lognormal", "--duration", "1s", "--arm", "udp", "--arm", "srt", "--workers", "1")


def scenario(name: str, *, arms: str = '"udp"', delay: str = "10ms") -> str:
    """Write a short scenario and return its file."""
    text = f"""
name = "{name}"
duration = "1s"
arms = [{arms}]
[video]
source = "lognormal"
[network]
rate = "10Mbit/s"
delay = "{delay}"
jitter = "2ms"
"""
    Path(f"{name}.toml").write_text(text)
    return f"{name}.toml"


def test_several_runs_give_intervals_a_verdict_and_how_much_they_bound(glass: Glass) -> None:
    code, out, err = glass("run", scenario("near", arms='"udp", "srt"'), "--runs", "7", "--workers", "1")
    assert (code, err) == (0, "")
    assert "near: 7 runs" in out
    assert "Soonest at p95: udp, " in out
    assert "srt is " in out and "later [" in out
    assert "The worst of 7 runs bounds 65% of all runs with 95 % confidence" in out
    assert "results: results/near-seeds1-7 (complete)" in out


def test_the_same_command_again_runs_nothing_and_says_the_same(glass: Glass, monkeypatch: pytest.MonkeyPatch) -> None:
    first = glass(*RUNS, "--runs", "3", "--json")
    monkeypatch.setattr("experiments.engine.plan_run.run_jobs", None)  # it must not be called
    assert glass(*RUNS, "--runs", "3", "--json") == first
    content = json.loads(first.out)
    assert (content["blocks"], content["unit"]) == (3, "run")
    assert [arm["verdict"] for arm in content["arms"]] == ["soonest", "not distinguishable"]
    assert "3 runs cannot tell so many arms apart: at least 6 can." in content["answer"]


def test_an_arm_that_cannot_do_it_is_named_beside_those_that_can(glass: Glass) -> None:
    Path("codecs.toml").write_text(
        'name = "codecs"\nduration = "200ms"\narms = ["rtp", "udp"]\n[video]\nsource = "synthetic"\ncodec = "vp9"\n'
        '[network]\nrate = "5Mbit/s"\n'
    )
    code, out, _ = glass("run", "codecs.toml", "--runs", "2", "--workers", "1")
    assert code == 0
    assert "rtp: unsupported: " in out
    assert "udp has a p95 of" in out


def test_a_capture_of_many_runs_is_refused(glass: Glass) -> None:
    code, out, err = glass(*RUNS, "--runs", "2", "--capture")
    assert (code, out) == (2, "")
    assert "accepted is --capture without --runs" in err
    assert not Path("results").exists()


def test_ab_finds_the_longer_delay_and_not_more(glass: Glass) -> None:
    a, b = scenario("near"), scenario("far", delay="15ms")
    code, out, err = glass("ab", a, b, "--runs", "12", "--workers", "1")
    assert (code, err) == (0, "")
    assert "At p95, udp: A sooner, by 5 ms" in out
    assert "10 ms each way" in out and "15 ms each way" in out
    assert "A against itself: " in out
    rows = json.loads(glass("ab", a, b, "--runs", "12", "--workers", "1", "--json").out)["rows"]
    by_metric = {row["metric"]: row for row in rows}
    assert by_metric["g2g_p95_ms"]["difference"] == pytest.approx(-5)
    assert by_metric["shown"]["verdict"] == "not distinguishable"


def test_ab_of_one_setting_is_not_distinguishable_and_says_why(glass: Glass) -> None:
    a = scenario("near")
    code, out, _ = glass("ab", a, a, "--runs", "2", "--workers", "1")
    assert code == 0
    assert "A and B are the same setting" in out
    assert out.count("not distinguishable") == 7


def test_ab_pairs_two_single_arms_and_refuses_what_has_no_pair(glass: Glass) -> None:
    one, other = scenario("one"), scenario("other", arms='"rtp"')
    code, out, _ = glass("ab", one, other, "--runs", "1", "--workers", "1")
    assert code == 0
    assert "udp / rtp" in out
    several = scenario("several", arms='"rtp", "srt"')
    code, out, err = glass("ab", one, several)
    assert (code, out) == (2, "")
    assert err.startswith("error: A and B share no arm: A has udp, B has rtp, srt")


def test_results_are_listed_shown_compared_and_pruned(glass: Glass) -> None:
    assert glass("results", "list").code == 2  # no folder yet
    glass(*RUNS)
    glass(*RUNS, "--seed", "21")
    glass(*RUNS, "--runs", "2")
    listed = json.loads(glass("results", "list", "--json").out)
    assert [(entry["kind"], entry["complete"]) for entry in listed] == [("run", True), ("run", True), ("dataset", True)]
    assert "lte-driving, seed 21" in glass("results", "list").out
    assert "p95 /" in glass("results", "show", "results/lte-driving-seed20").out
    assert "2 runs" in glass("results", "show", "results/lte-driving-seeds20-21").out
    code, out, err = glass("results", "compare", "results/lte-driving-seed20", "results/lte-driving-seeds20-21")
    assert (code, err) == (0, "")
    assert "A and B are not distinguishable" in out
    assert " ".join(out.split()).count("deadline 1 s, loss 1 %, 20 ms each way, 600 kB") == 2
    code, _, err = glass("results", "compare", "results/lte-driving-seed20", "results/lte-driving-seed21")
    assert code == 2
    assert "share no arm with the same seed" in err

    old = Path("results/lte-driving-seed20/manifest.json")
    os.utime(old, (time.time() - 86400 * 40,) * 2)
    assert "would remove results/lte-driving-seed20 " in glass("results", "prune", "--older-than", "30d").out
    assert old.exists()
    assert "removed results/lte-driving-seed20 " in glass("results", "prune", "--older-than", "30d", "--yes").out
    assert not old.parent.exists()
    assert glass("results", "prune", "--incomplete").out == "nothing to prune\n"


def test_damaged_results_are_listed_as_such_and_disturb_no_others(glass: Glass) -> None:
    glass(*RUNS)
    shutil.copytree("results/lte-driving-seed20", "results/broken")
    Path("results/broken/manifest.json").write_text("{")
    Path("results/odd").mkdir()
    Path("results/odd/manifest.json").write_text('{"kind": "dataset", "name": 3}')
    code, out, _ = glass("results", "list")
    assert code == 0
    assert "broken/manifest.json is not valid JSON" in out
    assert "odd/manifest.json is not the manifest of a run or a dataset" in out
    code, _, err = glass("results", "show", "results/broken")
    assert (code, err.count("\n")) == (2, 1)
    assert "removed results/broken" in glass("results", "prune", "--incomplete", "--yes").out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("results", "prune"), "nothing chosen to prune"),
        (("results", "prune", "--older-than", "soon"), "--older-than must be an age such as 30d"),
        (("results", "show", "nowhere"), "nowhere is not the folder of a run or a dataset"),
        (("results", "compare", "nowhere", "nowhere"), "nowhere is not the folder"),
        (("ab", "default", "nowhere.toml"), "nowhere.toml is neither a scenario file nor a shipped scenario"),
        (("compare", "--runs", "0"), "Invalid value for '--runs'"),
    ],
)
def test_bad_input_is_one_sentence(glass: Glass, arguments: tuple[str, ...], sentence: str) -> None:
    Path("results").mkdir()
    code, out, err = glass(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith("error: ") and sentence in err and err.count("\n") == 1
