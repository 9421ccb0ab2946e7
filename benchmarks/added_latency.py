"""What each arm adds on a clean path, live: capture to decoded, against the floor of plain UDP in the same round.

    python benchmarks/added_latency.py --rounds 5

640x360 at 30 fps and 2 Mbit/s, real pictures, really encoded and decoded, over a link with 1 ms of delay that nothing
fills. In every round each arm runs once, in an order of its own; the figure of an arm is the median over the rounds
of the difference between its median frame and that of udp.
"""

import argparse
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from glassbench.experiments.scenario import build, shipped
from glassbench.experiments.worlds.live.arm import run_arm as run_arm_live
from glassbench.experiments.worlds.live.emulators import EMULATORS

FLOOR = "udp"
SPANS = {
    "captured to decoded": ("captured_at", "decoded_at"),
    "encode": ("captured_at", "encode_end_at"),
    "to complete": ("encode_end_at", "complete_at"),
    "to released": ("complete_at", "released_at"),
    "decode": ("released_at", "decoded_at"),
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--duration", default="5s")
    parser.add_argument(
        "--arm", action="append", help=f"beside {FLOOR}; all of the default comparison if none is named"
    )
    parser.add_argument("--emulator", choices=EMULATORS, default="netns")
    options = parser.parse_args()
    scenario = build(
        {
            "name": "clean",
            "duration": options.duration,
            "arms": [FLOOR, *options.arm] if options.arm else shipped("default").dump()["arms"],
            "video": {"source": "synthetic", "width": 640, "height": 360, "fps": 30.0, "bitrate": "2Mbit/s"},
            "network": {"delay": "1ms"},
        }
    )
    rng = np.random.default_rng(20)
    medians: dict[str, dict[int, dict[str, float]]] = {arm.label: {} for arm in scenario.arms}  # by round
    unmeasured: list[Any] = []
    order = [
        (number, scenario.arms[at]) for number in range(options.rounds) for at in rng.permutation(len(scenario.arms))
    ]
    for number, arm in track(order, description="arms"):
        result = run_arm_live(scenario, arm, None, emulator=options.emulator)
        if result.outcome != "measured" or result.ledger is None:
            unmeasured.append((arm.label, result.outcome, result.reason))
            continue
        shown = result.ledger[result.ledger["fate"] == "displayed"]
        medians[arm.label][number] = {
            name: float((shown[end] - shown[start]).median()) * 1e3 for name, (start, end) in SPANS.items()
        }
    table = Table("arm", *(f"{name}, ms" for name in SPANS), f"over {FLOOR}, ms (smallest to largest)")
    whole = next(iter(SPANS))
    for label, by_run in medians.items():
        floors = medians[FLOOR]
        over = [one[whole] - floors[number][whole] for number, one in by_run.items() if number in floors]
        spread = f"{np.median(over):+.2f} ({min(over):+.2f} to {max(over):+.2f})" if over else "-"
        spans = [[one[name] for one in by_run.values()] for name in SPANS]
        table.add_row(label, *(f"{np.median(values):.2f}" if values else "-" for values in spans), spread)
    Console(width=150).print(table)
    for line in unmeasured:
        print("not measured:", *line)


if __name__ == "__main__":
    main()
