"""Runs a scenario: every arm over the same network, into one run folder.

run = glassbench.compare(trace="lte-driving", arms=["rtp", "quic-datagram"], duration=10)
run = glassbench.run("scenario.toml")
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from glassbench.experiments import scenario
from glassbench.experiments.engine.plan import grid
from glassbench.experiments.engine.plan_run import Interrupted, run_plan
from glassbench.experiments.engine.progress import Advance, unwatched
from glassbench.experiments.results.run import Run
from glassbench.experiments.scenario import Scenario
from glassbench.experiments.scenario.bottleneck_specs import TraceSpec
from glassbench.experiments.scenario.element_spec import DIRECTIONS
from glassbench.experiments.worlds.table import VIRTUAL, named
from glassbench.experiments.worlds.world import World

RESULTS = Path("results")
DELAY = "20ms"  # of propagation, each way, where a trace of somebody else's network does not say it


def compare(
    *,
    trace: str | None = None,
    trace_start: str | None = None,
    trace_columns: str | None = None,
    source: str | None = None,
    arms: Sequence[str | Mapping[str, object]] | None = None,
    duration: str | float | None = None,
    seed: int | None = None,
    **options: Any,
) -> Run:
    """Run `default_with` these; `options` are those of `run`. Raises ScenarioError for bad input."""
    plan = default_with(
        trace=trace,
        trace_start=trace_start,
        trace_columns=trace_columns,
        source=source,
        arms=arms,
        duration=duration,
        seed=seed,
    )
    return run(plan, **options)


def default_with(
    *,
    trace: str | None = None,
    trace_start: str | None = None,
    trace_columns: str | None = None,
    source: str | None = None,
    arms: Sequence[str | Mapping[str, object]] | None = None,
    duration: str | float | None = None,
    seed: int | None = None,
) -> Scenario:
    """The shipped scenario "adaptive" with changes: another trace, place in a recorded one ('90s') at the first
    capture, columns of one that is a log, source, list of arms, duration (seconds or '20s') or seed.

    A trace that records no delay of its own gets DELAY in each direction, as `network.delay`. Raises ScenarioError.
    """
    content = scenario.shipped("adaptive").dump()
    network = {"trace": trace, "trace_start": trace_start, "trace_columns": trace_columns}
    content["network"] |= {name: value for name, value in network.items() if value is not None}
    if trace is not None:
        content["name"] = _file_name(trace)
    if source is not None:
        content["video"]["source"] = source
    if arms is not None:
        content["arms"] = list(arms)
    if duration is not None:
        content["duration"] = duration if isinstance(duration, str) else f"{float(duration)!r}s"
    if seed is not None:
        content["seed"] = seed
    plan = scenario.build(content)
    if trace is not None and not _records_delay(plan):
        plan = scenario.build({**content, "network": {**content["network"], "delay": DELAY}})
    return plan


def run(
    what: Scenario | str | Path,
    *,
    results: str | Path = RESULTS,
    run_id: str | None = None,
    workers: int | None = None,
    capture: bool = False,
    world: World | str = VIRTUAL,
    progress: Advance = unwatched,
    command: Sequence[str] = (),
) -> Run:
    """Run a scenario, given as a value or as a file, and open its results.

    `run_id` names the folder under `results`; without one it is named after scenario and seed. An existing folder is
    never written over. `workers` is the number of processes, one per usable processor by default. With `capture` the
    folder has `captures/` too: the packets of each arm for Wireshark, and qlogs for qvis. `world` is where it runs, by
    its name (virtual, netns, relay or kernel) or, to a receiver on another host, an `OtherHost`: then there is no
    floor, and captures have what this host sees. `progress` is called in the calling thread. Raises
    ScenarioError, ResultsError, OSError without the world, and Interrupted after Ctrl-C.
    """
    plan = what if isinstance(what, Scenario) else scenario.load(what)
    if isinstance(world, str):
        world = named(world)
    grid_of_one = grid(
        plan.name, plan, floor=world.has_floor, frames=True, quality=plan.has_pictures and world.has_floor
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
        ).run()
    except Interrupted as interrupted:
        path = interrupted.path
        raise Interrupted(f"interrupted; {path} holds what was measured", path) from None


def _records_delay(plan: Scenario) -> bool:
    """Whether the trace of a scenario says how long packets are under way."""
    return any(
        element.sample(direction).delay is not None
        for direction, path in zip(DIRECTIONS, plan.network.paths(), strict=True)
        for element in path
        if isinstance(element, TraceSpec)
    )


def _file_name(trace: str) -> str:
    """A name for the run, made of the name of a trace or its file."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", Path(trace).stem).strip("-._")[:64] or "trace"
