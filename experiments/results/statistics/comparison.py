"""Many arms over the same blocks: what is known of each, which of them differ, and a true sentence that says so."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from glassbench.experiments.account.metrics import too_few
from glassbench.experiments.account.percentile import percentile
from glassbench.experiments.results.statistics.holm import holm
from glassbench.experiments.results.statistics.order_statistics import Interval, quantile_interval
from glassbench.experiments.results.statistics.paired import Paired, compare_paired
from glassbench.experiments.results.statistics.signed_rank import FloatArray, blocks_needed

NOT_DISTINGUISHABLE = "not distinguishable"
NO_VERDICT = "no verdict"
_NAMED = 3  # arms of one verdict are named, more are counted: the table has their names
TIED = "tied"  # what a column says of what is not distinguishable
LATENCY = "latency"  # glass to glass


@dataclass(frozen=True)
class ArmEvidence:
    """What is known of one arm, in seconds.

    `shown` is the share of frames that were; `median` and `pooled` are the 50th and the compared percentile over all
    frames of all blocks; `typical` is the median over blocks of the block's percentile, bounded by `interval` (order
    statistics); `by_block` has the percentile of each block, in their order. `against_best` compares it with the arm
    whose typical block is soonest; None for that one. `p_value` is
    Holm's, over all pairs of arms. If the blocks are not independent, there is no interval, p value or difference, and
    the verdict is NO_VERDICT.
    """

    arm: str
    shown: float
    median: float
    pooled: float
    typical: float
    interval: Interval | None
    against_best: Paired | None
    p_value: float | None
    verdict: str
    by_block: tuple[float, ...] = ()


@dataclass(frozen=True)
class Comparison:
    """All arms, soonest first. `percentile` is a share, `level` the chance of any false verdict, `unit` what a block is
    called, `delay` what is compared. `blocks_needed` is how many could tell so many arms apart at all, `frames` how
    many the smallest block has. `dependent` says why the blocks are not independent of each other, if they are not;
    `network` what the arms were compared over, in words."""

    percentile: float
    blocks: int
    unit: str
    level: float
    arms: tuple[ArmEvidence, ...]
    blocks_needed: int
    frames: int
    dependent: str = ""
    delay: str = LATENCY
    network: str = ""

    @property
    def name(self) -> str:
        """What the compared percentile is called."""
        return f"p{100 * self.percentile:g}{'' if self.delay == LATENCY else f' {self.delay}'}"

    @property
    def best(self) -> ArmEvidence:
        """The arm whose typical block is soonest."""
        return self.arms[0]

    @property
    def answer(self) -> str:
        """One sentence. It is true for a single block, too."""
        few = too_few(self.frames, [self.percentile])
        return f"{self._verdict} In each {self.unit}, {few}." if few else self._verdict

    @property
    def _compared(self) -> str:
        return f" of {len(self.arms)} arms {self.network}," if self.network else ""

    @property
    def _verdict(self) -> str:
        name = self.name
        blocks = f"one {self.unit}" if self.blocks == 1 else f"{self.blocks} {self.unit}s"
        if math.isinf(self.best.typical) and self.delay != LATENCY:
            return f"In a typical {self.unit} no arm has a {name}, since it shows too little."
        if math.isinf(self.best.typical):
            return f"In a typical {self.unit} no arm shows {self.percentile:.0%} of its frames, so none has a {name}."
        size = f"{_ms(self.best.typical)} in a typical {self.unit} of {blocks}"
        if len(self.arms) == 1:
            return f"{self.best.arm} has a {name} of {size}."
        if self.dependent:
            return f"{self.best.arm} has the least {name}, {size}, but there is no verdict: {self.dependent}."
        parts = [f"Soonest{self._compared} at {name}: {self.best.arm}, {size}"]
        if alike := [arm.arm for arm in self.arms[1:] if arm.verdict == NOT_DISTINGUISHABLE]:
            parts.append(f"{NOT_DISTINGUISHABLE} from it ({TIED}): {named(alike, len(self.arms) - 1, 'others')}")
        later = next((arm for arm in self.arms[1:] if arm.verdict != NOT_DISTINGUISHABLE), None)
        if later is not None and (paired := later.against_best) is not None:
            parts.append(
                f"{later.arm} is {_ms(paired.difference)} later [{_ms(paired.low)}, {_ms(paired.high)}]"
                if paired.difference > 0
                else f"{later.arm} is later in some {self.unit}s"
            )
        # A few bad blocks decide over all frames, and are no typical blocks: said where that turns the order.
        soonest = min(self.arms, key=lambda arm: arm.pooled)
        if soonest.pooled < self.best.pooled:
            parts.append(
                f"over all frames of all {self.unit}s {soonest.arm} has the least {name}, {_ms(soonest.pooled)}"
            )
        text = "; ".join(parts) + "."
        if self.blocks < self.blocks_needed:
            text += f" {blocks.capitalize()} cannot tell so many arms apart: at least {self.blocks_needed} can."
        return text


def compare_arms(
    latencies: Mapping[str, Sequence[FloatArray]],
    *,
    rng: np.random.Generator,
    share: float = 0.95,
    level: float = 0.05,
    unit: str = "run",
    dependent: str = "",
    delay: str = LATENCY,
    shown: Mapping[str, float] | None = None,
    network: str = "",
) -> Comparison:
    """Compare arms that were measured over the same blocks.

    `latencies` has, per arm, an array per block: the latency of each captured frame in seconds, infinite if it was
    never shown; or another `delay`, and then `shown` has the share of its frames that were. Every pair of arms is
    tested and Holm's adjustment is over all of them, so that the best one may be chosen from the same data. `unit`
    names a block in sentences, `network` what carried the arms. With `dependent`, the reason why the blocks are not
    independent of each other, nothing is tested. Raises ValueError without arms or blocks, or if arms have different
    numbers of blocks.
    """
    counts = {arm: len(blocks) for arm, blocks in latencies.items()}
    if len(set(counts.values())) != 1 or 0 in counts.values():
        raise ValueError(f"arms are compared over the same blocks, at least one; found {counts or 'no arms'}")
    blocks = next(iter(counts.values()))
    observed = {arm: np.array([percentile(block, share) for block in parts]) for arm, parts in latencies.items()}
    pairs = (
        {}
        if dependent
        else {
            (a, b): compare_paired(observed[a], observed[b], rng=rng, confidence=1 - level)
            for a, b in combinations(observed, 2)
        }
    )
    adjusted = dict(zip(pairs, holm([pair.p_value for pair in pairs.values()]), strict=True))
    typical = {arm: float(np.median(values)) for arm, values in observed.items()}
    frames = {arm: np.concatenate(list(parts)) for arm, parts in latencies.items()}
    pooled = {arm: percentile(values, share) for arm, values in frames.items()}
    against = {
        (a, b): (pair if forth else pair.turned(), adjusted[arms])
        for arms, pair in pairs.items()
        for (a, b), forth in ((arms, True), (arms[::-1], False))
    }

    def rank(arm: str) -> tuple[int, float, float]:
        """No arm is soonest if another one is told to be sooner, whatever their typical blocks are."""
        beaten = sum(_told(*pair, level) > 0 for (one, _), pair in against.items() if one == arm)
        return beaten, typical[arm], pooled[arm]

    order = sorted(observed, key=rank)
    best = order[0]
    evidence = []
    for arm in order:
        paired, p_value = against.get((arm, best), (None, None))
        interval = None if dependent else quantile_interval(observed[arm], 0.5, confidence=1 - level)
        share_shown = float(np.isfinite(frames[arm]).mean()) if shown is None else shown[arm]
        median = percentile(frames[arm], 0.5)
        if dependent:
            verdict = NO_VERDICT
        else:
            verdict = "soonest" if paired is None or p_value is None else _verdict(_told(paired, p_value, level))
        numbers = (share_shown, median, pooled[arm], typical[arm], interval)
        by_block = tuple(observed[arm].tolist())
        evidence.append(ArmEvidence(arm, *numbers, paired, p_value, verdict, by_block))
    needed = blocks_needed(level, len(pairs)) if pairs else 1
    least = min(len(block) for parts in latencies.values() for block in parts)
    return Comparison(share, blocks, unit, level, tuple(evidence), needed, least, dependent, delay, network)


def _told(paired: Paired, p_value: float, level: float) -> int:
    """1 if the first arm is told to be later, -1 if sooner, 0 if they are not distinguishable."""
    return paired.direction if p_value <= level else 0


def _verdict(told: int) -> str:
    return {1: "later", -1: "sooner", 0: NOT_DISTINGUISHABLE}[told]


def named(arms: Sequence[str], total: int, what: str = "arms") -> str:
    """Some of so many arms in a sentence: by their names, or, if those are many, how many."""
    if len(arms) <= _NAMED:
        return ", ".join(arms)
    return f"all {total} {what}" if len(arms) == total else f"{len(arms)} of {total} {what}"


def brief(verdict: str) -> str:
    """A verdict as a column has it, whose legend is the answer."""
    return TIED if verdict == NOT_DISTINGUISHABLE else verdict


def _ms(seconds: float) -> str:
    return f"{1e3 * seconds:.0f} ms" if math.isfinite(seconds) else ("∞" if seconds > 0 else "-∞")
