"""Rate and quality of the arms whose encoder follows the network, over links of several rates, and BD-rate.

python benchmarks/rate_quality.py
python benchmarks/rate_quality.py --source my.mp4 --size 1920x1080 --fps 30

BD-rate (Bjontegaard, ITU-T VCEG-M33): by how much more an arm sends than `quic-adaptive` for the same PSNR as
displayed, averaged over the qualities that both reach, on the logarithm of the rate. Frames that are late or missing
count, so it says what a viewer gets for the bits, and not what an encoder could.
"""

import argparse
from concurrent.futures import ProcessPoolExecutor
from itertools import pairwise

import numpy as np

from glassbench.experiments.scenario import build
from glassbench.experiments.worlds.reuse import Reuse
from glassbench.experiments.worlds.virtual import run_arm
from glassbench.receiver.quality import QualityMemo
from glassbench.sender.encode_cache import EncodeCache

ARMS = (
    "quic-adaptive",
    "rtp:control=gcc",
    "rtp:control=scream",
    "quic-stream:control=bbr,encoder=follow",
    "quic-stream:control=cubic,encoder=follow",
)
LINKS = (1, 2, 4, 8)  # Mbit/s
SECONDS = 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--source", default="bigbuckbunny")
    parser.add_argument("--size", default="1280x720")
    parser.add_argument("--fps", type=int, default=30)
    asked = parser.parse_args()
    cases = [(arm, link, asked.source, asked.size, asked.fps) for arm in ARMS for link in LINKS]
    with ProcessPoolExecutor() as pool:
        points = list(pool.map(point, cases))
    curves = {arm: points[place * len(LINKS) : (place + 1) * len(LINKS)] for place, arm in enumerate(ARMS)}
    print(f"{asked.source}, {asked.size}, {asked.fps} fps: sent Mbit/s, PSNR in dB and p95 of the signal delay in ms")
    print(f"| arm | {' | '.join(f'{link} Mbit/s' for link in LINKS)} | BD-rate |\n|---|{'---|' * (len(LINKS) + 1)}")
    for arm, curve in curves.items():
        cells = [f"{sent:.2f}, {psnr:.1f}, {delay:.0f}" for sent, psnr, delay in curve]
        share = bd_rate(curves[ARMS[0]], curve)
        print(f"| {arm} | {' | '.join(cells)} | {'undefined' if np.isnan(share) else f'{100 * share:+.0f} %'} |")


def point(case: tuple[str, int, str, str, int]) -> tuple[float, float, float]:
    """Mbit/s that were sent, PSNR as displayed, and the p95 of the signal delay in ms."""
    arm, link, source, size, fps = case
    width, height = map(int, size.split("x"))
    content = {
        "name": "rate-quality",
        "duration": f"{SECONDS}s",
        "arms": [arm],
        "video": {"source": source, "width": width, "height": height, "fps": fps, "bitrate": f"{link / 2}Mbit/s"},
        "network": {"rate": f"{link}Mbit/s", "delay": "20ms", "queue": f"{link * 40}kB"},
    }
    scenario = build(content)
    reuse = Reuse(EncodeCache(None), QualityMemo())
    summary = run_arm(scenario, scenario.arms[0], reuse, quality=True).summary
    return float(summary["sent_mbps"]), float(summary["psnr_db"]), float(summary["signal_p95_ms"])


def bd_rate(anchor: list[tuple[float, float, float]], curve: list[tuple[float, float, float]]) -> float:
    """The share by which a curve has a higher rate than the anchor at the same quality; NaN if both reach none, or if
    more rate has brought less quality."""
    if any(one >= two for each in (anchor, curve) for (_, one, _), (_, two, _) in pairwise(each)):
        return float("nan")
    low = max(min(psnr for _, psnr, _ in each) for each in (anchor, curve))
    high = min(max(psnr for _, psnr, _ in each) for each in (anchor, curve))
    if low >= high:
        return float("nan")
    means = []
    for each in (anchor, curve):
        fit = np.polyint(np.polyfit([psnr for _, psnr, _ in each], np.log([sent for sent, _, _ in each]), 3))
        means.append((np.polyval(fit, high) - np.polyval(fit, low)) / (high - low))
    return float(np.exp(means[1] - means[0]) - 1)


if __name__ == "__main__":
    main()
