"""Whether our QUIC congestion control holds frames back on an empty path: over round trips, sizes and rates.

    python benchmarks/empty_path.py                 the grid, one line for each arm and what it missed
    python benchmarks/empty_path.py --arm ARM       only this arm

A cell is a constant frame size at a constant frame rate over a constant delay, alone or behind a link of constant rate.
From round trip max(0, ceil(log2(X / 10 packets))) + 2 on, X the larger of one frame and what a round trip carries of
the source, every frame has to arrive within 1 ms of its bytes over the rate and the propagation.
"""

import argparse
import itertools
import math
import sys
import tempfile
from pathlib import Path

import numpy as np

from glassbench.experiments.scenario import build
from glassbench.experiments.scenario.tracks import VIDEO_TRACK
from glassbench.experiments.worlds.reuse import Reuse
from glassbench.experiments.worlds.virtual import run_arm
from glassbench.receiver.quality import QualityMemo
from glassbench.sender.encode_cache import EncodeCache

ARMS = (
    "quic-datagram",
    "quic-stream",
    "quic-stream-per-frame",
    "quic-stream-per-gop",
    "webtransport-datagram",
    "webtransport-stream-per-frame",
)
RTTS = (0.005, 0.02, 0.06, 0.1, 0.2, 0.4, 0.6)
SIZES = (900, 3000, 8000, 14_000, 25_000, 60_000, 200_000)
FPS = (10, 30, 60)
MOST_BPS = 50e6  # of the source
HEADROOMS = (None, 4.0, 20.0)  # the link's rate as a multiple of the source's; None is no link at all
# Of what waits at the start as much has to leave in two round trips as the link has to spare: only who knows the rate
# after the first one can do that, and frames of few packets do not show it.
NARROW, NARROW_FROM_BYTES = (1.5, 2.0), 8000
NARROWEST = 1.3  # where the first window is enough, so that nothing waits
PACKET, OVERHEAD = 1452, 80  # bytes a packet: of UDP payload; at most, of all headers together
TOLERANCE_MS = 1.0


def main() -> None:
    """Print a line for each cell that is missed, and one for each arm."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arm", action="append", help="only these arms")
    parser.add_argument("--seconds", type=float, default=3.0, help="of media after the start, at least")
    arguments = parser.parse_args()
    failed = False
    for arm in arguments.arm or ARMS:
        cells = [
            (rtt, size, fps, headroom)
            for rtt, size, fps in itertools.product(RTTS, SIZES, FPS)
            if size * fps * 8 <= MOST_BPS
            for headroom in headrooms(rtt, size, fps)
        ]
        missed = 0
        for rtt, size, fps, headroom in cells:
            late = excess_ms(arm, rtt, size, fps, headroom, seconds=arguments.seconds)
            if not late <= TOLERANCE_MS:
                missed += 1
                link = "no link" if headroom is None else f"a link of {headroom:g} times the source"
                print(f"{arm}: RTT {rtt * 1e3:g} ms, {size} B at {fps} fps, {link}: {late:.2f} ms over", flush=True)
        print(f"{arm}: {len(cells) - missed} of {len(cells)} cells within {TOLERANCE_MS:g} ms", flush=True)
        failed = failed or missed > 0
    sys.exit(failed)


def headrooms(rtt: float, size: int, fps: float) -> tuple[float | None, ...]:
    """The links behind which the closed form can be met."""
    narrow = NARROW if size >= NARROW_FROM_BYTES else ()
    return (*HEADROOMS, *narrow, *((NARROWEST,) if start_rounds(rtt, size, fps) == 2 else ()))


def start_rounds(rtt: float, size: int, fps: float) -> int:
    """The round trip from which on nothing may wait: doubling windows have reached what the source needs."""
    needed = max(size, size * fps * rtt)
    return max(0, math.ceil(math.log2(needed / (10 * PACKET)))) + 2


def excess_ms(arm: str, rtt: float, size: int, fps: float, headroom: float | None, *, seconds: float = 3.0) -> float:
    """How much later than the closed form the slowest frame after the start is, in ms."""
    start = start_rounds(rtt, size, fps) * rtt
    count = math.ceil((start + seconds) * fps)
    wire = size + math.ceil(size / (PACKET - OVERHEAD + 28)) * OVERHEAD
    rate = None if headroom is None else headroom * wire * fps * 8
    queue = 100_000 + 2 * max(wire, round(wire * fps * rtt))
    down = [] if rate is None else [{"element": "rate", "rate": f"{rate:.0f}bit/s", "queue": f"{queue}B"}]
    delay = {"element": "delay", "delay": f"{rtt / 2 * 1e3!r}ms"}
    with tempfile.TemporaryDirectory() as folder, EncodeCache(None) as cache:
        file = Path(folder) / "sizes.txt"
        file.write_text(f"{size} key\n" * count, encoding="utf-8")
        scenario = build(
            {
                "name": "empty-path",
                "duration": f"{count / fps!r}s",
                "arms": [arm],
                "video": {"source": f"sizes:{file}", "fps": fps, "encode_cost": "none", "decode_cost": "none"},
                "network": {"down": [*down, delay], "up": [delay]},
            }
        )
        result = run_arm(scenario, scenario.arms[0], Reuse(cache, QualityMemo()))
    assert result.ledger is not None, result.reason
    video = result.ledger[result.ledger["track"] == VIDEO_TRACK]
    latency = (video["complete_at"] - video["captured_at"]).to_numpy()
    later = latency[video["captured_at"].to_numpy() - video["captured_at"].iloc[0] >= start]
    if not np.isfinite(later).all():
        return math.inf
    serialisation = 0.0 if rate is None else wire * 8 / rate
    return float(later.max() - serialisation - rtt / 2) * 1e3


if __name__ == "__main__":
    main()
