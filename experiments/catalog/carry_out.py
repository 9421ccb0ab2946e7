"""Carries out an experiment: runs its plans into folders of their own, then makes its checks and its picture."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from glassbench.experiments.catalog.experiment import Check, Datasets, Experiment
from glassbench.experiments.engine.plan import Plan
from glassbench.experiments.engine.plan_run import run_plan
from glassbench.experiments.engine.progress import Advance, PlanProgress, unwatched
from glassbench.experiments.results.subject import subject
from glassbench.experiments.worlds.table import VIRTUAL
from glassbench.experiments.worlds.world import World

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Outcome:
    """What an experiment gave: its datasets, its checks, and the folder in which they are."""

    experiment: Experiment
    path: Path
    datasets: Datasets
    checks: tuple[Check, ...]

    @property
    def failed(self) -> int:
        """How many checks do not hold."""
        return sum(not check.holds for check in self.checks)


def carry_out(
    experiment: Experiment,
    results: Path,
    *,
    workers: int | None = None,
    world: World = VIRTUAL,
    progress: Advance = unwatched,
    command: Sequence[str] = (),
    replaying: Mapping[str, str] | None = None,
) -> Outcome:
    """Run the plans of an experiment into `results/NAME/PLAN`; what is finished already is not run again. In another
    world than virtual time, into `results/NAME-live/PLAN`.

    `replaying` has the trace and the source that one takes which replays what others recorded: those that are missing
    are its own. Raises ValueError if it does not, or if it is a live one in virtual time, ScenarioError, ResultsError,
    and Interrupted after Ctrl-C.
    """
    if experiment.live and world.exact:
        raise ValueError(f"{experiment.name} measures stacks of others, which run in real time only: --live")
    plans = [replace(plan, world=world) for plan in _plans(experiment, replaying or {})]
    total = sum(len(plan.cells) for plan in plans)
    before, path = 0, results / f"{experiment.name}{'' if world.exact else '-live'}"
    datasets = {}
    for plan in plans:

        def advance(done: PlanProgress, before: int = before) -> None:
            cell = f"{experiment.name}: {done.cell}"
            progress(PlanProgress(cell, done.share, before + done.finished, total))

        datasets[plan.name] = run_plan(plan, path / plan.name, workers=workers, progress=advance, command=command)
        before += len(plan.cells)
    return Outcome(experiment, path, datasets, tuple(experiment.checks(datasets)))


def _plans(experiment: Experiment, replaying: Mapping[str, str]) -> tuple[Plan, ...]:
    if not replaying:
        return experiment.plans()
    if experiment.replays is None:
        raise ValueError(
            f"{experiment.name} takes no other {' or '.join(replaying)}: its network and media are its own"
        )
    return experiment.replays(**replaying)


def draw(outcome: Outcome) -> "Figure":
    """The picture of an experiment, with what it is about below it."""
    from glassbench.experiments.results.plots.style import footline

    several = len(outcome.datasets) > 1
    figure = outcome.experiment.figure(outcome.datasets)
    footline(
        figure,
        [f"{name + ': ' if several else ''}{subject(data)}" for name, data in outcome.datasets.items()],
    )
    return figure
