"""How many seconds of media a CPU second simulates: both ends, the network and the ledger, an arm a process.

    python benchmarks/virtual_speed.py                    each arm without a codec, at 4 Mbit/s and 30 fps
    python benchmarks/virtual_speed.py --source bikes     with the real codec, its encodes cached
    python benchmarks/virtual_speed.py --profile ARM      where the time of one arm goes, by room and library

A row is the median of several processes, from their start to their end: user and system time as the operating system
counts them, imports included.
"""

import argparse
import cProfile
import os
import pstats
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

ARMS = (
    "udp",
    "rtp",
    "srt",
    "quic-datagram",
    "quic-stream",
    "quic-stream-per-frame",
    "quic-stream-per-gop",
    "webtransport-datagram",
    "webtransport-stream-per-frame",
    "quic-stream:stack=stock,control=cubic",
)
ROOMS = ("transport", "sender", "receiver", "netem", "experiments", "aioquic", "pandas", "numpy", "av", "pyarrow")


def main() -> None:
    """Print the table, or the profile of one arm."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", default="lognormal", help="lognormal (no codec) or a clip")
    parser.add_argument("--duration", type=float, default=600.0, help="seconds of media in a process")
    parser.add_argument("--repeat", type=int, default=3, help="processes an arm")
    parser.add_argument("--arm", action="append", choices=ARMS, help="only these arms")
    parser.add_argument("--profile", metavar="ARM", choices=ARMS)
    parser.add_argument("--child", metavar="ARM", choices=ARMS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        simulate(arguments.child, arguments.source, arguments.duration)
    elif arguments.profile:
        profile(arguments.profile, arguments.source, arguments.duration)
    else:
        table(arguments.arm or ARMS, arguments.source, arguments.duration, arguments.repeat)


def table(arms: tuple[str, ...] | list[str], source: str, duration: float, repeat: int) -> None:
    """Media seconds per CPU second of whole processes, one row per arm."""
    print(f"{duration:g} s of media, 4 Mbit/s at 30 fps, source {source}: median of {repeat} processes (min to max)")
    print(f"{'arm':34} {'CPU s':>7} {'media s per CPU s':>24}")
    for arm in arms:
        cpu_seconds(arm, source, duration)  # not counted: it fills the encode cache
        cpu = [cpu_seconds(arm, source, duration) for _ in range(repeat)]
        speeds = sorted(duration / each for each in cpu)
        spread = f"({speeds[0]:.1f} to {speeds[-1]:.1f})"
        print(f"{arm:34} {statistics.median(cpu):7.2f} {statistics.median(speeds):9.1f} {spread:>18}", flush=True)


def cpu_seconds(arm: str, source: str, duration: float) -> float:
    """User and system time of one process that simulates an arm."""
    command = [sys.executable, __file__, "--child", arm, "--source", source, "--duration", str(duration)]
    process = subprocess.Popen(command)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{arm}: the process ended with exit code {process.returncode}")
    return usage.ru_utime + usage.ru_stime


def simulate(arm: str, source: str, duration: float) -> None:
    """Run one arm over a link that is wide enough, with 1 % of loss episodes."""
    from glassbench.experiments import scenario
    from glassbench.experiments.worlds.reuse import Reuse
    from glassbench.experiments.worlds.virtual import run_arm
    from glassbench.receiver.quality import QualityMemo
    from glassbench.sender.encode_cache import EncodeCache

    video: dict[str, object] = {"source": source, "bitrate": "4Mbit/s", "fps": 30, "deadline": "1s"}
    plan = scenario.build(
        {
            "name": "speed",
            "duration": f"{duration}s",
            "arms": [arm],
            "video": video,
            "network": {"rate": "12Mbit/s", "delay": "20ms", "queue": "300kB", "loss": "1%", "loss_duration": "20ms"},
        }
    )
    with EncodeCache(Path(tempfile.gettempdir()) / "glassbench-benchmark-cache") as cache:
        result = run_arm(plan, plan.arms[0], Reuse(cache, QualityMemo()), quality=False)
    assert result.outcome == "measured", result.reason


def profile(arm: str, source: str, duration: float) -> None:
    """Own time of one arm by room of the project and by library."""
    profiler = cProfile.Profile()
    profiler.runcall(simulate, arm, source, duration)
    spent: defaultdict[str, float] = defaultdict(float)
    functions: list[tuple[float, str]] = []
    for (file, line, name), (_, _, own, _, _) in pstats.Stats(profiler).stats.items():  # type: ignore[attr-defined]
        parts = Path(file).parts
        room = next((part for part in parts if part in ROOMS), "Python and compiled code")
        spent[room] += own
        functions.append((own, f"{'/'.join(parts[-2:])}:{line} {name}"))
    total = sum(spent.values())
    for room, own in sorted(spent.items(), key=lambda item: -item[1]):
        print(f"{own / total:6.1%}  {room}")
    print()
    for own, name in sorted(functions, reverse=True)[:25]:
        print(f"{own / total:6.1%}  {name}")


if __name__ == "__main__":
    main()
