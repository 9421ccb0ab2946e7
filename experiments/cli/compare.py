"""`glass compare`, the main job, and `glass run` for a scenario file."""

from collections.abc import Callable
from contextlib import suppress
from functools import partial
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
from glassbench.experiments.cli.progress import progress_bars
from glassbench.experiments.cli.show import show
from glassbench.experiments.results.dataset import Dataset, load
from glassbench.experiments.results.files import ResultsError
from glassbench.experiments.scenario.spec import FLOOR
from glassbench.experiments.worlds.world import World

if TYPE_CHECKING:
    from glassbench.experiments.engine.progress import Advance
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

    Without options it runs the scenario "adaptive" (glass list scenarios);
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

    measured = partial(repeat, scenario, runs) if runs > 1 else partial(run, scenario)
    measure_and_show(
        lambda progress: (
            measured(
                results=results,
                workers=workers,
                world=world,
                capture=capture,
                progress=progress,
                command=command_line(),
            ).path
        ),
        as_json=as_json,
    )


def measure_and_show(measure: "Callable[[Advance], Path]", *, as_json: bool) -> Dataset:
    """Measure with progress, and show the folder of results, also what an interrupt left of one run. Exit code 1 if an
    arm failed."""
    from glassbench.experiments.engine.plan_run import Interrupted

    try:
        with progress_bars(quiet=as_json) as progress:
            dataset = load(measure(progress))
    except Interrupted as interrupted:
        with suppress(ResultsError):  # of many runs nothing is shown before all are there
            show(load(interrupted.path), as_json=as_json)
        raise
    show(dataset, as_json=as_json)
    arms = dataset.summary[dataset.summary["arm"] != FLOOR]
    if failed := arms.loc[arms["outcome"] == "failed", "arm"].tolist():
        typer.echo(f"error: {len(failed)} of {len(arms)} arms failed: {', '.join(dict.fromkeys(failed))}", err=True)
        raise typer.Exit(FAILED)
    return dataset
