"""How a sweep of 504 cells uses two processes, how much memory it takes, and that kill -9 costs nothing but time.

    python benchmarks/sweep_speed.py [--rounds 2] [--seed N] [--duration 4s]

In each round the same sweep runs on one process and then on two. Besides wall time it prints processor time, because
on a busy machine only that tells what the engine itself costs. Memory is what /proc says of the main process and of
its workers, four times a second. Then a sweep on two processes is killed at random moments, all its processes at once,
and started again until it ends. All datasets must be equal byte for byte.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
SAMPLE = 0.25  # seconds between two looks at memory
KILLS = 4
FILES = ("summary.parquet", "ledger.parquet", "links.parquet")


@dataclass
class Measured:
    """One sweep: seconds of wall and processor time, and per process (time, MB) from its start on."""

    wall: float = 0.0
    cpu: float = 0.0
    code: int = 0
    memory: dict[str, list[tuple[float, float]]] = field(default_factory=lambda: defaultdict(list))


def main() -> None:
    """Measure, print, and end with 1 if datasets differ."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--duration", default="4s")
    parser.add_argument("--child", nargs=2, metavar=("FOLDER", "WORKERS"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        sweep(Path(options.child[0]), int(options.child[1]), options.duration)
        return
    with tempfile.TemporaryDirectory() as folder:
        measure(Path(folder), options.rounds, options.seed, options.duration)


def sweep(path: Path, workers: int, duration: str) -> None:
    """504 cells into a folder."""
    from glassbench.experiments import scenario
    from glassbench.experiments.engine.plan import grid
    from glassbench.experiments.engine.plan_run import run_plan

    video = {"source": "lognormal", "bitrate": "3Mbit/s", "deadline": "1s"}
    network = {"rate": "8Mbit/s", "queue": "150kB", "delay": "5ms", "loss": "0%"}
    arms = ["rtp", "srt", "quic-datagram"]
    base = {"name": "speed", "duration": duration, "arms": arms, "video": video, "network": network}
    axes = {"network.delay": ["5ms", "20ms", "50ms"], "network.loss": ["0%", "1%", "3%"]}
    plan = grid("speed", scenario.build(base), axes=axes, seeds=range(1, 15), floor=True, frames=True)
    run_plan(plan, path, workers=workers)


def measure(root: Path, rounds: int, seed: int, duration: str) -> None:
    print(f"504 cells of {duration}; load average at the start {load()}")
    print(f"{'processes':>9} {'wall s':>8} {'processor s':>12} {'load':>6}", flush=True)
    runs: dict[int, list[Measured]] = defaultdict(list)
    folders = []
    for number in range(rounds):
        for workers in (1, 2):
            folder = root / f"{number}-{workers}"
            measured = child(folder, workers, duration)
            assert measured.code == 0
            runs[workers].append(measured)
            folders.append(folder)
            print(f"{workers:9} {measured.wall:8.1f} {measured.cpu:12.1f} {load():>6}", flush=True)
    for number, (one, two) in enumerate(zip(runs[1], runs[2], strict=True)):
        busy = two.cpu / two.wall / 2
        print(
            f"round {number + 1}: speed-up {one.wall / two.wall:.2f}; "
            f"both processors busy {busy:.0%} of the time; processor time {two.cpu / one.cpu:.2f} times that of one"
        )
    print_memory(runs[2][-1])
    folders.append(killed(root / "killed", seed, runs[2][-1].wall, duration))
    wanted = contents(folders[0])
    equal = all(contents(folder) == wanted for folder in folders)
    print(f"{len(folders)} datasets are {'equal byte for byte' if equal else 'DIFFERENT'}")
    sys.exit(not equal)


def child(folder: Path, workers: int, duration: str, *, kill_after: float | None = None) -> Measured:
    """Run the sweep in a process of its own; after `kill_after` seconds all its processes are killed."""
    command = [sys.executable, __file__, "--child", str(folder), str(workers), "--duration", duration]
    started = time.perf_counter()
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    process = subprocess.Popen(command, start_new_session=True, env=environment)
    measured = Measured()
    while True:
        ended, status, usage = os.wait4(process.pid, os.WNOHANG)
        measured.wall = time.perf_counter() - started
        if ended:
            break
        workers_now = children(process.pid)
        for name, pid in (("main", process.pid), *((f"worker {i + 1}", pid) for i, pid in enumerate(workers_now))):
            if megabytes := resident(pid):
                measured.memory[name].append((measured.wall, megabytes))
        if kill_after is not None and measured.wall > kill_after:
            for pid in (process.pid, *workers_now):
                os.kill(pid, signal.SIGKILL)
        time.sleep(SAMPLE)
    process.returncode = os.waitstatus_to_exitcode(status)
    measured.code = process.returncode
    measured.cpu = usage.ru_utime + usage.ru_stime  # with those of its workers, which it has waited for
    return measured


def killed(folder: Path, seed: int, wall: float, duration: str) -> Path:
    """Kill a sweep some times, each after a random part of what an undisturbed one takes; then let it end."""
    rng = np.random.default_rng(seed)
    for _ in range(KILLS):
        after = float(rng.uniform(0.02, 0.3)) * wall
        code = child(folder, 2, duration, kill_after=after).code
        kept = len(list((folder / "cells").glob("*/arm.json"))) if (folder / "cells").is_dir() else 0
        print(f"seed {seed}: kill -9 after {after:.1f} s: exit code {code}, {kept} cells kept", flush=True)
    assert child(folder, 2, duration).code == 0
    return folder


def print_memory(measured: Measured) -> None:
    """MB at a quarter, at half, and at the end, and the peak, of each process."""
    print(f"{'memory':>9} {'25 %':>8} {'50 %':>8} {'75 %':>8} {'end':>8} {'peak MB':>8}")
    for name, samples in measured.memory.items():
        at = [samples[int(share * (len(samples) - 1))][1] for share in (0.25, 0.5, 0.75, 1.0)]
        print(f"{name:>9} " + " ".join(f"{value:8.0f}" for value in (*at, max(value for _, value in samples))))


def contents(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in FILES} | {
        "all": " ".join(sorted(path.name for path in folder.iterdir())).encode()
    }


def children(pid: int) -> list[int]:
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        return [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except OSError:
        return []


def resident(pid: int) -> float:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
    except OSError:
        return 0.0


def load() -> str:
    return Path("/proc/loadavg").read_text().split()[0]


if __name__ == "__main__":
    main()
