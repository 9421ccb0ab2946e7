"""Everything live works for an ordinary user, without root and without any capability, and nothing is left of it."""

import json
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from glassbench import load

ROOT = Path(__file__).parents[2]
NOBODY = 65534
PATIENCE = 120.0
MAIN = (
    "import sys; import glassbench.experiments.worlds.live.arm as arm; "
    "arm.MOST_LATE_MS = arm.LONGEST_PAUSE = arm.MOST_PAUSED = 1e6; "  # tests share their machine
    "from glassbench.experiments.cli.main import main; sys.exit(main())"
)
# What a live run takes. It ends badly if this user may not run this Python or not read this folder: root's own may lie
# where nobody else may look.
PROBE = """
import subprocess, sys
from contextlib import ExitStack
import glassbench.experiments.worlds.live.arm
from glassbench.netem.live.lab import Lab
from glassbench.netem.live.lab_plan import lan
from glassbench.netem.live.namespaces import NamespacesRefused
subprocess.run([sys.executable, "-c", ""], check=True)
try:
    with ExitStack() as cleanup:
        Lab(lan({"sender": [], "receiver": []}), cleanup)
except NamespacesRefused as error:
    print(error)
"""


class User:
    """Runs programs as an ordinary user: who runs the tests, or, if that is root, nobody."""

    def __init__(self, folder: Path) -> None:
        self._prefix: list[str] = []
        self.folder = folder
        if os.geteuid() == 0:
            if shutil.which("setpriv") is None:
                pytest.skip("no setpriv here, which drops the rights of root: apt install util-linux")
            ids = [f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
            self._prefix = ["setpriv", *ids, "--bounding-set=-all", "--inh-caps=-all"]
            self.folder = Path("/tmp") / f"glass-nobody-{os.getpid()}"
            self.folder.mkdir()
            os.chown(self.folder, NOBODY, NOBODY)
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "TMPDIR": str(self.folder),
            "PYTHONPATH": os.pathsep.join((str(ROOT / "src"), sysconfig.get_paths()["purelib"])),
        }
        candidates = [sys.executable, f"/usr/bin/python{sys.version_info[0]}.{sys.version_info[1]}"]
        for python in candidates:
            probed = ended(self._start(python, "-c", PROBE))
            if probed.stdout:
                self._skip(" ".join(probed.stdout.split()))
            if probed.returncode == 0:
                self._python = python
                return
        self._skip(f"an ordinary user may run none of {', '.join(candidates)}, or not read this folder")

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        """A process of `glass`."""
        return self._start(self._python, "-c", MAIN, *arguments)

    def parts(self) -> list[int]:
        """The processes of a live arm of this user, in the order in which they were started."""
        processes = []
        for process in Path("/proc").iterdir():
            try:
                command = (process / "cmdline").read_bytes() if process.name.isdigit() else b""
                mine = str(self.folder).encode() in (process / "environ").read_bytes() if command else False
            except OSError:
                continue
            if b"glassbench.experiments.worlds.live.part" in command and mine:
                processes.append(int(process.name))
        return sorted(processes)

    def three_parts(self) -> list[int]:
        """The same, once there are three."""
        return parts if len(parts := self.parts()) == 3 else []

    def _skip(self, reason: str) -> None:
        if self._prefix:
            shutil.rmtree(self.folder)
        pytest.skip(reason)

    def _start(self, *command: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [*self._prefix, *command],
            cwd=self.folder,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


@pytest.fixture
def user(tmp_path: Path, wait_for: Callable[..., Any]) -> Iterator[User]:
    made = User(tmp_path)
    yield made
    wait_for(lambda: not made.parts())
    if made.folder != tmp_path:
        left = [name.name for name in made.folder.iterdir() if name.name not in ("results", ".cache", ".config")]
        shutil.rmtree(made.folder)
        assert left == []


def ended(process: "subprocess.Popen[str]") -> "subprocess.CompletedProcess[str]":
    out, err = process.communicate(timeout=PATIENCE)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def test_a_command_behind_a_link_keeps_its_user_and_may_capture_and_nest(user: User) -> None:
    code = "import os, socket; socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0); print(os.getuid())"
    inner = f"{sys.executable if os.geteuid() else '/usr/bin/python3'}"
    done = ended(user.start("shell", "--delay", "5ms", "--", inner, "-c", code))
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [str(os.geteuid() or NOBODY)]


def test_an_arm_whose_part_is_killed_fails_and_the_next_ones_are_measured(
    user: User, wait_for: Callable[..., Any]
) -> None:
    arms = ("udp", "srt", "webtransport-datagram", "quic-datagram")
    named = [word for arm in arms for word in ("--arm", arm)]
    process = user.start("compare", "--live", "--source", "lognormal", *named, "--duration", "1s", "--json")
    for which in range(3):
        parts = wait_for(user.three_parts)
        time.sleep(2 * which)  # before they are ready, and in the middle
        os.kill(parts[which], signal.SIGKILL)
        wait_for(lambda killed=parts: not set(killed) & set(user.parts()))
    done = ended(process)
    assert done.returncode == 1, done.stderr
    by_arm = {arm["arm"]: arm for arm in json.loads(done.stdout)["arms"]}
    for arm, role in zip(arms, ("emulator", "receiver", "sender"), strict=False):
        assert by_arm[arm]["outcome"] == "failed"
        assert f"the {role} of the arm ended with code -9" in by_arm[arm]["reason"]
    for arm in arms[3:]:
        assert by_arm[arm]["outcome"] == "measured"
        assert by_arm[arm]["displayed"] > 5


@pytest.mark.parametrize(
    ("sent", "code"), [pytest.param(signal.SIGINT, 130, marks=pytest.mark.quiet), (signal.SIGKILL, -9)]
)
def test_ctrl_c_and_kill_of_the_command_leave_no_process(
    user: User, sent: signal.Signals, code: int, wait_for: Callable[..., Any]
) -> None:
    process = user.start("compare", "--live", "--source", "lognormal", "--arm", "udp", "--duration", "10min", "--json")
    wait_for(user.three_parts)
    if sent == signal.SIGINT:
        time.sleep(9)  # until they are ready, and some frames have been shown
    process.send_signal(sent)
    done = ended(process)
    assert done.returncode == code
    wait_for(lambda: not user.parts())
    if sent == signal.SIGINT:
        assert done.stderr.startswith("error: interrupted")
        assert json.loads(done.stdout)["arms"][0]["outcome"] == "incomplete"
        (folder,) = (user.folder / "results").iterdir()
        assert len(load(folder).ledger) > 0
