"""CPU time of a sender that plans each frame over that of one with a constant rate, at the same sent rate, codec aside.

python benchmarks/cost_of_following.py
"""

import statistics
import time

from glassbench.experiments.scenario import build
from glassbench.experiments.worlds.reuse import Reuse
from glassbench.experiments.worlds.virtual import run_arm
from glassbench.receiver.quality import QualityMemo
from glassbench.sender.encode_cache import EncodeCache

ROUNDS = 5
SECONDS = 20
NETWORKS = {
    "lte-driving": {"trace": "lte-driving", "queue": "600kB"},
    "6 Mbit/s": {"rate": "6Mbit/s", "delay": "20ms", "queue": "600kB"},
}


def main() -> None:
    for name, network in NETWORKS.items():
        _, sent = cost("quic-adaptive", 4.5, network)
        rate = matched(sent, network)
        pairs = [(cost("quic-adaptive", 4.5, network), cost("quic-datagram", rate, network)) for _ in range(ROUNDS)]
        ratios = [following / constant for (following, _), (constant, _) in pairs]
        sent, against = pairs[0][0][1], pairs[0][1][1]
        print(
            f"{name}: {statistics.median(ratios):.2f} [{min(ratios):.2f}, {max(ratios):.2f}], "
            f"sent {sent:.2f} and {against:.2f} Mbit/s"
        )


def matched(sent: float, network: dict[str, str]) -> float:
    """The bitrate of the encoder with which `quic-datagram` sends as much."""
    rate = sent
    for _ in range(3):
        rate *= sent / cost("quic-datagram", rate, network)[1]
    return rate


def cost(arm: str, rate: float, network: dict[str, str]) -> tuple[float, float]:
    """CPU seconds of one run, and what it sent in Mbit/s."""
    video = {"source": "lognormal", "fps": 60, "bitrate": f"{rate:.3f}Mbit/s", "encode_cost": "fixed:8ms"}
    content = {"name": "cost", "seed": 3, "duration": f"{SECONDS}s", "arms": [arm], "video": video, "network": network}
    scenario = build(content)
    reuse = Reuse(EncodeCache(None), QualityMemo())
    began = time.process_time()
    result = run_arm(scenario, scenario.arms[0], reuse, quality=False)
    return time.process_time() - began, float(result.summary["sent_mbps"])


if __name__ == "__main__":
    main()
