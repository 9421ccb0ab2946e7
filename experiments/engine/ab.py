"""A/B: two settings over the same seeds, and an A/A check on the runs of A."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from glassbench.experiments.account.metric_table import METRICS
from glassbench.experiments.engine.plan import Cell, Plan, PlanError, checked
from glassbench.experiments.engine.plan_run import run_plan
from glassbench.experiments.engine.progress import Advance, unwatched
from glassbench.experiments.results.dataset import Dataset
from glassbench.experiments.results.paired_metrics import values_of
from glassbench.experiments.results.ranking import ranking_of
from glassbench.experiments.results.settings import arm_pairs
from glassbench.experiments.results.statistics.false_positives import LEAST_RUNS, FalsePositives, split_against_itself
from glassbench.experiments.scenario import Scenario, dice


@dataclass(frozen=True)
class Settings:
    """Two scenarios and the pairs of their arms: (name of the pair, arm of A, arm of B)."""

    a: Scenario
    b: Scenario
    pairs: tuple[tuple[str, str, str], ...]

    @classmethod
    def of(cls, a: Scenario, b: Scenario) -> Self:
        """Pair the arms. Raises PlanError if no arm of A has a counterpart in B."""
        labels_a, labels_b = ([arm.label for arm in scenario.arms] for scenario in (a, b))
        pairs = arm_pairs(labels_a, labels_b)
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


def run_settings(
    settings: Settings,
    runs: int,
    *,
    results: Path,
    workers: int | None = None,
    progress: Advance = unwatched,
    command: Sequence[str] = (),
) -> Dataset:
    """Run the paired arms of both settings with A's seed and those after it, into `results/ab-A-B-seedsFIRST-LAST`.

    Raises PlanError, ResultsError, and Interrupted after Ctrl-C.
    """
    seeds = range(settings.a.seed, settings.a.seed + runs)
    cells = [
        Cell({"setting": name}, scenario.model_copy(update={"seed": seed, "arms": (scenario.arm(labels[side]),)}))
        for seed in seeds
        for labels in settings.pairs
        for name, scenario, side in (("A", settings.a, 1), ("B", settings.b, 2))
    ]
    name = f"ab-{settings.a.name}-{settings.b.name}-seeds{seeds[0]}-{seeds[-1]}"
    quality = settings.a.judged_by_pictures or settings.b.judged_by_pictures
    plan = checked(Plan(name, tuple(cells), frames=True, quality=quality))
    about = {"a": settings.a.dump(), "b": settings.b.dump()}
    return run_plan(plan, results / name, workers=workers, progress=progress, command=command, about=about)


def false_alarms(dataset: Dataset, settings: Settings) -> FalsePositives | None:
    """The runs of A's first arm against themselves, by what decides; None if they are too few to split, or not
    independent."""
    if dataset.dependent:
        return None
    rows = dataset.where(arm=settings.pairs[0][1], setting="A", outcome="measured")
    if len(rows) < LEAST_RUNS:
        return None
    decides = METRICS[next(iter(ranking_of(dataset.counters()).judged_by))]
    return split_against_itself(values_of(rows, decides), rng=dice.generator(0, "a-a", dataset.name))
