"""Real runs of an arm against real runs of the same arm, with other seeds, are called different at the stated rate."""

import numpy as np
import pytest

from glassbench.experiments.results.statistics.false_positives import split_against_itself
from glassbench.experiments.scenario import build
from glassbench.experiments.worlds.reuse import Reuse
from glassbench.experiments.worlds.virtual import run_arm

RUNS = 240


@pytest.mark.lengthy
def test_the_false_positive_rate_of_200_pairs_of_real_runs_is_in_its_binomial_interval(reuse: Reuse) -> None:
    """Pairs share runs here; `benchmarks/false_positives.py` makes 3200 runs, of which no two pairs share one."""
    network = {"rate": "3Mbit/s", "delay": "5ms"}
    video = {"source": "lognormal", "bitrate": "2Mbit/s"}
    scenario = build({"name": "a-a", "duration": "400ms", "arms": ["udp"], "video": video, "network": network})

    def p95(seed: int) -> float:
        seeded = scenario.model_copy(update={"seed": seed})
        return float(run_arm(seeded, seeded.arms[0], reuse, quality=False).summary["g2g_p95_ms"])

    observed = [p95(seed) for seed in range(RUNS)]
    assert len(set(observed)) > 0.9 * RUNS
    split = split_against_itself(observed, pairs=200, rng=np.random.default_rng(1))
    print(f"{split.called} of {split.pairs} called different; {split.least} to {split.most} are expected")
    assert split.least <= split.called <= split.most
