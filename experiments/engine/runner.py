"""Runs a scenario: every arm over the same network, into one folder of results.

data = glassbench.compare(trace="lte-driving", arms=["rtp", "quic-datagram"], duration=10)
data = glassbench.run("scenario.toml", runs=20, loss="2%")
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Unpack

from glassbench.experiments import scenario
from glassbench.experiments.engine.changes import Changes, changed
from glassbench.experiments.engine.plan import grid
from glassbench.experiments.engine.plan_run import Interrupted, run_plan
from glassbench.experiments.engine.progress import Advance, unwatched
from glassbench.experiments.engine.repeat import repeat
from glassbench.experiments.results.dataset import Dataset
from glassbench.experiments.scenario import Scenario
from glassbench.experiments.worlds.table import VIRTUAL, named
from glassbench.experiments.worlds.world import World

RESULTS = Path("results")
DEFAULT = "adaptive"
"""The scenario of a comparison that names none."""


class RunOptions(Changes, total=False):
    """How a scenario is run, beside what is changed of it: what `run` takes by these names."""

    runs: int
    results: str | Path
    run_id: str | None
    workers: int | None
    capture: bool
    world: World | str
    progress: Advance
    command: Sequence[str]


def compare(**options: Unpack[RunOptions]) -> Dataset:
    """Run the shipped scenario "adaptive" with these options of `run`: the same as `run("adaptive", ...)`."""
    return run(DEFAULT, **options)


def run(
    what: Scenario | str | Path,
    *,
    runs: int = 1,
    results: str | Path = RESULTS,
    run_id: str | None = None,
    workers: int | None = None,
    capture: bool = False,
    world: World | str = VIRTUAL,
    progress: Advance = unwatched,
    command: Sequence[str] = (),
    **changes: Unpack[Changes],
) -> Dataset:
    """Run a scenario, given as a value, a file, or the name of a shipped one, with `changes`; and open its results.

    With several `runs` the seeds after its own are run, too: all arms meet the same seeds, and the answer has
    intervals; what an earlier call finished is not run again then. `run_id` names the folder under `results`; without
    one it is named after scenario and seeds. The folder of one run is never written over. `workers` is the number of
    processes, one per usable processor by default. With `capture` the folder has `captures/` too: the packets of each
    arm for Wireshark, and qlogs for qvis. `world` is where it runs, by its name (virtual, netns, relay, kernel or
    host) or, to a receiver on another host, an `OtherHost`: then there is no floor, and captures have what this host
    sees. `progress` is called in the calling thread. Raises ScenarioError, ResultsError, OSError without the world, and
    Interrupted after Ctrl-C.
    """
    plan = changed(what if isinstance(what, Scenario) else scenario.load(what), changes)
    if isinstance(world, str):
        world = named(world)
    if runs > 1:
        return repeat(
            plan,
            runs,
            results=results,
            run_id=run_id,
            workers=workers,
            world=world,
            capture=capture,
            progress=progress,
            command=command,
        )
    grid_of_one = grid(
        plan.name, plan, floor=world.has_floor, frames=True, quality=plan.has_pictures and world.sees_pictures
    )
    about = {"scenario": plan.dump(), "seeds": [plan.seed]}
    try:
        return run_plan(
            replace(grid_of_one, world=world),
            Path(results) / (run_id or f"{plan.name}-seed{plan.seed}"),
            workers=workers,
            capture=capture,
            fresh=True,
            progress=progress,
            command=command,
            about=about,
        )
    except Interrupted as interrupted:
        path = interrupted.path
        raise Interrupted(f"interrupted; {path} holds what was measured", path) from None
