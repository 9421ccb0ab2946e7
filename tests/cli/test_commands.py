"""What the commands print and write when all goes well, and when an arm does not."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from matplotlib.figure import Figure

from glassbench.experiments.results.plots import figures
from glassbench.experiments.worlds import virtual
from glassbench.transport.registry import TRANSPORTS

Glass = Callable[..., Any]

SHORT = ("compare", "--source", "lognormal", "--duration", "400ms", "--workers", "1")

# The fields that the interface promises, in addition to which there may be others.
PROMISED = [
    *("arm", "captured", "displayed", "g2g_p50_ms", "g2g_p95_ms", "g2g_p99_ms"),
    *("signal_p95_ms", "freezes", "ssim", "sent_mbps", "fates"),
]
PICTURES = ("latency-cdf.png", "timeline.png", "stage-breakdown.png", "rates.png")

UNSUPPORTED = """\
name = "codecs"
duration = "200ms"
arms = ["rtp:slices=2", "udp"]
[video]
source = "synthetic"
codec = "vp9"
[network]
rate = "5Mbit/s"
"""


def one_object(out: str) -> dict[str, Any]:
    """Stdout has exactly one line, which is one JSON object without NaN or Infinity."""
    assert out.endswith("\n") and out.count("\n") == 1

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is not JSON")

    content = json.loads(out, parse_constant=refuse)
    assert isinstance(content, dict)
    return content


@pytest.mark.usefixtures("no_pictures")
def test_json_is_one_object_with_every_promised_field_for_every_arm(glass: Glass) -> None:
    arms = [*TRANSPORTS, "quic-stream:stack=stock,control=cubic"]
    code, out, err = glass(*SHORT, *(part for arm in arms for part in ("--arm", arm)), "--json")
    assert (code, err) == (0, "")
    content = one_object(out)
    assert content["results"] == "results/adaptive-14-arms-seed20"
    assert content["complete"] is True
    assert content["scenario"]["duration"] == "400ms"
    assert [arm["arm"] for arm in content["arms"]] == arms
    for arm in content["arms"]:
        assert set(PROMISED) <= set(arm)
        assert arm["captured"] == 12
        assert sum(arm["fates"].values()) == 12
    assert one_object(glass("report", "results/adaptive-14-arms-seed20", "--json")[1]) == content


@pytest.mark.usefixtures("no_pictures")
def test_infinite_is_a_text_in_json_undefined_is_null_and_both_have_a_sign_in_the_table(glass: Glass) -> None:
    Path("x.csv").write_text("time_s,rate_mbps\n0,0\n1000,0\n1001,1\n")  # nothing arrives while the media last
    code, out, _ = glass(*SHORT, "--arm", "udp", "--trace", "x.csv", "--json")
    (arm,) = one_object(out)["arms"]
    assert code == 0
    assert arm["displayed"] == 0
    assert (arm["g2g_p50_ms"], arm["signal_p95_ms"], arm["floor_ratio"]) == ("Infinity", "Infinity", None)
    assert one_object(out)["floor"] == {"outcome": "measured", "g2g_p95_ms": "Infinity"}
    _, out, _ = glass(*SHORT, "--arm", "udp", "--trace", "x.csv")
    assert out.startswith("note: x.csv records no delay: there are 20ms each way")
    _, out, _ = glass("report", "results/adaptive-x-udp-seed20")
    assert "20 ms each way" in " ".join(out.split())
    assert re.search(r"udp +0/12 +∞ +∞ +∞ +∞ +1 ", out, re.MULTILINE)
    assert "does not show 95 % of its frames either, so p95 / floor is undefined" in " ".join(out.split())
    assert "No arm showed 95 % of its frames" in out


@pytest.mark.usefixtures("no_pictures")
def test_an_unsupported_arm_is_an_answer_and_the_comparison_succeeds(glass: Glass) -> None:
    Path("x.toml").write_text(UNSUPPORTED)
    code, out, err = glass("run", "x.toml", "--workers", "1", "--json")
    assert (code, err) == (0, "")
    rtp, udp = one_object(out)["arms"]
    assert rtp["outcome"] == "unsupported" and "vp9" in rtp["reason"]
    assert rtp["captured"] is None and rtp["fates"] is None and set(PROMISED) <= set(rtp)
    assert udp["outcome"] == "measured" and udp["captured"] == 6
    _, out, _ = glass("report", "results/codecs-seed1")
    assert f"rtp:slices=2: unsupported: {rtp['reason']}" in out


@pytest.mark.usefixtures("no_pictures")
def test_a_failed_arm_is_named_with_exit_code_1_and_the_others_are_shown(
    glass: Glass, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_arm = virtual.run_arm

    def explode(scenario: Any, arm: Any, *arguments: Any, **keywords: Any) -> Any:
        if arm.label == "rtp":
            raise ZeroDivisionError("a defect")
        return run_arm(scenario, arm, *arguments, **keywords)

    monkeypatch.setattr(virtual, "run_arm", explode)
    code, out, err = glass(*SHORT, "--arm", "rtp", "--arm", "udp")
    assert (code, err) == (1, "error: 1 of 2 arms failed: rtp\n")
    assert "rtp: failed: ZeroDivisionError: a defect" in out
    assert "Too few frames for a verdict (12; it takes 59); soonest of these: udp" in out


def test_the_table_comes_with_answer_notes_pictures_and_folder(glass: Glass) -> None:
    code, out, err = glass(*SHORT, "--arm", "rtp", "--arm", "udp")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == (
        "lognormal, 400 ms, 2 Mbit/s over lte-driving, deadline 1 s, loss 1 %, 20 ms each way, 600 kB, seed 20, "
        "in virtual time"
    )
    assert "note: frame sizes are drawn from a model: nothing is encoded or decoded" in lines
    for picture in PICTURES:
        assert f"wrote results/adaptive-rtp-udp-seed20/{picture}" in lines
        assert Path("results/adaptive-rtp-udp-seed20", picture).read_bytes().startswith(b"\x89PNG")
    assert lines[-5:-4] == ["results: results/adaptive-rtp-udp-seed20 (complete)"]  # numbers first, pictures after


def test_pictures_that_cannot_be_written_do_not_hide_the_numbers(glass: Glass, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Path("results/adaptive-udp-seed20")
    for name in figures.PLOTS:
        monkeypatch.setitem(figures.PLOTS, name, lambda run: Figure())
    glass(*SHORT, "--arm", "udp")
    (folder / "timeline.png").unlink()
    (folder / "timeline.png").mkdir()
    note = f"note: cannot write {folder}/timeline.png: Is a directory\n"
    code, out, err = glass("report", str(folder))
    assert (code, err) == (0, "")
    assert f"results: {folder} (complete)" in out and note in out
    code, out, err = glass("report", str(folder), "--json")
    assert (code, err) == (0, note)
    assert one_object(out)["arms"][0]["captured"] == 12


@pytest.mark.usefixtures("no_pictures")
@pytest.mark.parametrize("cache", ["unwritable", "broken"])
def test_a_cache_that_cannot_be_used_costs_time_only(glass: Glass, tmp_path: Path, cache: str) -> None:
    folder = tmp_path / "cache" / "glassbench"
    if cache == "unwritable":
        folder.parent.mkdir()
        folder.write_text("in the way")
    else:
        folder.mkdir(parents=True)
        for name in ("encodes-1.sqlite", "encodes-2.sqlite"):
            (folder / name).write_bytes(b"not a database" * 1000)
    options = ("--source", "synthetic", "--arm", "udp", "--duration", "200ms", "--workers", "1", "--json")
    code, out, err = glass("compare", *options)
    assert (code, err) == (0, "")
    assert one_object(out)["arms"][0]["captured"] == 6


@pytest.mark.usefixtures("no_pictures")
def test_arms_that_did_not_end_are_not_ranked(glass: Glass) -> None:
    glass(*SHORT, "--arm", "rtp", "--arm", "udp")
    path = Path("results/adaptive-rtp-udp-seed20/summary.parquet")
    pd.read_parquet(path).assign(outcome="incomplete").to_parquet(path)
    assert "No arm was measured to its end" in glass("report", "results/adaptive-rtp-udp-seed20").out


def test_version_and_help(glass: Glass) -> None:
    assert re.fullmatch(r"glassbench \d+\.\d+\.\d+\S*\n", glass("--version").out)
    code, out, err = glass("--help")
    assert (code, err) == (0, "")
    assert "glass compare" in out
    nothing = glass()
    assert (nothing.code, nothing.out.strip(), nothing.err) == (2, out.strip(), "")


@pytest.mark.parametrize(
    ("program", "slow"),
    [
        ("glassbench.experiments.cli.app", {"matplotlib", "scipy", "pyroute2"}),
        ("glassbench.experiments.worlds.live.part", {"matplotlib", "scipy", "pyroute2", "pandas", "pyarrow"}),
    ],
)
def test_a_program_starts_without_what_takes_long_to_import(program: str, slow: set[str]) -> None:
    code = f"import sys, {program}; print(*{slow} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
