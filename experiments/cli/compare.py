"""`glass compare`, the main job, and `glass run` for a scenario file."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from glassbench.experiments.cli.errors import FAILED
from glassbench.experiments.cli.options import (
    Arms,
    AsJson,
    Capture,
    Columns,
    Duration,
    Live,
    Results,
    Source,
    WithEmulator,
    Workers,
    command_line,
    world_of,
)
from glassbench.experiments.cli.progress import Callback, arm_progress, cell_progress
from glassbench.experiments.cli.show import show_run
from glassbench.experiments.cli.show_dataset import show_dataset
from glassbench.experiments.results.run import Run
from glassbench.experiments.worlds.world import World

if TYPE_CHECKING:
    from glassbench.experiments.scenario import Scenario

Runs = Annotated[
    int,
    typer.Option(
        min=1, max=10_000, metavar="COUNT", help="Runs with one seed after the other: the answer then has intervals."
    ),
]


def compare(
    *,
    trace: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FILE",
            help="The network: see glass list traces, or a trace file; one that records no delay gets 20 ms each way.",
        ),
    ] = None,
    trace_start: Annotated[
        str | None,
        typer.Option(
            "--trace-start",
            metavar="TIME",
            help="Where a recorded trace is at the first capture, such as 90s (default: drawn by the seed).",
        ),
    ] = None,
    columns: Columns = None,
    source: Source = None,
    arm: Arms = None,
    duration: Duration = None,
    seed: Annotated[int | None, typer.Option(metavar="NUMBER", help="Another seed gives another network.")] = None,
    results: Results = Path("results"),
    workers: Workers = None,
    runs: Runs = 1,
    capture: Capture = False,
    live: Live = False,
    emulator: WithEmulator = None,
    as_json: AsJson = False,
) -> None:
    """Compare transports on one clip over one network, in virtual time or --live.

    Without options it runs the scenario "default" (glass list scenarios);
    each option changes one thing of it. For everything else there are scenario
    files: glass run.
    """
    from glassbench.experiments.engine.runner import DELAY, default_with

    scenario = default_with(
        trace=trace,
        trace_start=trace_start,
        trace_columns=columns,
        source=source,
        arms=arm,
        duration=duration,
        seed=seed,
    )
    if scenario.network.delay is not None and not as_json:
        typer.echo(f"note: {trace} records no delay: there are {DELAY} each way (in a scenario file: network.delay)")
    _measure(
        scenario,
        runs=runs,
        results=results,
        workers=workers,
        capture=capture,
        world=world_of(live, emulator, workers=workers),
        as_json=as_json,
    )


def run(
    scenario: Annotated[str, typer.Argument(help="A scenario file (TOML), or a name of glass list scenarios.")],
    *,
    results: Results = Path("results"),
    workers: Workers = None,
    runs: Runs = 1,
    capture: Capture = False,
    live: Live = False,
    emulator: WithEmulator = None,
    as_json: AsJson = False,
) -> None:
    """Run a scenario file, in virtual time or --live: docs/scenarios.md describes its fields."""
    from glassbench.experiments.scenario import load

    _measure(
        load(scenario),
        runs=runs,
        results=results,
        workers=workers,
        capture=capture,
        world=world_of(live, emulator, workers=workers),
        as_json=as_json,
    )


def _measure(
    scenario: "Scenario",
    *,
    runs: int,
    results: Path,
    workers: int | None,
    capture: bool,
    world: World,
    as_json: bool,
) -> None:
    from glassbench.experiments.engine.repeat import repeat
    from glassbench.experiments.engine.runner import run

    if runs == 1:
        run_and_show(
            lambda progress: run(
                scenario,
                results=results,
                workers=workers,
                capture=capture,
                world=world,
                progress=progress,
                command=command_line(),
            ),
            as_json=as_json,
        )
        return
    if capture:
        raise typer.BadParameter("packets are captured of one run; accepted is --capture without --runs")
    with cell_progress(quiet=as_json) as progress:
        dataset = repeat(
            scenario, runs, results=results, workers=workers, world=world, progress=progress, command=command_line()
        )
    show_dataset(dataset, as_json=as_json)


def run_and_show(
    measure: Callable[[Callback], Run], *, as_json: bool, after: Callable[[Run], None] = lambda run: None
) -> None:
    """Run one run with progress, and show it, also what an interrupt left; `after` may say more. Exit code 1 if
    an arm failed."""
    from glassbench.experiments.engine.runner import Interrupted

    try:
        with arm_progress(quiet=as_json) as progress:
            finished = measure(progress)
    except Interrupted as interrupted:
        show_run(interrupted.run, as_json=as_json)
        raise
    show_run(finished, as_json=as_json)
    after(finished)
    if failed := [arm["arm"] for arm in finished.arms if arm["outcome"] == "failed"]:
        typer.echo(f"error: {len(failed)} of {len(finished.arms)} arms failed: {', '.join(failed)}", err=True)
        raise typer.Exit(FAILED)
