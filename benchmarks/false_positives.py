"""How often a comparison calls an arm different from itself: real runs, other seeds, no run in two comparisons.

    python benchmarks/false_positives.py [--pairs 200] [--runs 10] [--arm rtp] [--first-seed 0]

At a level of 5 % about one comparison in twenty has to. The p of an exact test goes in steps, so that with few runs it
is called less often than that: with 8 runs in 3.9 % of the cases, with 10 in 4.9 %, hence 10 are the default. Ends with
1 if the number is outside its binomial interval.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np

from glassbench import run_plan
from glassbench.experiments import scenario
from glassbench.experiments.engine.plan import grid
from glassbench.experiments.results.paired_metrics import values_of
from glassbench.experiments.results.statistics.false_positives import false_positives
from glassbench.experiments.results.statistics.paired import compare_paired

METRICS = ("g2g_p50_ms", "g2g_p95_ms")


def main() -> None:
    """Run all, count, print, and end with 1 if a count cannot be chance."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=200)
    parser.add_argument("--runs", type=int, default=10, help="runs of each arm in a comparison")
    parser.add_argument("--arm", default="rtp")
    parser.add_argument("--first-seed", type=int, default=0)
    options = parser.parse_args()
    video = {"source": "lognormal", "bitrate": "2Mbit/s"}
    network = {"rate": "3Mbit/s", "delay": "20ms", "loss": "1%"}
    base = {"name": "a-a", "duration": "2s", "arms": [options.arm], "video": video, "network": network}
    count = options.pairs * 2 * options.runs
    plan = grid("a-a", scenario.build(base), seeds=range(options.first_seed, options.first_seed + count))
    with tempfile.TemporaryDirectory() as folder:
        summary = run_plan(plan, Path(folder) / "a-a").summary
    rng = np.random.default_rng(options.first_seed)
    outside = False
    for metric in METRICS:
        observed = values_of(summary, metric).reshape(options.pairs, 2, options.runs)
        tests = false_positives([compare_paired(a, b, rng=rng).p_value for a, b in observed])
        print(f"{metric}: {tests.called} of {tests.pairs} called different, {tests.least} to {tests.most} are expected")
        outside = outside or not tests.least <= tests.called <= tests.most
    sys.exit(outside)


if __name__ == "__main__":
    main()
