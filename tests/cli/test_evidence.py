"""glass compare --runs, glass ab and glass results: many runs, answers with intervals, one place for all results."""

import json
import os
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from glassbench.experiments.results import store
from glassbench.experiments.results.dataset_folder import dataset_folder
from glassbench.experiments.results.files import ResultsError
from glassbench.experiments.worlds import virtual

Glass = Callable[..., Any]

pytestmark = pytest.mark.usefixtures("no_pictures")

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
    assert "Soonest of 2 arms over 10 Mbit/s, 10 ms each way, at p95: udp, " in out
    assert "srt is " in out and "later [" in out
    assert "The worst of 7 runs bounds 65% of all runs with 95 % confidence" in out
    assert "results: results/near-seeds1-7 (complete)" in out


def test_the_same_command_again_runs_nothing_and_says_the_same(glass: Glass, monkeypatch: pytest.MonkeyPatch) -> None:
    first = glass(*RUNS, "--runs", "3", "--json")
    monkeypatch.setattr("glassbench.experiments.engine.plan_run.run_jobs", None)  # it must not be called
    assert glass(*RUNS, "--runs", "3", "--json") == first
    content = json.loads(first.out)
    assert (content["blocks"], content["unit"]) == (3, "run")
    assert [arm["verdict"] for arm in content["arms"]] == ["soonest", "not distinguishable"]
    assert "3 runs cannot tell so many arms apart: at least 6 can." in content["answer"]


def test_an_arm_that_cannot_do_it_is_named_beside_those_that_can(glass: Glass) -> None:
    Path("codecs.toml").write_text(
        'name = "codecs"\nduration = "200ms"\narms = ["rtp:slices=2", "udp"]\n[video]\nsource = "synthetic"\n'
        'codec = "vp9"\n[network]\nrate = "5Mbit/s"\n'
    )
    code, out, _ = glass("run", "codecs.toml", "--runs", "2", "--workers", "1")
    assert code == 0
    assert "rtp:slices=2: unsupported: " in " ".join(out.split())
    assert "udp has a p95 of" in out


def test_a_capture_of_many_runs_has_a_folder_for_each_seed(glass: Glass) -> None:
    code, out, _ = glass(*RUNS, "--runs", "2", "--capture")
    assert code == 0
    captures = Path("results/adaptive-udp-srt-seeds20-21/captures")
    assert f"captures: {captures} (packets for Wireshark, qlogs for qvis)" in " ".join(out.split())
    links = sorted(str(path.relative_to(captures)) for path in captures.rglob("link.pcapng"))
    arms = sorted({path.parent.name for path in captures.rglob("link.pcapng")})
    assert links == [f"seed{seed}/{arm}/link.pcapng" for seed in (20, 21) for arm in arms]
    assert all((captures / link).stat().st_size > 1000 for link in links)


def test_ab_finds_the_longer_delay_and_not_more(glass: Glass) -> None:
    a, b = scenario("near"), scenario("far", delay="15ms")
    code, out, err = glass("ab", a, b, "--runs", "12", "--workers", "1")
    assert (code, err) == (0, "")
    assert "At p95, udp: A sooner, by 5.0 ms" in out
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
    assert out.count(" tied\n") == 7


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
    listed = json.loads(glass("results", "list", "--json").out)["rows"]
    assert [(entry["seeds"], entry["complete"]) for entry in listed] == [([20], True), ([21], True), ([20, 21], True)]
    assert "adaptive-udp-srt, seed 21" in glass("results", "list").out
    assert "p95 /" in glass("results", "show", "results/adaptive-udp-srt-seed20").out
    assert "2 runs" in glass("results", "show", "results/adaptive-udp-srt-seeds20-21").out
    both = ("results/adaptive-udp-srt-seed20", "results/adaptive-udp-srt-seeds20-21")
    code, out, err = glass("results", "compare", *both, "--plot", "differences.svg", "--figure-size", "column")
    assert (code, err) == (0, "")
    assert (
        out.endswith("wrote differences.svg\n")
        and "A less B, ms (left of 0: A sooner)" in Path("differences.svg").read_text()
    )
    assert "A and B are not distinguishable" in out
    assert " ".join(out.split()).count("deadline 1 s, loss 1 %, 20 ms each way, 600 kB") == 2
    code, _, err = glass("results", "compare", "results/adaptive-udp-srt-seed20", "results/adaptive-udp-srt-seed21")
    assert code == 2
    assert "share no arm with the same seed" in err

    old = Path("results/adaptive-udp-srt-seed20/manifest.json")
    os.utime(old, (time.time() - 86400 * 40,) * 2)
    assert "would remove results/adaptive-udp-srt-seed20 " in glass("results", "prune", "--older-than", "30d").out
    assert old.exists()
    done = glass("results", "prune", "--older-than", "30d", "--yes").out
    assert re.fullmatch(r"to be removed: results/adaptive-udp-srt-seed20 \(0\.\d MB\)\nremoved 1 of 1\n", done)
    assert not old.parent.exists()
    assert glass("results", "prune", "--incomplete").out == "nothing to prune\n"


def test_damaged_results_are_listed_as_such_and_disturb_no_others(glass: Glass) -> None:
    glass(*RUNS)
    shutil.copytree("results/adaptive-udp-srt-seed20", "results/broken")
    Path("results/broken/manifest.json").write_text("{")
    Path("results/odd").mkdir()
    Path("results/odd/manifest.json").write_text('{"kind": "dataset", "name": 3}')
    code, out, _ = glass("results", "list")
    assert code == 0
    assert "broken/manifest.json is not valid JSON" in out
    assert "odd/manifest.json has schema None" in out
    code, _, err = glass("results", "show", "results/broken")
    assert (code, err.count("\n")) == (2, 1)


def test_results_of_another_schema_are_listed_and_kept_and_their_numbers_are_not_read(glass: Glass) -> None:
    glass(*RUNS)
    folder = Path("results/adaptive-udp-srt-seed20")
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**manifest, "schema": 1}))
    sentence = (
        "has schema 1; this version of Glassbench reads 4: measure again, or read it with the version that made it"
    )
    out = " ".join(glass("results", "list").out.split())
    assert sentence in out and "other schema" in out
    for command in (("show", str(folder)), ("compare", str(folder), str(folder))):
        code, out, err = glass("results", *command)
        assert (code, out) == (2, "") and sentence in " ".join(err.split())
    assert store.summaries(store.runs(Path("results"))).empty
    assert glass("results", "prune", "--incomplete").out == "nothing to prune\n"


def test_prune_removes_only_what_says_that_glassbench_made_it(glass: Glass) -> None:
    glass(*RUNS)
    results, made = Path("results"), Path("results/adaptive-udp-srt-seed20")
    for name, manifest in (
        ("an app", '{"name": "app", "start_url": "/", "complete": false}'),
        ("a copy", json.dumps(json.loads((made / "manifest.json").read_text()) | {"program": "other"})),
        ("broken", "{"),
        ("no object", "[1]"),
        ("nothing", ""),
    ):
        (results / name).mkdir()
        (results / name / "manifest.json").write_text(manifest)
    code, out, _ = glass("results", "prune", "--older-than", "0min", "--yes")
    assert code == 0
    assert sorted(path.name for path in results.iterdir()) == ["a copy", "an app", "broken", "no object", "nothing"]
    assert out.count("its manifest does not say that Glassbench made it") == 5
    assert out.splitlines()[-1] == "removed 1 of 1"


def test_prune_removes_a_damaged_run_that_says_so_and_all_are_listed_before_the_first_goes(
    glass: Glass, monkeypatch: pytest.MonkeyPatch
) -> None:
    for seed in ("20", "21", "22"):
        glass(*RUNS, "--seed", seed)
        manifest = Path(f"results/adaptive-udp-srt-seed{seed}/manifest.json")
        manifest.write_text(json.dumps({"program": "glassbench", "complete": False}))
    gone: list[Path] = []

    def fail_after_one(entry: Any) -> None:
        if gone:
            raise KeyboardInterrupt
        gone.append(entry.path)

    monkeypatch.setattr("glassbench.experiments.results.store.remove", fail_after_one)
    code, out, _ = glass("results", "prune", "--incomplete", "--yes")
    assert code == 130 and len(gone) == 1
    assert [line.split(" (")[0] for line in out.splitlines()] == [
        f"to be removed: results/adaptive-udp-srt-seed{seed}" for seed in (20, 21, 22)
    ]


def test_prune_keeps_what_another_process_writes_and_what_has_changed_since_it_was_listed(
    glass: Glass, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path("results/one")
    with dataset_folder(folder, {"name": "s", "fingerprint": "x", "versions": {}, "cells": 1}):
        for options in ((), ("--yes",)):
            code, out, _ = glass("results", "prune", "--incomplete", *options)
            assert code == 0 and f"kept {folder}: {folder} is being written by another process" in out
            assert out.splitlines()[-1] == "nothing to prune" and (folder / "manifest.json").exists()
    (entry,) = store.runs(Path("results"))
    os.utime(folder / "manifest.json", (1, 1))
    with pytest.raises(ResultsError, match="has changed"):
        store.remove(entry)
    assert "removed 1 of 1" in glass("results", "prune", "--incomplete", "--yes").out
    assert list(Path("results").iterdir()) == []


@pytest.mark.parametrize("runs", ["1", "2"])
def test_a_comparison_that_runs_is_safe_from_prune(glass: Glass, monkeypatch: pytest.MonkeyPatch, runs: str) -> None:
    pruned: list[str] = []
    run_arm = virtual.run_arm

    def prune_meanwhile(*arguments: Any, **options: Any) -> Any:
        if not pruned:  # as another process would: a lock of flock(2) is of the open file, not of the process
            (entry,) = store.runs(Path("results"))
            with pytest.raises(ResultsError, match="is being written by another process") as error:
                store.remove(entry)
            pruned.append(str(error.value))
        return run_arm(*arguments, **options)

    monkeypatch.setattr(virtual, "run_arm", prune_meanwhile)
    assert glass(*RUNS, "--runs", runs).code == 0
    assert pruned


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("results", "prune"), "nothing chosen to prune"),
        (("results", "prune", "--older-than", "soon"), "--older-than must be an age such as 30d"),
        (("results", "show", "nowhere"), "nowhere is not a folder of results"),
        (("results", "compare", "nowhere", "nowhere"), "nowhere is not a folder"),
        (("ab", "default", "nowhere.toml"), "nowhere.toml is neither a scenario file nor a shipped scenario"),
        (("compare", "--runs", "0"), "Invalid value for '--runs'"),
    ],
)
def test_bad_input_is_one_sentence(glass: Glass, arguments: tuple[str, ...], sentence: str) -> None:
    Path("results").mkdir()
    code, out, err = glass(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith("error: ") and sentence in err and err.count("\n") == 1


def test_commands_keep_names_and_folders_whole_in_a_narrow_terminal(
    glass: Glass, terminal: Callable[[int], None]
) -> None:
    terminal(60)
    arms = ("webtransport-stream-per-frame", "quic-stream:stack=stock,control=cubic")
    fields = (f'"{arms[0]}", "{arms[1]}"', "20ms")
    a, b = (scenario(f"a-setting-with-a-long-name-{side}", arms=fields[0], delay=fields[1]) for side in "ab")
    runs = glass("run", a, "--runs", "2", "--workers", "1").out
    one = glass("run", a, "--workers", "1").out
    folders = [f"results/a-setting-with-a-long-name-a-seed{end}" for end in ("1", "s1-2")]
    shown = [glass("results", "show", folder).out for folder in folders]
    paired = glass("ab", a, b, "--runs", "2", "--workers", "1").out
    listed = glass("results", "list").out
    for text, names in (
        (runs, arms),
        (one, arms),
        *((text, arms) for text in shown),
        (paired, arms),
        (listed, folders),
    ):
        lines = re.sub(r"\x1b\[[0-9;]*m", "", text).splitlines()
        assert {line.strip().split("  ")[0] for line in lines} >= set(names), text
        assert max(len(line) for line in lines if " " in line.strip()) <= 60  # a folder alone in its line stays whole
