"""Runs in a copy of the project: commands, tests and commands again, in one process; says as JSON how each ended."""

import contextlib
import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

import glassbench

# Glassbench is imported ahead of pytest, which would like to rewrite it, since it has a plugin.
PYTEST = ["-p", "no:cacheprovider", "-W", "ignore::pytest.PytestAssertRewriteWarning"]


class Outcomes:
    """Of each test by its name, and of whatever could not be collected."""

    def __init__(self) -> None:
        self.of: dict[str, str] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" or not report.passed:
            self.of[report.nodeid] = f"failed: {report.longreprtext}" if report.failed else report.outcome

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.of[report.nodeid] = f"failed: {report.longreprtext}"


def glass(arguments: list[str]) -> tuple[int, str]:
    """The exit code of a command, and what it printed."""
    from glassbench.experiments.cli.app import app
    from glassbench.experiments.cli.errors import run_app

    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(out):
        code = run_app(app, arguments)
    return code, out.getvalue()


def main() -> dict[str, Any]:
    job = json.loads(sys.argv[1])
    assert Path(glassbench.__file__).is_relative_to(Path.cwd()), glassbench.__file__
    before = [glass(arguments) for arguments in job["before"]]
    outcomes = Outcomes()
    with contextlib.redirect_stdout(io.StringIO()):
        pytest.main([*PYTEST, *job["tests"]], plugins=[outcomes])
    after = {name: glass(arguments) for name, arguments in job["after"].items()}
    short: dict[str, Any] = {"arms": ["udp"], "source": "lognormal", "duration": "1s", "workers": 1}
    worlds = {name: glassbench.compare(**short, world=name).manifest["world"] for name in job["worlds"]}
    return {"before": before, "tests": outcomes.of, "after": after, "worlds": worlds}


if __name__ == "__main__":
    print(json.dumps(main()))
