"""`glass doctor` says what is so on this machine, and what helps where something is not."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Glass = Callable[..., Any]


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The doctor does not listen for pauses, since that takes its time."""
    monkeypatch.setattr("glassbench.experiments.cli.doctor.pauses", lambda seconds, least: [])


def test_each_line_is_a_yes_or_a_no_with_what_helps(glass: Glass) -> None:
    code, out, err = glass("doctor")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert len(lines) >= 8
    assert all(line.startswith("yes  ") or (line.startswith("no   ") and ": " in line) for line in lines)
    assert "yes  virtual time" in lines
    assert f"({len(os.sched_getaffinity(0))} found)" in out


def test_a_processor_that_is_taken_away_is_said(glass: Glass, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("glassbench.experiments.cli.doctor.pauses", lambda seconds, least: [0.003, 0.0012])
    out = glass("doctor").out
    assert "no   a processor of one's own (2 pauses of 1 ms or more in 2 s): the longest took 3.0 ms: other" in out


def test_json_is_the_same_and_nothing_else(glass: Glass) -> None:
    findings = json.loads(glass("doctor", "--json").out)["rows"]
    assert [set(finding) for finding in findings] == [{"what", "works", "remedy"}] * len(findings)
    (tshark,) = (finding for finding in findings if finding["what"].startswith("tshark"))
    assert tshark["works"] == (shutil.which("tshark") is not None)


def test_programs_that_are_missing_are_named_with_the_command_that_installs_them(
    glass: Glass, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    out = glass("doctor").out
    assert "no   tshark, for reading captures (glass compare --capture) on this machine: apt install tshark" in out
    assert "no   chromium, for players and pages as arms, and tests of reports: apt install chromium" in out


def test_what_the_kernel_refuses_is_no_error(glass: Glass, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("socket.socket.bind", refuse)
    monkeypatch.setattr("subprocess.run", refuse)
    code, out, err = glass("doctor")
    assert (code, err) == (0, "")
    assert "no   live runs through a relay (IPv4 loopback): UDP sockets on 127.0.0.1 are refused" in out
    assert "no   an emulator that runs before other programs (SCHED_FIFO): it needs root (CAP_SYS_NICE)" in out


def test_a_libx264_that_cannot_be_called_is_said_with_what_helps(glass: Glass, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "yes  slices of pictures in real time (--arm NAME:slices=4)" in glass("doctor").out
    monkeypatch.setattr("glassbench.sender.x264_library._load", lambda: "PyAV has loaded none")
    out = glass("doctor").out
    assert "no   slices of pictures in real time (--arm NAME:slices=4): slices in real time come from libx264" in out
    assert "what helps is pip install" in out
