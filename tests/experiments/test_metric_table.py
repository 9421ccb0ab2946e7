"""One table of metrics: a line added to it is found in every view, and one number has one text."""

import json
import math
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from glassbench.experiments.account.metric_table import METRICS
from glassbench.experiments.account.number_text import number_text
from glassbench.experiments.results.ranking import BY_LATENCY, ranking_of

ROOT = Path(__file__).parents[2]
RANKINGS = (BY_LATENCY, ranking_of([{"follows": True, "picture_floor": 0.85}]))
ROOMS = ("transport", "sender", "receiver", "netem", "experiments")
LINE = """
        Metric(
            name="answer",
            column="answer_ms",
            heading="answer\\nms",
            unit="ms",
            of=lambda runs: 42.0,
            views=_EVERYWHERE,
            share=0.5,
            less="answers less",
            more="answers more",
            tolerance=Tolerance(7.0),
        ),
"""
BUDGET = """
[[budget]]
scenario = "fixed"
arm = "udp"
answer = { max = "41ms" }
"""
SHORT = ["--source", "lognormal", "--duration", "500ms", "--workers", "1"]


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source of this checkout, and what Python compiled of it, with one line more in the table."""
    folder = tmp_path_factory.mktemp("copy")
    for room in ROOMS:
        shutil.copytree(ROOT / room, folder / room, ignore=shutil.ignore_patterns("*-pytest-*"))
    shutil.copytree(ROOT / "src", folder / "src", symlinks=True, ignore=shutil.ignore_patterns("*-pytest-*"))
    table = folder / "experiments" / "account" / "metric_table.py"
    text = table.read_text()
    start = "    for metric in ("
    assert text.count(start) == 1
    table.write_text(text.replace(start, start + LINE))
    return folder


COMMANDS = """
import contextlib, io, json, sys
from glassbench.experiments.cli import show
from glassbench.experiments.cli.app import app
from glassbench.experiments.cli.errors import run_app

show.draw_results = lambda dataset, form: []  # other tests are about pictures
said = []
for command in json.loads(sys.argv[1]):
    with contextlib.redirect_stdout(io.StringIO()) as out:
        code = run_app(app, command)
    said.append((code, out.getvalue()))
print(json.dumps(said))
"""


def glass(copy: Path, *commands: list[str]) -> list[tuple[int, str]]:
    """Exit code and output of each of these commands of the copy, one after the other in one process."""
    done = subprocess.run(
        [sys.executable, "-c", COMMANDS, json.dumps(commands)],
        cwd=copy,
        env={"PYTHONPATH": str(copy / "src"), "PATH": "/usr/bin:/bin", "XDG_CACHE_HOME": str(copy / "cache")},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return [(code, out) for code, out in json.loads(done.stdout)]


def test_a_metric_is_one_line_and_is_found_in_table_json_report_budget_and_paired_statistics(copy: Path) -> None:
    folder = "results/adaptive-udp-seed20"
    (copy / "budgets.toml").write_text(BUDGET)
    (_, compared), (_, reported), (broken, checked), (_, paired) = glass(
        copy,
        ["compare", *SHORT, "--arm", "udp", "--json"],
        ["report", folder],
        ["budget", "check", "budgets.toml", "--json", "--workers", "1"],
        ["results", "compare", folder, folder],
    )
    content = json.loads(compared)
    assert (content["results"], content["arms"][0]["answer_ms"]) == (folder, 42.0)
    assert "answer" in reported
    page = (copy / folder / "report.html").read_text()
    assert "answer ms" in page and ">42.0<" in page
    (verdict,) = json.loads(checked)["verdicts"]
    assert broken == 1
    assert "answer 42.0 ms breaks max 41ms" in verdict["sentence"]
    assert "answer, ms" in paired


def test_the_agreement_of_worlds_holds_every_metric_that_has_a_tolerance() -> None:
    held = {metric.name for ranking in RANKINGS for metric in ranking.metrics("agreement")}
    assert held == {metric.name for metric in METRICS.values() if metric.tolerance is not None}


def test_metrics_that_are_compared_say_what_more_and_less_of_them_is() -> None:
    assert all(metric.less and metric.more for ranking in RANKINGS for metric in ranking.metrics("paired"))


def test_where_an_encoder_follows_its_delays_stand_for_percentiles_that_skipped_captures_make_infinite() -> None:
    for view in ("paired", "medians", "sweep", "agreement"):
        usual, following = ([metric.name for metric in ranking.metrics(view)] for ranking in RANKINGS)
        assert "p95" in usual and "picture_p95" not in usual
        assert not {"p95", "p99", "floor_ratio"} & set(following)
        assert {"p50", "signal_p95", "picture_p95", "shown"} <= set(following)
        assert set(following) - set(usual) <= {"signal_p95", "picture_p95"}


def test_no_two_metrics_share_a_name_or_a_column() -> None:
    assert all(name == metric.name for name, metric in METRICS.items())
    assert len({metric.column for metric in METRICS.values()}) == len(METRICS)


@pytest.mark.parametrize(
    ("name", "value", "text", "with_unit"),
    [
        ("p95", 12.345, "12.3", "12.3 ms"),
        ("p95", math.inf, "∞", "∞"),
        ("p95", math.nan, "-", "- ms"),
        ("shown", 0.983, "98.3", "98.3 %"),
        ("shown", 1, "100.0", "100.0 %"),
        ("freezes", 3, "3", "3"),
        ("floor_ratio", 1.234, "1.23", "1.23"),
        ("sent", 4.0, "4.00", "4.00 Mbit/s"),
    ],
)
def test_a_value_has_one_text(name: str, value: float, text: str, with_unit: str) -> None:
    assert METRICS[name].text(value) == text
    assert METRICS[name].with_unit(value) == with_unit


def test_what_is_no_number_is_a_dash() -> None:
    assert [number_text(value) for value in (None, "x", True, math.nan, 10**400)] == ["-"] * 5
    assert [number_text(value) for value in (math.inf, -math.inf, 1.5)] == ["∞", "-∞", "1.5"]


def test_a_number_without_a_unit_stands_alone_in_a_sentence() -> None:
    assert METRICS["jain"].with_unit(0.95) == "0.950" and METRICS["utilisation"].with_unit(0.9) == "90.0 %"
