"""Everything live works for an ordinary user: without root, without any capability."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NOBODY = 65534
MAIN = (
    "import sys; import experiments.live.arm as arm; arm.MOST_LATE_MS = 1e6; "  # tests share their machine
    "from experiments.cli.main import main; sys.exit(main())"
)

Glass = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def glass(tmp_path: Path) -> Iterator[Glass]:
    """Run `glass` as an ordinary user: who runs the tests, or, if that is root, nobody."""
    prefix: list[str] = []
    folder = tmp_path
    if os.geteuid() == 0:
        if shutil.which("setpriv") is None:
            pytest.skip("no setpriv here, which drops the rights of root: apt install util-linux")
        ids = [f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
        prefix = ["setpriv", *ids, "--bounding-set=-all", "--inh-caps=-all"]
        folder = Path("/tmp") / f"glass-nobody-{os.getpid()}"
        folder.mkdir()
        os.chown(folder, NOBODY, NOBODY)
    packages = sysconfig.get_paths()["purelib"]
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "PYTHONPATH": os.pathsep.join((str(ROOT), packages)),
    }

    def run(python: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [*prefix, python, *arguments],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=250,
        )

    # Root's own Python may lie where nobody else may look.
    check = "import experiments.live.arm, subprocess, sys; subprocess.run([sys.executable, '-c', ''], check=True)"
    candidates = [sys.executable, f"/usr/bin/python{sys.version_info[0]}.{sys.version_info[1]}"]
    usable = [python for python in candidates if run(python, "-c", check).returncode == 0]
    if not usable:
        pytest.skip(f"an ordinary user may run none of {', '.join(candidates)}, or not read this folder")
    yield lambda *arguments: run(usable[0], "-c", MAIN, *arguments)
    if folder != tmp_path:
        left = [name.name for name in folder.iterdir() if name.name not in ("results", ".cache", ".config")]
        shutil.rmtree(folder)
        assert left == []


def needs_namespaces(done: "subprocess.CompletedProcess[str]") -> None:
    if "refuses network namespaces" in done.stderr:
        pytest.skip(" ".join(done.stderr.split()))


def test_arms_are_measured_between_namespaces(glass: Glass) -> None:
    options = ["--arm", "rtp", "--arm", "quic-datagram", "--duration", "1s", "--json"]
    done = glass("compare", "--live", *options)
    needs_namespaces(done)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert [arm["outcome"] for arm in found["arms"]] == ["measured", "measured"]
    assert all(arm["displayed"] > 5 for arm in found["arms"])


def test_a_command_behind_a_link_keeps_its_user_and_may_capture_and_nest(glass: Glass) -> None:
    code = "import os, socket; socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0); print(os.getuid())"
    inner = f"{sys.executable if os.geteuid() else '/usr/bin/python3'}"
    done = glass("shell", "--delay", "5ms", "--", inner, "-c", code)
    needs_namespaces(done)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [str(os.geteuid() or NOBODY)]
