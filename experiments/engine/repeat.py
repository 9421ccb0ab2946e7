"""The same scenario with many seeds: what one run cannot tell, several can."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from glassbench.experiments.engine.plan import grid
from glassbench.experiments.engine.plan_run import run_plan
from glassbench.experiments.engine.progress import Advance, unwatched
from glassbench.experiments.results.dataset import Dataset
from glassbench.experiments.scenario import Scenario
from glassbench.experiments.worlds.table import VIRTUAL
from glassbench.experiments.worlds.world import World


def repeat(
    scenario: Scenario,
    runs: int,
    *,
    results: str | Path = Path("results"),
    run_id: str | None = None,
    workers: int | None = None,
    world: World = VIRTUAL,
    capture: bool = False,
    progress: Advance = unwatched,
    command: Sequence[str] = (),
) -> Dataset:
    """Run a scenario with its seed and the `runs` - 1 after it, into the folder `run_id` of `results`: without one
    NAME-seedsFIRST-LAST, and in another world than virtual time a name that ends with `-live`.

    All arms meet the same seeds, so they can be compared pair by pair: `experiments.results.evidence`. What an earlier
    call finished is not run again. Raises PlanError, ResultsError, and Interrupted after Ctrl-C.
    """
    seeds = range(scenario.seed, scenario.seed + runs)
    plan = grid(scenario.name, scenario, seeds=seeds, floor=world.has_floor, frames=True, quality=scenario.has_pictures)
    plan = replace(plan, world=world)
    named = f"{scenario.name}-seeds{seeds[0]}-{seeds[-1]}{'' if world.exact else '-live'}"
    path = Path(results) / (run_id or named)
    about = {"scenario": scenario.dump(), "seeds": [seeds[0], seeds[-1]]}
    return run_plan(plan, path, workers=workers, capture=capture, progress=progress, command=command, about=about)
