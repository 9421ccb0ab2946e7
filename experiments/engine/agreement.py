"""Virtual time against real sockets: the same scenario and seeds both ways, and how far they differ.

What encoding and decoding cost is an input of virtual time, not a result. So it is taken from the live runs, and what
is compared is transports, pipelines and links.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from glassbench.experiments.account.metric_table import Metric, Tolerance
from glassbench.experiments.engine.progress import Advance, unwatched
from glassbench.experiments.engine.repeat import repeat
from glassbench.experiments.results.codec_costs import write_codec_costs
from glassbench.experiments.results.dataset import Dataset
from glassbench.experiments.results.paired_metrics import values_of
from glassbench.experiments.results.ranking import ranking_of
from glassbench.experiments.results.statistics import Paired, compare_paired
from glassbench.experiments.scenario import Scenario, dice
from glassbench.experiments.worlds.world import World


@dataclass(frozen=True)
class Compared:
    """One metric of one arm in a typical run (median over seeds), and live less virtual."""

    arm: str
    metric: Metric
    virtual: float
    live: float
    difference: Paired

    @property
    def tolerance(self) -> Tolerance:
        assert self.metric.tolerance is not None
        return self.metric.tolerance

    @property
    def within(self) -> bool:
        """Whether the difference of a typical run is within the tolerance."""
        return abs(self.difference.difference) <= self.tolerance.of(self.virtual)


@dataclass(frozen=True)
class Agreement:
    """Both datasets, all comparisons, and for each arm without one the reason."""

    live: Dataset
    virtual: Dataset
    compared: tuple[Compared, ...]
    not_measured: dict[str, str]


def agree(
    scenario: Scenario,
    runs: int,
    *,
    world: World,
    results: str | Path = Path("results"),
    progress: Advance = unwatched,
    command: Sequence[str] = (),
) -> Agreement:
    """Run a scenario with `runs` seeds live, in another world, then in virtual time with the codec costs of the live
    runs, and compare.

    Each seed gives one number per arm and world. Raises as `repeat`.
    """
    results = Path(results)
    live = repeat(scenario, runs, world=world, results=results, progress=progress, command=command)
    plan = scenario.model_copy(update={"name": f"{scenario.name}-calibrated"})
    if not scenario.media(scenario.arms[0]).greedy:
        encode, decode = write_codec_costs(live.path, live.frames("ledger"))
        video = {"encode_cost": f"recorded:{encode}", "decode_cost": f"recorded:{decode}"}
        plan = plan.model_copy(update={"video": scenario.video.model_copy(update=video)})
    virtual = repeat(plan, runs, results=results, progress=progress, command=command)
    rng = dice.generator(scenario.seed, "agreement")
    metrics = ranking_of(live.counters()).metrics("agreement")
    compared: list[Compared] = []
    missing: dict[str, str] = {}
    for arm in live.arms:
        both = [_measured(data, arm) for data in (live, virtual)]
        seeds = [seed for seed in both[0].index if seed in both[1].index]
        if not seeds:
            missing[arm] = str(live.where(arm=arm)["reason"].iloc[0])
            continue
        for metric in metrics:
            a, b = (values_of(rows.loc[seeds], metric) for rows in both)
            if np.isnan(a).all() and np.isnan(b).all():
                continue  # of several flows, of which there are none, or of frames, which a bulk transfer has not
            difference = compare_paired(a, b, rng=rng)
            if live.dependent:
                difference = replace(difference, low=-math.inf, high=math.inf)
            compared.append(Compared(arm, metric, float(np.median(b)), float(np.median(a)), difference))
    return Agreement(live, virtual, tuple(compared), missing)


def _measured(data: Dataset, arm: str) -> pd.DataFrame:
    rows = data.where(arm=arm)
    return rows[rows["outcome"] == "measured"].set_index("seed", drop=False)
