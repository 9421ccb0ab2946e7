"""A long live run: whether memory stays flat, and whether the ledger stays closed.

    python benchmarks/long_live_run.py --minutes 20 --arm quic-datagram

6 Mbit/s at 30 fps over 12 Mbit/s and 20 ms, real pictures, their quality not measured. Every 30 seconds it prints the
memory of each part; at the end the fates of all frames, and by how much the stages of a displayed frame are off their
sum at most.
"""

import argparse
import threading
import time
from pathlib import Path

import numpy as np

from glassbench.experiments.account.ledger import STAGES
from glassbench.experiments.scenario import build
from glassbench.experiments.worlds.live.arm import run_arm as run_arm_live

EVERY = 30.0  # seconds
PART = b"glassbench.experiments.worlds.live.part"


def memory() -> dict[str, int]:
    """Resident megabytes by process id, of the parts of this process."""
    megabytes = {}
    for process in Path("/proc").iterdir():
        try:
            if process.name.isdigit() and PART in (process / "cmdline").read_bytes():
                pages = int((process / "statm").read_text().split()[1])
                megabytes[process.name] = pages * 4096 // 2**20
        except OSError:
            continue
    return megabytes


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--arm", default="quic-datagram")
    parser.add_argument("--source", default="synthetic")
    options = parser.parse_args()
    video = {"source": options.source, "bitrate": "6Mbit/s", "keyframe_interval": 100, "deadline": "1s"}
    if options.source == "synthetic":
        video |= {"width": 640, "height": 360, "fps": 30.0}
    network = {"rate": "12Mbit/s", "queue": "300kB", "delay": "20ms"}
    scenario = build(
        {
            "name": "long",
            "duration": f"{options.minutes * 60:g}s",
            "arms": [options.arm],
            "video": video,
            "network": network,
        }
    )
    over = threading.Event()
    begun = time.monotonic()

    def watch() -> None:
        while not over.wait(EVERY):
            print(f"{time.monotonic() - begun:6.0f} s: MB {memory()}", flush=True)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        result = run_arm_live(scenario, scenario.arms[0], None)
    finally:
        over.set()
        watcher.join()
    print(result.outcome, result.reason, result.stats["live"])
    assert result.ledger is not None
    frames = result.ledger
    print(frames["fate"].value_counts().to_dict(), f"of {round(options.minutes * 60 * 30)}")
    shown = frames[frames["fate"] == "displayed"]
    stages = sum(shown[end] - shown[start] for start, end in STAGES.values())
    off = np.abs(stages - (shown["displayed_at"] - shown["captured_at"])).max()
    latency = (shown["displayed_at"] - shown["captured_at"]) * 1e3
    print(f"stages are off their sum by {off * 1e6:.3f} us at most")
    for part in np.array_split(latency, 4):
        print(f"quarter: p50 {np.percentile(part, 50):.2f} ms, p95 {np.percentile(part, 95):.2f} ms")


if __name__ == "__main__":
    main()
