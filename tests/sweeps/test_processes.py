"""glass sweep as real processes: killed, interrupted, on workers that die, on a cluster that loses a worker."""

import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from glassbench.experiments.engine.cluster import ClusterError, on_cluster
from glassbench.experiments.engine.jobs import Job
from glassbench.experiments.scenario import shipped

ROOT = Path(__file__).parents[2]
GLASS = "import sys; from glassbench.experiments.cli.main import main; sys.exit(main())"
PATIENCE = 120.0

SWEEP = """\
name = "tiny"
scenario = "loss"
arms = ["rtp", "quic-datagram"]
seeds = 3
frames = true
[grid]
duration = ["900ms"]
video.source = ["lognormal"]
network.delay = ["5ms", "25ms", "50ms"]
"""
CELLS = 27

Start = Callable[..., "subprocess.Popen[str]"]
ReadFolder = Callable[[Path], dict[str, bytes]]


@pytest.fixture
def start(tmp_path: Path, here: Path) -> Iterator[Start]:
    """Start a Python program in a session of its own; it and its children end with the test."""
    processes: list[subprocess.Popen[str]] = []
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    environment |= {"DASK_LOCAL_DIRECTORY": str(tmp_path / "dask"), "DASK_CONFIG": str(tmp_path / "dask-config")}
    (here / "s.toml").write_text(SWEEP)

    def run(program: str, *arguments: str, **options: Any) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, "-c", program, *arguments],
            **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "env": environment, **options},
            cwd=here,
            text=True,
            start_new_session=True,
        )
        processes.append(process)
        return process

    yield run
    for process in reversed(processes):
        for pid in (*descendants(process.pid), process.pid):
            if process.poll() is None or pid != process.pid:
                kill(pid)
        process.communicate()


def kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def descendants(pid: int) -> list[int]:
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        children = [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except OSError:
        return []
    return [one for child in children for one in (child, *descendants(child))]


def kept(folder: Path) -> set[str]:
    return {path.parent.name for path in (folder / "cells").glob("*/arm.json")}


def ended(process: "subprocess.Popen[str]") -> tuple[int, str, str]:
    out, err = process.communicate(timeout=PATIENCE)
    return process.returncode, out, err


@pytest.fixture(scope="session")
def wanted(made_once: Callable[..., Path]) -> dict[str, bytes]:
    """The dataset of an undisturbed run on one process."""
    folder = made_once("undisturbed", undisturbed) / "results/tiny"
    return tables({str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()})


def undisturbed(root: Path) -> None:
    root.mkdir()
    (root / "s.toml").write_text(SWEEP)
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "XDG_CACHE_HOME": str(root / "cache")}
    command = [sys.executable, "-c", GLASS, "sweep", "s.toml", "--workers", "1"]
    done = subprocess.run(
        command, check=False, cwd=root, env=environment, capture_output=True, text=True, timeout=PATIENCE
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert f"results: results/tiny (complete, {CELLS} cells)" in done.stdout


def tables(files: dict[str, bytes]) -> dict[str, bytes]:
    """All files of a dataset, the manifest without the command line and the date."""
    manifest = json.loads(files["manifest.json"])
    return {**files, "manifest.json": json.dumps({**manifest, "command": None, "date": None}).encode()}


@pytest.mark.long
def test_a_sweep_that_is_killed_again_and_again_ends_with_the_same_bytes(
    start: Start,
    read_folder: ReadFolder,
    here: Path,
    wanted: dict[str, bytes],
    wait_for: Callable[..., Any],
) -> None:
    seed = int(time.time())
    print(f"seed {seed}")
    rng = np.random.default_rng(seed)
    folder = here / "results/tiny"
    before: dict[str, int] = {}
    for _ in range(4):
        process = start(GLASS, "sweep", "s.toml", "--workers", "2")
        wait_for((folder / "manifest.json").exists)
        time.sleep(float(rng.uniform(0.0, 2.5)))
        pids = descendants(process.pid)
        os.killpg(process.pid, signal.SIGKILL)
        for pid in pids if rng.random() < 0.5 else []:  # else the workers see that nobody is there any more
            kill(pid)
        process.communicate(timeout=PATIENCE)
        for cell, written_at in before.items():
            file = folder / "cells" / cell / "arm.json"
            if file.exists():
                assert file.stat().st_mtime_ns == written_at, f"cell {cell} ran twice"
        before = {cell: (folder / "cells" / cell / "arm.json").stat().st_mtime_ns for cell in kept(folder)}
    code, out, err = ended(start(GLASS, "sweep", "s.toml", "--workers", "2", "--json"))
    assert (code, err) == (0, "")
    assert json.loads(out)["cells"] == {"measured": CELLS}
    assert tables(read_folder(folder)) == wanted


@pytest.mark.lengthy
def test_an_interrupt_says_what_is_kept_and_a_dead_worker_costs_nothing(
    start: Start,
    read_folder: ReadFolder,
    here: Path,
    wanted: dict[str, bytes],
    wait_for: Callable[..., Any],
) -> None:
    folder = here / "results/tiny"
    process = start(GLASS, "sweep", "s.toml", "--workers", "2")
    wait_for(lambda: len(kept(folder)) >= 3)
    os.kill(descendants(process.pid)[0], signal.SIGKILL)
    wait_for(lambda: len(kept(folder)) >= 8)
    os.killpg(process.pid, signal.SIGINT)
    code, out, err = ended(process)
    assert (code, out) == (130, "")
    (said,) = re.findall(
        rf"^error: interrupted; (\d+) of {CELLS} cells are kept in results/tiny, the same command goes on\n$", err
    )
    assert int(said) == len(kept(folder)) < CELLS
    assert ended(start(GLASS, "sweep", "s.toml", "--workers", "2"))[0] == 0
    assert tables(read_folder(folder)) == wanted


# On a cluster: a scheduler and workers as processes of their own, which listen on the loopback interface only.

DASK = "import sys; from dask.__main__ import main; sys.argv[0] = 'dask'; main()"
SILENT = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


class Scheduler(NamedTuple):
    address: str
    process: "subprocess.Popen[str]"


@pytest.fixture
def scheduler(start: Start, here: Path, wait_for: Callable[..., Any]) -> Scheduler:
    pytest.importorskip("distributed")
    options = ("scheduler", "--host", "127.0.0.1", "--port", "0", "--dashboard-address", "127.0.0.1:0")
    process = start(DASK, *options, "--scheduler-file", "scheduler.json", **SILENT)
    wait_for(lambda: (here / "scheduler.json").exists() and (here / "scheduler.json").read_text().endswith("}"))
    return Scheduler(str(json.loads((here / "scheduler.json").read_text())["address"]), process)


def start_worker(start: Start, address: str, program: str = DASK) -> "subprocess.Popen[str]":
    options = ("--host", "127.0.0.1", "--nthreads", "1", "--no-nanny", "--dashboard-address", "127.0.0.1:0")
    return start(program, "worker", address, *options, **SILENT)


@pytest.mark.lengthy
def test_a_cluster_that_loses_a_worker_gives_the_same_bytes(
    start: Start,
    read_folder: ReadFolder,
    here: Path,
    wanted: dict[str, bytes],
    scheduler: Scheduler,
    wait_for: Callable[..., Any],
) -> None:
    workers = [start_worker(start, scheduler.address) for _ in range(2)]
    folder = here / "results/tiny"
    process = start(GLASS, "sweep", "s.toml", "--cluster", scheduler.address)
    wait_for(lambda: len(kept(folder)) >= 5)
    workers[0].kill()
    code, out, err = ended(process)
    assert (code, err) == (0, "")
    assert f"(complete, {CELLS} cells)" in out
    assert tables(read_folder(folder)) == wanted


@pytest.mark.lengthy
def test_an_interrupt_frees_the_cluster_and_the_sweep_is_completed_here(
    start: Start,
    read_folder: ReadFolder,
    here: Path,
    wanted: dict[str, bytes],
    scheduler: Scheduler,
    wait_for: Callable[..., Any],
) -> None:
    start_worker(start, scheduler.address)
    folder = here / "results/tiny"
    process = start(GLASS, "sweep", "s.toml", "--cluster", scheduler.address)
    wait_for(lambda: len(kept(folder)) >= 3)
    os.killpg(process.pid, signal.SIGINT)
    code, _, err = ended(process)
    assert code == 130
    assert f"error: interrupted; {len(kept(folder))} of {CELLS} cells are kept in results/tiny" in err
    from distributed import Client

    with Client(scheduler.address, set_as_default=False) as client:
        wait_for(lambda: not any(client.processing().values()))
    assert ended(start(GLASS, "sweep", "s.toml", "--workers", "2"))[0] == 0
    assert tables(read_folder(folder)) == wanted


@pytest.mark.lengthy
def test_a_worker_of_another_version_is_refused(start: Start, scheduler: Scheduler) -> None:
    other = f"import glassbench.experiments.results.versions as v\nv._source_digest = lambda: 'other'\n{DASK}"
    start_worker(start, scheduler.address, other)
    code, out, err = ended(start(GLASS, "sweep", "s.toml", "--cluster", scheduler.address))
    assert (code, out) == (2, "")
    assert re.fullmatch(
        rf"error: a worker of the cluster at {scheduler.address} has source other instead of [0-9a-f]{{16}}; "
        r"results of both would be no dataset: install the same on every worker\n",
        err,
    )


@pytest.mark.lengthy
def test_a_scheduler_that_dies_ends_the_sweep_with_one_sentence(
    start: Start, here: Path, scheduler: Scheduler, wait_for: Callable[..., Any]
) -> None:
    worker = start_worker(start, scheduler.address)
    process = start(GLASS, "sweep", "s.toml", "--cluster", scheduler.address)
    wait_for(lambda: len(kept(here / "results/tiny")) >= 2)
    scheduler.process.kill()
    code, out, err = ended(process)
    assert (code, out) == (2, "")
    assert err == (
        f"error: the scheduler at {scheduler.address} is gone; finished cells are kept, and the same command goes on\n"
    )
    worker.kill()


@pytest.mark.lengthy
def test_a_cluster_that_is_none_is_one_sentence_within_bounded_time(start: Start, scheduler: Scheduler) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:  # takes connections and says nothing
        port = mute.getsockname()[1]
        silent = start(GLASS, "sweep", "s.toml", "--cluster", f"tcp://127.0.0.1:{port}")
        nonsense = start(GLASS, "sweep", "s.toml", "--results", "third", "--cluster", "what://is this")
        empty = start(GLASS, "sweep", "s.toml", "--results", "other", "--cluster", scheduler.address)
        ends = [ended(process) for process in (silent, nonsense, empty)]
    assert [(code, out) for code, out, _ in ends] == [(2, "")] * 3
    for _, _, err in ends:
        assert err.startswith("error: ") and err.count("\n") == 1
    assert f"no Dask scheduler answers at 'tcp://127.0.0.1:{port}' within 10 s" in ends[0][2]
    assert f"the scheduler at {scheduler.address} has no workers; one is started by" in ends[2][2]


GREETINGS = {
    "HTTP": b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n" + b"x" * 100,
    "SSH": b"SSH-2.0-OpenSSH_9.2\r\n",
    "ones": b"\xff" * 64,
    "an empty message": struct.pack("<Q", 0) * 3,
    "a message that is none": struct.pack("<QQQ", 24, 1, 8) + b"garbage!",
}


@pytest.mark.parametrize("greeting", GREETINGS.values(), ids=GREETINGS)
def test_a_service_that_is_no_scheduler_is_one_sentence(greeting: bytes) -> None:
    def greet() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.sendall(greeting)
            connection.settimeout(20)
            with suppress(OSError):
                connection.recv(1)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"tcp://127.0.0.1:{listener.getsockname()[1]}"
        thread = threading.Thread(target=greet)
        thread.start()
        with pytest.raises(
            ClusterError, match=rf"^no Dask scheduler answers at '{address}' within 10 s \(.+\); one is"
        ):
            on_cluster(address)([_job()], lambda job, done: None, lambda job, share: None)
        thread.join()


def _job() -> Job:
    """A job that nobody runs."""
    scenario = shipped("loss")
    return Job("0", "udp", scenario, scenario.arms[0].label, Path("nowhere"))
