"""Running a scenario: every arm over the same network, into one run folder.

run = glassbench.compare(trace="lte-driving", arms=["rtp", "quic-datagram"], duration=10)
run = glassbench.run("scenario.toml")
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from glassbench.experiments import scenario
from glassbench.experiments.account.arm_result import ArmResult
from glassbench.experiments.engine.jobs import Done, Job, Progress, run_jobs
from glassbench.experiments.results import run_folder
from glassbench.experiments.results.arm_folder import write_arm
from glassbench.experiments.results.captures import CAPTURES
from glassbench.experiments.results.files import OutputError, ResultsError
from glassbench.experiments.results.run import Run, load
from glassbench.experiments.results.run_folder import arm_place
from glassbench.experiments.results.versions import versions
from glassbench.experiments.scenario import Scenario
from glassbench.experiments.scenario.bottleneck_specs import TraceSpec
from glassbench.experiments.scenario.element_spec import DIRECTIONS
from glassbench.experiments.scenario.spec import FLOOR
from glassbench.experiments.scenario.title import title
from glassbench.experiments.scenario.trace_window import trace_window
from glassbench.experiments.worlds.table import VIRTUAL, named
from glassbench.experiments.worlds.world import World
from glassbench.netem.live.processors import usable_processors

RESULTS = Path("results")
DELAY = "20ms"  # of propagation, each way, where a trace of somebody else's network does not say it


class Interrupted(KeyboardInterrupt):
    """Ctrl-C: `run` holds what was measured, marked incomplete."""

    def __init__(self, run: Run) -> None:
        super().__init__(f"interrupted; {run.path} holds what was measured")
        self.run = run


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
    """The shipped scenario "default" with another trace, place in a recorded one ('90s') at the first capture, columns
    of one that is a log, source, list of arms, duration (seconds or '20s') or seed.

    A trace that records no delay of its own gets DELAY in each direction, as `network.delay`. Raises ScenarioError.
    """
    content = scenario.shipped("default").dump()
    if trace is not None:
        content["network"] = {**content["network"], "trace": trace}
        content["name"] = _file_name(trace)
    if trace_start is not None:
        content["network"] = {**content["network"], "trace_start": trace_start}
    if trace_columns is not None:
        content["network"] = {**content["network"], "trace_columns": trace_columns}
    if source is not None:
        content["video"] = {**content["video"], "source": source}
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
    progress: Progress = lambda arm, share: None,
    command: Sequence[str] = (),
) -> Run:
    """Run a scenario, given as a value or as a file, and open its results.

    `run_id` names the folder under `results`; without one it is named after scenario and seed. An existing folder is
    never written over. `workers` is the number of processes, one per usable processor by default. With `capture` the
    folder has `captures/` too: the packets of each arm for Wireshark, and qlogs for qvis. `world` is where it runs, by
    its name (virtual, netns, relay or kernel) or, to a receiver on another host, an `OtherHost`: then there is no
    floor, and captures have what this host sees. `progress(arm, share)` is called in the calling thread. Raises
    ScenarioError, ResultsError, OSError without the world, and Interrupted after Ctrl-C.
    """
    plan = what if isinstance(what, Scenario) else scenario.load(what)
    if isinstance(world, str):
        world = named(world)
    world.check(plan, capture=capture)
    window = trace_window(plan) if world.has_floor else None
    manifest = {
        "title": title(plan, network=world.has_floor),
        "scenario": plan.dump(),
        "seed": plan.seed,
        **({"trace_window": window.record()} if window is not None else {}),
        "world": world.words,
        "command": list(command),
        "versions": versions(),
        "arms": {arm.label: "not run" for arm in plan.arms},
    }
    workers = (workers or usable_processors()) if world.parallel else 1
    with run_folder.create(Path(results), run_id or f"{plan.name}-seed{plan.seed}", manifest) as folder:
        return _Comparison(plan, folder, progress, capture=capture, world=world).run(workers)


class _Comparison:
    """The arms of a scenario, and the floor that they are measured against."""

    def __init__(self, plan: Scenario, folder: Path, progress: Progress, *, capture: bool, world: World) -> None:
        self._plan = plan
        self._folder = folder
        self._captures = folder / CAPTURES if capture else None
        self._world = world
        self._progress = progress
        self._done: dict[str, Done] = {}
        self._places = {arm.label: arm_place(folder, index, arm.label) for index, arm in enumerate(plan.arms)}

    def run(self, workers: int) -> Run:
        plan, floor = self._plan, self._plan.floor()
        jobs = [
            Job(
                arm,
                plan,
                arm,
                place,
                world=self._world,
                capture=self._captures and self._captures / place.name,
            )
            for arm, place in self._places.items()
        ]
        if self._world.has_floor:
            jobs.append(Job(FLOOR, floor, floor.arms[0].label, None, quality=False, world=self._world))
        try:
            ended = run_jobs(jobs, workers=workers, progress=self._progress, finished=self._finished)
            self._name_missing()
            run_folder.finish(self._folder, complete=ended, floor=self._floor())
        except ResultsError as error:
            raise type(error)(f"{error}; kept in {self._folder}: {run_folder.kept(self._folder)}") from None
        run = load(self._folder)
        if not ended:
            raise Interrupted(run)
        return run

    def _finished(self, job: Job, done: Done) -> None:
        self._done[job.name] = done
        self._progress(job.name, 1.0)
        if done.unwritten is not None:
            raise OutputError(done.unwritten)
        if job.place is not None:
            if not done.kept:
                write_arm(job.place, ArmResult(job.arm, done.outcome, done.reason))
            run_folder.note_outcome(self._folder, job.arm, done.outcome)

    def _name_missing(self) -> None:
        """Arms that never began have a row too."""
        for arm, place in self._places.items():
            if arm not in self._done:
                write_arm(place, ArmResult(arm, "not run", "interrupted before it began"))

    def _floor(self) -> dict[str, Any]:
        done = self._done.get(FLOOR)
        return {"outcome": "not run"} if done is None else {"outcome": done.outcome, **done.summary}


def _records_delay(plan: Scenario) -> bool:
    """Whether the trace of a scenario says how long packets are under way."""
    return any(
        element.sample(direction).delay is not None
        for direction, path in zip(DIRECTIONS, plan.network.paths(), strict=True)
        for element in path
        if isinstance(element, TraceSpec)
    )


def _file_name(trace: str) -> str:
    """A name for the run out of the name of a trace or its file."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", Path(trace).stem).strip("-._")[:64] or "trace"
