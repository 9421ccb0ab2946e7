"""The object of commands that serve, run what somebody else says, or draw."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from glassbench.experiments.cli.app import app
from glassbench.experiments.cli.errors import run_app
from glassbench.experiments.engine.runner import run
from glassbench.experiments.worlds.hosts import serving
from glassbench.experiments.worlds.live import behind_link
from glassbench.experiments.worlds.live.behind_link import Passed
from glassbench.netem.element import Counts


def test_behind_a_link_stdout_has_the_object_and_the_command_has_stderr(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def run_behind(network: object, command: list[str], *_: object, **__: object) -> Passed:
        code = subprocess.run(command, check=False).returncode
        return Passed(code, Counts(), Counts(), 0.0, 20.0, 0, pd.DataFrame())

    monkeypatch.setattr(behind_link, "run_behind", run_behind)
    assert run_app(app, ["shell", "--json", "--trace", "steps", "--", "sh", "-c", "echo theirs; exit 3"]) == 3
    out, err = capfd.readouterr()
    content = json.loads(out)
    assert list(content)[:2] == ["results", "notes"]
    assert content["code"] == 3 and content["log"] is None
    assert content["to_command"] == content["from_command"] == {"packets": 0, "passed": 0, "lost": 0, "dropped": 0}
    [note] = content["notes"]
    assert "its longest pause took 20 ms" in note
    assert err == "theirs\n"


def test_a_receiver_says_at_once_how_it_is_reached(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(serving, "serve", lambda *_, **__: None)
    assert run_app(app, ["receive", "127.0.0.1:0", "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert (content["results"], content["notes"], content["host"]) == (None, [], "127.0.0.1")
    assert content["send"] == f"glass send 127.0.0.1:{content['port']} --key {content['key']}"


def test_figures_that_are_drawn_again_are_listed(glass: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    def draw(dataset: Any, form: object) -> list[str]:
        return [f"wrote {dataset.path / 'latency-cdf.png'}", "note: timeline.png was not drawn: no font"]

    folder = run("default", arms=["udp"], source="lognormal", duration=0.2, workers=1).path
    monkeypatch.setattr("glassbench.experiments.cli.pictures.draw_results", draw)
    ended = glass("results", "figures", str(folder), "--json")
    content = json.loads(ended.out)
    assert content["results"] == str(folder)
    assert content["rows"] == [{"folder": str(folder), "file": str(Path(folder) / "latency-cdf.png")}]
    assert ended.err == "note: timeline.png was not drawn: no font\n"
