"""Many arms over the same blocks: what is known of each, which differ, and the answer in a sentence that is true."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from experiments.measure.metrics import percentile
from experiments.statistics.holm import holm
from experiments.statistics.order_statistics import Interval, quantile_interval
from experiments.statistics.paired import FloatArray, Paired, compare_paired, least_p

NOT_DISTINGUISHABLE = "not distinguishable"


@dataclass(frozen=True)
class ArmEvidence:
    """What is known of one arm, in seconds.

    `shown` is the share of frames that were; `median` and `pooled` are the 50th and the compared percentile over all
    frames of all blocks; `typical` is the median over blocks of the block's percentile, bounded by `interval` (order
    statistics). `against_best` compares it with the arm whose typical block is soonest; None for that one. `p_value` is
    Holm's, over all pairs of arms.
    """

    arm: str
    shown: float
    median: float
    pooled: float
    typical: float
    interval: Interval
    against_best: Paired | None
    p_value: float | None
    verdict: str


@dataclass(frozen=True)
class Comparison:
    """All arms, soonest first. `percentile` is a share, `level` the chance of any false verdict."""

    percentile: float
    blocks: int
    level: float
    arms: tuple[ArmEvidence, ...]
    too_few: str | None

    @property
    def best(self) -> ArmEvidence:
        """The arm whose typical block is soonest."""
        return self.arms[0]

    @property
    def answer(self) -> str:
        """One sentence, true for a single block too."""
        name = f"p{100 * self.percentile:g}"
        if math.isinf(self.best.typical):
            return f"In a typical run no arm shows {self.percentile:.0%} of its frames, so none has a {name}."
        alike = [arm for arm in self.arms if arm.verdict != "later"]
        later = [arm for arm in self.arms if arm.verdict == "later"]
        runs = "one run" if self.blocks == 1 else f"{self.blocks} runs"
        if len(self.arms) == 1:
            return f"{self.best.arm} has a {name} of {_ms(self.best.typical)} in a typical run of {runs}."
        if len(alike) == 1:
            text = f"Soonest at {name}: {self.best.arm}, {_ms(self.best.typical)} in a typical run of {runs}"
        else:
            names = ", ".join(arm.arm for arm in alike)
            text = f"Soonest at {name}: {names}, {NOT_DISTINGUISHABLE} over {runs}"
        if later and (paired := later[0].against_best) is not None:
            text += f"; {later[0].arm} is {_ms(paired.difference)} later [{_ms(paired.low)}, {_ms(paired.high)}]"
        # A few bad blocks decide over all frames, and are no typical blocks: said where that turns the order.
        soonest = min(self.arms, key=lambda arm: arm.pooled)
        if soonest.pooled < min(arm.pooled for arm in alike):
            text += f". Over all frames of all runs {soonest.arm} has the least {name}, {_ms(soonest.pooled)}"
        return f"{text}.{f' {self.too_few}' if self.too_few else ''}"


def compare_arms(
    latencies: Mapping[str, Sequence[FloatArray]],
    *,
    rng: np.random.Generator,
    share: float = 0.95,
    level: float = 0.05,
) -> Comparison:
    """Compare arms that were measured over the same blocks.

    `latencies` has, per arm, an array per block: the latency of each captured frame in seconds, infinite if it was
    never shown. Every pair of arms is tested and Holm's adjustment is over all of them, so that the best one may be
    chosen from the same data. Raises ValueError without arms or blocks, or if arms have different numbers of blocks.
    """
    counts = {arm: len(blocks) for arm, blocks in latencies.items()}
    if len(set(counts.values())) != 1 or 0 in counts.values():
        raise ValueError(f"arms are compared over the same blocks, at least one; found {counts or 'no arms'}")
    blocks = next(iter(counts.values()))
    observed = {arm: np.array([percentile(block, share) for block in parts]) for arm, parts in latencies.items()}
    pairs = {
        (a, b): compare_paired(observed[a], observed[b], rng=rng, confidence=1 - level)
        for a, b in combinations(observed, 2)
    }
    adjusted = dict(zip(pairs, holm([pair.p_value for pair in pairs.values()]), strict=True))
    typical = {arm: percentile(values, 0.5) for arm, values in observed.items()}
    frames = {arm: np.concatenate(list(parts)) for arm, parts in latencies.items()}
    pooled = {arm: percentile(values, share) for arm, values in frames.items()}
    order = sorted(observed, key=lambda arm: (typical[arm], pooled[arm]))
    best = order[0]
    evidence = []
    for arm in order:
        paired, p_value = (None, None) if arm == best else _against(arm, best, pairs, adjusted)
        verdict = "soonest" if paired is None else _verdict(paired, p_value, level)
        interval = quantile_interval(observed[arm], 0.5, confidence=1 - level)
        shown, median = float(np.isfinite(frames[arm]).mean()), percentile(frames[arm], 0.5)
        evidence.append(ArmEvidence(arm, shown, median, pooled[arm], typical[arm], interval, paired, p_value, verdict))
    return Comparison(share, blocks, level, tuple(evidence), _too_few(blocks, len(pairs), level))


def _against(
    arm: str, best: str, pairs: Mapping[tuple[str, str], Paired], adjusted: Mapping[tuple[str, str], float]
) -> tuple[Paired, float]:
    if (arm, best) in pairs:
        return pairs[arm, best], adjusted[arm, best]
    turned = pairs[best, arm]
    return turned.turned(), adjusted[best, arm]


def _verdict(paired: Paired, p_value: float | None, level: float) -> str:
    if p_value is None or p_value > level:
        return NOT_DISTINGUISHABLE
    return "later" if paired.direction > 0 else "sooner"


def _too_few(blocks: int, pairs: int, level: float) -> str | None:
    """A sentence if not even blocks that all agree could be told from chance."""
    if pairs == 0 or least_p(blocks) * pairs <= level:
        return None
    needed = blocks
    while least_p(needed) * pairs > level:
        needed += 1
    if blocks == 1:
        return f"One run decides nothing: at least {needed} tell so many arms apart."
    return f"So few runs decide nothing: at least {needed} tell so many arms apart."


def _ms(seconds: float) -> str:
    return f"{1e3 * seconds:.0f} ms" if math.isfinite(seconds) else ("∞" if seconds > 0 else "-∞")
