"""Google Congestion Control, ours beside libwebrtc's: target rate, queue of the bottleneck and display latency, live.

    python benchmarks/gcc_and_libwebrtc.py                  # every case, three runs each, about a quarter of an hour
    python benchmarks/gcc_and_libwebrtc.py --virtual        # ours in virtual time, with VP8 as libwebrtc encodes it
    python benchmarks/gcc_and_libwebrtc.py --case step --runs 1 --arm libwebrtc

All encode the same clip, have the same ceiling and the same link; the first five seconds are left out. The target is
the mean over time of what the sender's controller believes (the table `estimates`). The queueing delay is how long the
largest backlog of each 100 ms takes to drain. All figures are medians over the runs.

libwebrtc encodes VP8, and its encoder takes another rate for each frame. Of FFmpeg's encoders x264 alone does, so ours
live is H.264 (`--codec vp8`: our ladder of encoders); with `--virtual` it is VP8 by libvpx itself (`libvpx.py`).
"""

import argparse
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from libvpx import LibvpxEncoder

from glassbench.experiments.scenario import build
from glassbench.experiments.scenario.tracks import VIDEO_TRACK
from glassbench.experiments.worlds import virtual
from glassbench.experiments.worlds.live.arm import run_arm
from glassbench.experiments.worlds.reuse import Reuse
from glassbench.receiver.quality import QualityMemo
from glassbench.sender.encode_cache import EncodeCache

OURS, THEIRS = "rtp:control=gcc,feedback=twcc,burst=0.04", "libwebrtc"
LIBVPX = "libvpx"  # a codec of virtual time
LEFT_OUT = 5.0  # seconds
CEILING = "3Mbit/s"
STEP = "0 2\n15 0.8\n30 2\n45 2\n"  # seconds and Mbit/s
INTERVAL = 0.1  # of the tables
MOST_RATE, MOST_QUEUE, MOST_QUEUE_MS = 0.15, 0.2, 5.0  # by how much they may differ


class Case(NamedTuple):
    """A network, as a scenario writes it, and how long the run takes, in seconds."""

    network: Mapping[str, Any]
    duration: float


class Measured(NamedTuple):
    """Of one run, or medians of several: bit/s, ms, ms, ms, bit/s on the wire, share of frames."""

    target: float
    queue_p95: float
    shown_p50: float
    shown_p95: float
    sent: float
    shown: float


def cases(folder: Path) -> dict[str, Case]:
    step = folder / "step.txt"
    step.write_text(STEP)
    same = {"delay": "20ms", "queue": "150kB"}
    return {
        "constant": Case({"rate": "2Mbit/s", **same}, 30.0),
        "step": Case({"trace": str(step), "trace_start": "0s", **same}, 45.0),
        "lte": Case({"trace": "lte-driving", "queue": "600kB"}, 45.0),
    }


def measure(case: Case, arm: str, seed: int, codec: str) -> Measured:
    name = "vp8" if codec == LIBVPX else codec
    scenario = build(
        {
            "name": "gcc",
            "seed": seed,
            "duration": f"{case.duration:g}s",
            "arms": [arm],
            "video": {"source": "bikes", "bitrate": CEILING, "max_bitrate": CEILING, "codec": name},
            "network": dict(case.network),
        }
    )
    if codec == LIBVPX:
        virtual.CachedEncoder = LibvpxEncoder  # type: ignore[misc, assignment]
        result = virtual.run_arm(scenario, scenario.arms[0], Reuse(EncodeCache(None), QualityMemo()), quality=False)
    else:
        result = run_arm(scenario, scenario.arms[0], None)
    if result.ledger is None or result.links is None or result.estimates is None:
        raise SystemExit(f"{arm}: {result.outcome}, {result.reason}")
    frames = result.ledger[(result.ledger["track"] == VIDEO_TRACK) & (result.ledger["captured_at"] >= LEFT_OUT)]
    delays = (frames["displayed_at"] - frames["captured_at"]).fillna(np.inf).to_numpy() * 1e3
    link = result.links[(result.links["direction"] == "down") & (result.links["at"] >= LEFT_OUT)]
    return Measured(
        target=mean_over_time(result.estimates, case.duration),
        queue_p95=float(np.percentile(queueing_delays(link), 95)),
        shown_p50=float(np.percentile(delays, 50, method="higher")),
        shown_p95=float(np.percentile(delays, 95, method="higher")),
        sent=float(link["sent_bytes"].sum()) * 8 / (case.duration - LEFT_OUT),
        shown=float((frames["fate"] == "displayed").mean()),
    )


def mean_over_time(estimates: pd.DataFrame, until: float) -> float:
    """The mean target, which holds until the next one."""
    at = np.arange(LEFT_OUT, until, INTERVAL)
    index = np.searchsorted(estimates["at"].to_numpy(dtype=float), at, side="right") - 1
    return float(estimates["target_bps"].to_numpy(dtype=float)[np.maximum(index, 0)].mean())


def queueing_delays(link: pd.DataFrame) -> np.ndarray:
    """How long the largest backlog of each interval takes to drain, in ms, by what the link carries from then on."""
    capacity = link["capacity_bytes"].to_numpy(dtype=float)
    at = np.arange(len(capacity) + 1) * INTERVAL
    carried = np.concatenate([[0.0], np.cumsum(capacity)])
    middle = at[:-1] + INTERVAL / 2
    goal = np.interp(middle, at, carried) + link["backlog_bytes"].to_numpy(dtype=float)
    return (np.interp(goal, carried + 1e-6 * at, at) - middle) * 1e3


def line(name: str, arm: str, measured: Measured) -> str:
    return (
        f"{name:10} {arm:32} {measured.target / 1e6:7.3f} {measured.queue_p95:8.1f} {measured.shown_p50:8.1f} "
        f"{measured.shown_p95:8.1f} {measured.sent / 1e6:7.3f} {measured.shown:6.1%}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--case", choices=("constant", "step", "lte"), help="one of the cases; all without it")
    parser.add_argument("--runs", type=int, default=3, help="of each arm over each link, with other seeds (default 3)")
    parser.add_argument("--arm", action="append", help=f"in place of {OURS} and {THEIRS}")
    parser.add_argument("--codec", default="h264", help="of ours (default h264); libwebrtc encodes VP8")
    parser.add_argument("--virtual", action="store_true", help="ours in virtual time, with libwebrtc's VP8 encoder")
    chosen = parser.parse_args()
    arms = chosen.arm or ([OURS] if chosen.virtual else [OURS, THEIRS])
    codec = LIBVPX if chosen.virtual else chosen.codec
    print(
        f"{'link':10} {'arm':32} {'target':>7} {'queue':>8} {'display':>8} {'':>8} {'sent':>7} {'shown':>6}\n"
        f"{'':43} {'Mbit/s':>7} {'p95 ms':>8} {'p50 ms':>8} {'p95 ms':>8} {'Mbit/s':>7}"
    )
    with tempfile.TemporaryDirectory() as folder:
        for name, case in cases(Path(folder)).items():
            if chosen.case not in (None, name):
                continue
            medians: dict[str, Measured] = {}
            for arm in arms:
                runs = [measure(case, arm, seed, codec) for seed in range(1, chosen.runs + 1)]
                medians[arm] = Measured(*(float(np.median(values)) for values in zip(*runs, strict=True)))
                print(line(name, arm, medians[arm]), flush=True)
            if THEIRS in medians:
                for arm in arms:
                    if arm != THEIRS:
                        print(f"{name:10} {verdict(medians[arm], medians[THEIRS])}", flush=True)


def verdict(ours: Measured, theirs: Measured) -> str:
    rate = ours.target / theirs.target - 1
    queue = ours.queue_p95 - theirs.queue_p95
    agrees = abs(rate) <= MOST_RATE and abs(queue) <= MOST_QUEUE * theirs.queue_p95 + MOST_QUEUE_MS
    return f"target {rate:+.1%}, queue {queue:+.1f} ms: {'agrees' if agrees else 'differs'}"


if __name__ == "__main__":
    main()
