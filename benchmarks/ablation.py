"""What each mechanism of `control=adaptive` brings: p95 of the signal delay and the sent rate without it, per trace.

python benchmarks/ablation.py
python benchmarks/ablation.py --trace my.down --trace another.down
"""

import argparse
import math
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

from glassbench.experiments.catalog.cells import replay
from glassbench.experiments.scenario import build
from glassbench.experiments.worlds.reuse import Reuse
from glassbench.experiments.worlds.virtual import run_arm
from glassbench.netem.traces.generators import GENERATORS
from glassbench.receiver.quality import QualityMemo
from glassbench.sender.encode_cache import EncodeCache
from glassbench.transport.congestion import adaptive, service_rate, slow_restart

SECONDS = 60  # and so late in a recording

WITHOUT: dict[str, dict[tuple[Any, str], Any]] = {
    "all of it": {},
    "small frames": {(adaptive.AdaptiveController, "_may_show_life"): lambda *_: False},
    "their doubling": {(adaptive, "_USED"): math.inf},
    "their thinning out": {(adaptive, "_THINNING"): 0.0, (adaptive, "_THINNING_UP"): 0.0},
    "small again where nothing comes": {(adaptive, "_LONG_OVERDUE"): math.inf},
    "few where a queue stands": {(adaptive, "_STANDING"): 0.0},
    "a careful beginning": {(adaptive, "_FIRST_WINDOW"): adaptive._LEAST_WINDOW},
    "less service where the rate varies": {(adaptive, "_CAUTION"): 0.0},
    "slow start after an outage": {(slow_restart, "_OUTAGE"): math.inf},
    "reports that are overdue": {(adaptive, "_OVERDUE"): math.inf},
    "the newest 40 ms": {(service_rate, "_NEWEST"): service_rate._WINDOW},
    "doubt after a silence": {(service_rate, "_BELIEVABLE"): 0.0},
    "growth where no queue is seen": {(service_rate, "_GROWTH"): 1.0},
    "a queue that is emptied": {(adaptive, "_DRAIN_INTERVAL"): math.inf},
    "less slack on a slow link": {(adaptive, "_LEAST_SLACK"): adaptive._SLACK},
    "a queue that is filled by parts": {(adaptive, "_FILLING"): 1.0},
    "the slack": {(adaptive, "_SLACK"): 0.0, (adaptive, "_LEAST_SLACK"): 0.0},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--trace", action="append", default=[], metavar="FILE", help="a recorded trace, as often as liked"
    )
    traces = [*GENERATORS, *parser.parse_args().trace]
    print(f"| without | {' | '.join(Path(trace).stem for trace in traces)} |\n|---|{'---|' * len(traces)}")
    with ProcessPoolExecutor() as pool:
        for name in WITHOUT:
            cells = pool.map(measured, [name] * len(traces), traces)
            print(f"| {name} | {' | '.join(cells)} |", flush=True)


def measured(name: str, trace: str) -> str:
    """p95 of the signal delay in ms, and the sent rate in Mbit/s."""
    content = {
        "name": "ablation",
        "duration": f"{SECONDS}s",
        "arms": ["quic-adaptive"],
        "video": {"source": "lognormal", "fps": 60, "bitrate": "4.5Mbit/s", "encode_cost": "fixed:8ms"},
        "network": replay(trace, start=SECONDS),
    }
    scenario = build(content)
    with _patched(name):
        summary = run_arm(scenario, scenario.arms[0], Reuse(EncodeCache(None), QualityMemo()), quality=False).summary
    return f"{summary['signal_p95_ms']:.0f} @ {summary['sent_mbps']:.2f}"


@contextmanager
def _patched(name: str) -> Iterator[None]:
    patches = [patch.object(where, what, value) for (where, what), value in WITHOUT[name].items()]
    for each in patches:
        each.start()
    try:
        yield
    finally:
        for each in patches:
            each.stop()


if __name__ == "__main__":
    main()
