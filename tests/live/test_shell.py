"""`glass shell`: other people's programs behind the link, which nests, and of which nothing is left."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from glassbench.netem.live.lab import Lab
from glassbench.netem.live.lab_plan import lan
from glassbench.netem.live.namespaces import NamespacesRefused
from glassbench.netem.live.shell import Shell

ROOT = Path(__file__).parents[2]
GLASS = "import sys; from glassbench.experiments.cli.main import main; sys.exit(main())"

SERVER = """
import socket, sys
udp = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
udp.bind(("::", 4000))
while True:
    data, peer = udp.recvfrom(2000)
    udp.sendto(data, peer)
"""
PROBE = """
import socket, sys, time
host, count = sys.argv[1], int(sys.argv[2])
udp = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
udp.settimeout(0.5)
for attempt in range(100):  # the server may not be there yet
    try:
        udp.sendto(b"first", (host, 4000))
        udp.recv(2000)
        break
    except OSError:
        time.sleep(0.05)
for number in range(count):
    begun = time.monotonic()
    try:
        udp.sendto(bytes(1000), (host, 4000))
        udp.recv(2000)
        print((time.monotonic() - begun) * 1e3)
    except TimeoutError:
        print("lost")
"""

RunShell = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module", autouse=True)
def _namespaces() -> None:
    try:
        with ExitStack() as cleanup:
            Lab(lan({"a": [], "b": []}), cleanup)
    except NamespacesRefused as error:
        pytest.skip(str(error))


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    (tmp_path / "server.py").write_text(SERVER)
    (tmp_path / "probe.py").write_text(PROBE)
    return tmp_path


def shell_command(*arguments: str) -> list[str]:
    return [sys.executable, "-c", GLASS, "shell", *arguments]


@pytest.fixture
def shell(programs: Path) -> RunShell:
    def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            shell_command(*arguments),
            cwd=programs,
            env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    return run


def python(file: str, *arguments: str) -> list[str]:
    return [sys.executable, file, *arguments]


SERVE = f"{sys.executable} server.py"


@pytest.mark.usefixtures("modules_of_the_user")
def test_a_command_has_the_environment_of_the_user_and_no_module_of_the_folder_is_run_before_it() -> None:
    with ExitStack() as cleanup:
        command = Shell(["sh", "-c", 'test "$PYTHONPATH" = "$0"', os.environ["PYTHONPATH"]], cleanup)
        command.start()
        assert command.exit_code() == 0


def test_a_command_may_be_as_long_as_the_kernel_lets_it(capfd: pytest.CaptureFixture[str]) -> None:
    with ExitStack() as cleanup:
        command = Shell(["sh", "-c", "echo $#", "sh", *["x" * 1000] * 1000], cleanup)
        command.start()
        assert command.exit_code() == 0
    assert capfd.readouterr().out == "1000\n"


@pytest.mark.quiet
@pytest.mark.parametrize("host", ["198.18.1.1", "2001:2:0:1::1"])
def test_round_trips_of_a_command_take_the_delay_of_both_ways(shell: RunShell, host: str) -> None:
    done = shell("--delay", "30ms", "--far", SERVE, "--", *python("probe.py", host, "10"))
    assert done.returncode == 0, done.stderr
    trips = [float(line) for line in done.stdout.split()]
    assert len(trips) == 10
    assert min(trips) >= 60
    assert sorted(trips)[5] < 90  # wide: tests share their machine
    passed = re.search(r"to the command: (\d+) of (\d+) packets passed, 0 lost, 0 dropped", done.stderr)
    assert passed is not None and passed[1] == passed[2]
    assert 11 <= int(passed[1]) <= 15  # the probe asks again until there is a server


def test_links_nest_and_their_delays_add_up(shell: RunShell) -> None:
    inner = shell_command("--delay", "20ms", "--", *python("probe.py", "198.18.1.1", "5"))
    done = shell("--delay", "10ms", "--far", SERVE, "--", *inner)
    assert done.returncode == 0, done.stderr
    assert min(float(line) for line in done.stdout.split()) >= 60


def test_the_way_up_may_have_a_trace_of_its_own_and_the_log_has_what_passed(shell: RunShell, programs: Path) -> None:
    log = programs / "passed.csv"
    options = ["--trace", "steps", "--up", "lte-driving", "--loss", "20%", "--seed", "3", "--log", str(log)]
    done = shell(*options, "--far", SERVE, "--", *python("probe.py", "198.18.1.1", "40"))
    assert done.returncode == 0, done.stderr
    assert "lost" in done.stdout
    table = pd.read_csv(log)
    assert set(table["direction"]) == {"down", "up"}
    down, up = (table[table["direction"] == way] for way in ("down", "up"))
    assert down["at"].diff().dropna().round(6).eq(0.1).all()
    assert (down["capacity_bytes"] > 0).any()
    assert not down["capacity_bytes"].head(20).equals(up["capacity_bytes"].head(20))
    assert up["sent_bytes"].sum() >= 40 * 1028


def test_tcp_and_its_big_segments_pass(shell: RunShell, programs: Path) -> None:
    (programs / "bulk.py").write_text(
        "import socket, sys\n"
        "if sys.argv[1] == 'serve':\n"
        "    listener = socket.create_server(('', 4001))\n"
        "    peer, _ = listener.accept()\n"
        "    peer.sendall(bytes(range(250)) * 4000)\n"
        "    sys.exit()\n"
        "import time\n"
        "for attempt in range(100):\n"
        "    try:\n"
        "        peer = socket.create_connection(('198.18.1.1', 4001), timeout=20)\n"
        "        break\n"
        "    except OSError:\n"
        "        time.sleep(0.05)\n"
        "data = b''\n"
        "while more := peer.recv(65536):\n"
        "    data += more\n"
        "print(data == bytes(range(250)) * 4000)\n"
    )
    serve = f"{sys.executable} bulk.py serve"
    done = shell("--rate", "20Mbit/s", "--far", serve, "--", *python("bulk.py", "fetch"))
    assert done.stdout.split() == ["True"], done.stderr


def test_nothing_leads_out_but_the_link(shell: RunShell) -> None:
    done = shell("--", "sh", "-c", "cat /proc/net/dev | cut -d: -f1 | tail -n +3")
    assert set(done.stdout.split()) == {"lo", "glass-near1"}


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (["true"], 0),
        (["sh", "-c", "exit 3"], 3),
        (["sh", "-c", "kill -9 $$"], 137),
        (["no-such-program"], 127),
        (["/"], 126),
    ],
)
def test_the_exit_code_is_that_of_the_command(command: list[str], code: int) -> None:
    with ExitStack() as cleanup:
        started = Shell(command, cleanup)
        started.start()
        assert started.exit_code() == code


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--trace", "no-such-trace", "--", "true"], "trace: no-such-trace"),
        (["--rate", "fast", "--", "true"], "rate: "),
        (["--scenario", "loss", "--delay", "1ms", "--", "true"], "accepted is --scenario, or the options of a link"),
        (["--delay", "1ms"], "Missing argument"),
    ],
)
def test_bad_input_is_one_sentence(glass: Callable[..., Any], arguments: list[str], sentence: str) -> None:
    code, out, err = glass("shell", *arguments)
    assert (code, out) == (2, "")
    assert err.startswith("error: ") and sentence in " ".join(err.split())


def left(mark: str) -> list[str]:
    processes = []
    for process in Path("/proc").iterdir():
        try:
            words = (process / "cmdline").read_bytes().split(b"\0") if process.name.isdigit() else []
        except OSError:
            continue
        if mark.encode() in words:
            processes.append(process.name)
    return processes


@pytest.mark.parametrize("victim", ["glass", "builder", "command"])
def test_whatever_is_killed_the_command_its_children_and_the_server_end_too(programs: Path, victim: str) -> None:
    mark = str(programs)  # an argument of all that is ours
    sleep = f"{sys.executable} -c 'import time; time.sleep(300)' {mark}"
    command = ["sh", "-c", f"{sleep} & setsid {sleep} & wait", mark]
    glass = subprocess.Popen(
        shell_command("--far", f"{sleep} & {sleep}", "--", *command),
        cwd=programs,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        stderr=subprocess.DEVNULL,
    )
    end = time.monotonic() + 60
    while len(left(mark)) < 6 and time.monotonic() < end:  # glass, sh, and four that sleep
        time.sleep(0.05)
    (builder,) = [int(child) for child in Path(f"/proc/{glass.pid}/task/{glass.pid}/children").read_text().split()]
    (first,) = [int(child) for child in Path(f"/proc/{builder}/task/{builder}/children").read_text().split()]
    children = Path(f"/proc/{first}/task/{first}/children").read_text().split()
    os.kill({"glass": glass.pid, "builder": builder, "command": int(children[0])}[victim], signal.SIGKILL)
    glass.wait(30)
    end = time.monotonic() + 30
    ours = [Path(f"/proc/{process}") for process in (builder, first)]
    while (left(mark) or any(process.exists() for process in ours)) and time.monotonic() < end:
        time.sleep(0.05)
    assert left(mark) == [] and not any(process.exists() for process in ours)


def test_an_interrupt_is_for_the_command(programs: Path) -> None:
    trap = "trap 'echo caught; exit 7' INT; echo ready; while true; do sleep 0.1; done"
    glass = subprocess.Popen(
        shell_command("--", "sh", "-c", trap),
        cwd=programs,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        process_group=0,
    )
    assert glass.stdout is not None
    assert glass.stdout.readline() == "ready\n"
    os.killpg(glass.pid, signal.SIGINT)
    out, _ = glass.communicate(timeout=30)
    assert (out, glass.returncode) == ("caught\n", 7)
