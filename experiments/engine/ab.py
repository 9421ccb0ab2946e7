"""A/B: two settings over the same seeds, and an A/A check on the runs of A."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from experiments.engine.plan import Cell, Plan, PlanError, checked
from experiments.engine.plan_run import CellProgress, run_plan
from experiments.measure import dice
from experiments.measure.metrics import percentile
from experiments.results.dataset import Dataset
from experiments.scenario import Scenario
from experiments.statistics import Paired, compare_paired
from experiments.statistics.comparison import NOT_DISTINGUISHABLE
from experiments.statistics.false_positives import LEAST_RUNS, FalsePositives, split_against_itself
from experiments.statistics.holm import holm

LEVEL = 0.05


@dataclass(frozen=True)
class Metric:
    """A number that each run gives, and what a setting does in which it is lower or higher."""

    name: str
    label: str
    unit: str
    lower: str
    higher: str


METRICS = (
    Metric("g2g_p50_ms", "p50", "ms", "sooner", "later"),
    Metric("g2g_p95_ms", "p95", "ms", "sooner", "later"),
    Metric("g2g_p99_ms", "p99", "ms", "sooner", "later"),
    Metric("signal_p95_ms", "signal p95", "ms", "sooner", "later"),
    Metric("shown", "frames shown", "%", "shows less", "shows more"),
    Metric("freezes", "freezes", "", "freezes less", "freezes more"),
    Metric("sent_mbps", "sent", "Mbit/s", "sends less", "sends more"),
)


@dataclass(frozen=True)
class Settings:
    """Two scenarios and the pairs of their arms: (name of the pair, arm of A, arm of B)."""

    a: Scenario
    b: Scenario
    pairs: tuple[tuple[str, str, str], ...]

    @classmethod
    def of(cls, a: Scenario, b: Scenario) -> Self:
        """Pair the arms. Raises PlanError if none of A's has a counterpart in B."""
        labels_a, labels_b = ([arm.label for arm in scenario.arms] for scenario in (a, b))
        pairs = tuple((label, label, label) for label in labels_a if label in labels_b)
        if not pairs and len(labels_a) == len(labels_b) == 1:
            pairs = ((f"{labels_a[0]} / {labels_b[0]}", labels_a[0], labels_b[0]),)
        if not pairs:
            raise PlanError(
                f"A and B share no arm: A has {', '.join(labels_a)}, B has {', '.join(labels_b)}; "
                "give arms the same label, or each scenario one arm"
            )
        return cls(a, b, pairs)

    @property
    def same(self) -> bool:
        """Whether they differ in nothing that decides a run."""
        return all(
            self.a.model_copy(update={"name": "", "seed": 0, "arms": (self.a.arm(a),)})
            == self.b.model_copy(update={"name": "", "seed": 0, "arms": (self.b.arm(b),)})
            for _, a, b in self.pairs
        )


@dataclass(frozen=True)
class Row:
    """One metric of one pair of arms: A and B in a typical run (median), and A less B."""

    arm: str
    metric: Metric
    a: float
    b: float
    paired: Paired
    p_value: float

    @property
    def verdict(self) -> str:
        """Which setting is sooner, in words; or that they are not distinguishable."""
        if self.p_value > LEVEL:
            return NOT_DISTINGUISHABLE
        return f"A {self.metric.lower if self.paired.direction < 0 else self.metric.higher}"


def run_settings(
    settings: Settings,
    runs: int,
    *,
    results: Path,
    workers: int | None = None,
    progress: CellProgress = lambda finished, total, cell: None,
    command: Sequence[str] = (),
) -> Dataset:
    """Run the paired arms of both settings with A's seed and those after it, into `results/ab-A-B-seedsFIRST-LAST`.

    Raises PlanError, ResultsError, and PlanInterrupted after Ctrl-C.
    """
    seeds = range(settings.a.seed, settings.a.seed + runs)
    cells = [
        Cell({"setting": name}, scenario.model_copy(update={"seed": seed, "arms": (scenario.arm(labels[side]),)}))
        for seed in seeds
        for labels in settings.pairs
        for name, scenario, side in (("A", settings.a, 1), ("B", settings.b, 2))
    ]
    name = f"ab-{settings.a.name}-{settings.b.name}-seeds{seeds[0]}-{seeds[-1]}"
    plan = checked(Plan(name, tuple(cells), frames=True))
    about = {"a": settings.a.dump(), "b": settings.b.dump()}
    return run_plan(plan, results / name, workers=workers, progress=progress, command=command, about=about)


def paired_metrics(dataset: Dataset, settings: Settings) -> list[Row]:
    """Every metric of every pair of arms. Holm's adjustment is over all of them."""
    rng = dice.generator(0, "ab", dataset.name)
    found = []
    for name, arm_a, arm_b in settings.pairs:
        a, b = dataset.where(arm=arm_a, setting="A"), dataset.where(arm=arm_b, setting="B")
        both = (a["outcome"].to_numpy() == "measured") & (b["outcome"].to_numpy() == "measured")
        if not both.any():
            raise PlanError(f"{name} was not measured: {a['outcome'].iloc[0]} in A, {b['outcome'].iloc[0]} in B")
        for metric in METRICS:
            values_a, values_b = _values(a[both], metric.name), _values(b[both], metric.name)
            paired = compare_paired(values_a, values_b, rng=rng)
            found.append((name, metric, percentile(values_a, 0.5), percentile(values_b, 0.5), paired))
    adjusted = holm([paired.p_value for *_, paired in found])
    return [Row(*columns, p_value) for columns, p_value in zip(found, adjusted, strict=True)]


def false_alarms(dataset: Dataset, settings: Settings) -> FalsePositives | None:
    """The runs of A's first arm against themselves, by p95; None if there are too few to split."""
    rows = dataset.where(arm=settings.pairs[0][1], setting="A", outcome="measured")
    if len(rows) < LEAST_RUNS:
        return None
    return split_against_itself(_values(rows, "g2g_p95_ms"), rng=dice.generator(0, "a-a", dataset.name))


def _values(rows: pd.DataFrame, name: str) -> NDArray[np.float64]:
    """A number per run; what is missing is infinite."""
    if name == "shown":
        return (100 * rows["displayed"] / rows["captured"]).to_numpy(dtype=np.float64)
    return rows[name].to_numpy(dtype=np.float64, na_value=np.inf)
