"""Stacks in the whole program: from a package of a user, in a capture, and when `glass` is killed."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from glassbench import load
from glassbench.experiments.scenario import shipped
from glassbench.experiments.scenario.peers import PEERS
from glassbench.experiments.worlds.live.wiring import check_emulator
from glassbench.netem.live.isolated_python import python_command
from glassbench.transport.contract import Unsupported

CODE = '''
import ctypes, socket, sys, threading
from dataclasses import dataclass

from glassbench.experiments.scenario.peers import ANY_CODEC, peer_entry
from glassbench.experiments.worlds.peers.peer import Peer, PeerEnd


@dataclass(frozen=True)
class Options:
    ttl: int = 64
    crash: bool = False


class Plain(PeerEnd):
    """A datagram for each access unit."""

    def start(self):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, self.context.options["ttl"])
        if self.context.role == "receiver":
            self.socket.bind(self.context.local)
            threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        while True:
            self.context.outlet.give(self.socket.recv(65536))

    def send(self, data, frame):
        if self.context.options["crash"]:
            print("last words", file=sys.stderr)
            ctypes.string_at(0)
        self.socket.sendto(data, self.context.peer)
        return True

    def close(self):
        pass

    def settings(self):
        return {"ttl": self.socket.getsockopt(socket.IPPROTO_IP, socket.IP_TTL)}


class Stack(Peer):
    carries = "units"

    @classmethod
    def version(cls):
        return "0.7"

    @classmethod
    def end(cls, context):
        return Plain(context)


MINE = peer_entry("mine", "a datagram for each access unit", Options, "mine:Stack", ANY_CODEC)
'''
EXAMPLE = Path(__file__).parents[2] / "docs" / "peers" / "udp.pl"
PATIENCE = 60.0


@pytest.fixture(autouse=True)
def here() -> None:
    try:
        check_emulator("netns", shipped("default"))
    except OSError as error:
        pytest.skip(str(error))


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A package with a peer, installed."""
    site = tmp_path / "site"
    info = site / "mine-1.2.dist-info"
    info.mkdir(parents=True)
    (site / "mine.py").write_text(CODE)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text("[glassbench.peers]\nmine = mine:MINE\n")
    monkeypatch.syspath_prepend(site)
    monkeypatch.setattr(PEERS, "_points", None)
    monkeypatch.setattr(PEERS, "_loaded", {})
    yield
    sys.modules.pop("mine", None)


@pytest.mark.usefixtures("package", "no_pictures", "however_busy")
def test_a_stack_of_a_package_is_listed_measured_and_captured(glass: Callable[..., Any]) -> None:
    assert "a datagram for each access unit" in glass("peers").out
    done = glass(
        *("compare", "--live", "--capture", "--duration", "1s", "--loss", "0 %", "--source", "synthetic"),
        *("--arm", "mine:ttl=7"),
    )
    assert done.code == 0, done.err
    (folder,) = Path("results").iterdir()
    (record,) = (record for record in load(folder).run(20).records if record["arm"] == "mine:ttl=7")
    told: Mapping[str, Any] = record["stats"]["peer"]["sender"]
    assert (told["version"], told["settings"]) == ("0.7", {"ttl": 7})
    assert record["outcome"] == "measured"
    (capture,) = folder.rglob("link.pcapng")
    assert capture.stat().st_size > 50_000


@pytest.mark.usefixtures("package", "no_pictures", "however_busy")
def test_a_stack_that_crashes_leaves_its_log_and_the_other_arms_go_on(glass: Callable[..., Any]) -> None:
    glass(
        *("compare", "--live", "--duration", "1s", "--loss", "0 %", "--source", "synthetic"),
        *("--arm", "mine:crash=true", "--arm", "udp"),
    )
    (folder,) = Path("results").iterdir()
    crashed, other = load(folder).run(20).records
    assert crashed["outcome"] == "failed"
    assert crashed["reason"].startswith("the sender of the arm ended with code ")
    log = crashed["stats"]["peer"]["sender"]["log"]
    assert "last words" in log and "Segmentation fault" in log
    assert other["outcome"] == "measured"


def test_nothing_is_left_of_a_stack_when_glass_is_killed(tmp_path: Path) -> None:
    program = tmp_path / f"endpoint-{os.getpid()}.pl"
    shutil.copy(EXAMPLE, program)
    arm = f"external:label=mine,send={program},receive={program}"
    command = [
        *python_command("glassbench.experiments.cli.main"),
        "compare",
        "--live",
        "--duration",
        "20s",
        "--arm",
        arm,
    ]
    started = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL)
    try:
        wait_for(lambda: len(running(program.name)) >= 3, "both programs run")  # glass names them too
    finally:
        started.send_signal(signal.SIGKILL)
        started.wait()
    wait_for(lambda: not running(program.name), "they are gone")


@pytest.mark.long
@pytest.mark.parametrize(("arm", "program"), [("turn", "turnserver"), ("sfu", "janus"), ("rtmp", "nginx: worker")])
def test_no_process_and_no_file_of_a_server_is_left_when_glass_is_killed(
    arm: str, program: str, tmp_path: Path, descendants: Callable[[], dict[int, str]]
) -> None:
    stack = PEERS[arm].load()
    try:
        stack.version()
    except Unsupported as error:
        pytest.skip(str(error))
    files = tmp_path / "files"
    files.mkdir()
    command = [
        *python_command("glassbench.experiments.cli.main"),
        "compare",
        "--live",
        "--duration",
        "20s",
        "--arm",
        arm,
    ]
    environment = {**os.environ, "TMPDIR": str(files)}
    started = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, env=environment)
    try:
        wait_for(lambda: any(program in line for line in descendants().values()), f"{program} runs")
        below = descendants()
    finally:
        started.send_signal(signal.SIGKILL)
        started.wait()
    wait_for(lambda: not [number for number, line in below.items() if line and line == _line_of(number)], "all end")
    assert not list(files.rglob("*"))


def _line_of(number: int) -> str:
    """The command line of a process; empty if it has ended."""
    try:
        return (Path("/proc") / str(number) / "cmdline").read_text()
    except OSError:
        return ""


def running(name: str) -> list[int]:
    """The processes whose command line has that text."""
    processes = []
    for process in Path("/proc").iterdir():
        try:
            if process.name.isdigit() and name in (process / "cmdline").read_text():
                processes.append(int(process.name))
        except OSError:
            continue
    return processes


def wait_for(holds: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end, f"not within {PATIENCE:g} s: {what}"
        time.sleep(0.05)
