"""`glass compare`, the main job, and `glass run` for a scenario file."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from glassbench.experiments.cli.change_options import scenario_with, with_changes
from glassbench.experiments.cli.errors import FAILED
from glassbench.experiments.cli.options import (
    AsJson,
    Capture,
    Figures,
    FigureSize,
    Live,
    Results,
    Runs,
    ScenarioName,
    WithEmulator,
    Workers,
    command_line,
    form_of,
    world_of,
)
from glassbench.experiments.cli.progress import progress_bars
from glassbench.experiments.cli.show import show
from glassbench.experiments.results.dataset import Dataset, load
from glassbench.experiments.results.figure_form import FigureForm, PageSize
from glassbench.experiments.results.files import ResultsError

if TYPE_CHECKING:
    from glassbench.experiments.engine.changes import Changes
    from glassbench.experiments.engine.progress import Advance
    from glassbench.experiments.scenario import Scenario
    from glassbench.experiments.worlds.world import World


@with_changes()
def compare(
    *,
    changes: "Changes",
    runs: Runs = 1,
    results: Results = Path("results"),
    workers: Workers = None,
    capture: Capture = False,
    live: Live = False,
    emulator: WithEmulator = None,
    figures: Figures = None,
    figure_size: FigureSize = PageSize.SCREEN,
    as_json: AsJson = False,
) -> None:
    """Compare transports on one clip over one network, in virtual time or --live.

    Without options it runs the scenario "adaptive" (glass list scenarios);
    each option changes one thing of it. glass run does the same with another
    scenario.
    """
    from glassbench.experiments.engine.runner import DEFAULT

    world = world_of(live, emulator, workers=workers)
    _measure(
        scenario_with(DEFAULT, changes, quiet=as_json),
        runs=runs,
        results=results,
        workers=workers,
        capture=capture,
        world=world,
        form=form_of(figures, figure_size),
        as_json=as_json,
    )


@with_changes()
def run(
    scenario: ScenarioName,
    *,
    changes: "Changes",
    runs: Runs = 1,
    results: Results = Path("results"),
    workers: Workers = None,
    capture: Capture = False,
    live: Live = False,
    emulator: WithEmulator = None,
    figures: Figures = None,
    figure_size: FigureSize = PageSize.SCREEN,
    as_json: AsJson = False,
) -> None:
    """Run a scenario, in virtual time or --live: docs/scenarios.md describes its fields."""
    world = world_of(live, emulator, workers=workers)
    _measure(
        scenario_with(scenario, changes, quiet=as_json),
        runs=runs,
        results=results,
        workers=workers,
        capture=capture,
        world=world,
        form=form_of(figures, figure_size),
        as_json=as_json,
    )


def _measure(
    scenario: "Scenario",
    *,
    runs: int,
    results: Path,
    workers: int | None,
    capture: bool,
    world: "World",
    form: FigureForm,
    as_json: bool,
) -> None:
    from glassbench.experiments.engine.runner import run

    measure_and_show(
        lambda progress: (
            run(
                scenario,
                runs=runs,
                results=results,
                workers=workers,
                world=world,
                capture=capture,
                progress=progress,
                command=command_line(),
            ).path
        ),
        form=form,
        as_json=as_json,
    )


def measure_and_show(measure: "Callable[[Advance], Path]", *, form: FigureForm, as_json: bool) -> Dataset:
    """Measure with progress, and show the folder of results, also what an interrupt left of one run. Exit code 1 if an
    arm failed."""
    from glassbench.experiments.engine.plan_run import Interrupted

    try:
        with progress_bars(quiet=as_json) as progress:
            dataset = load(measure(progress))
    except Interrupted as interrupted:
        with suppress(ResultsError):  # of many runs nothing is shown before all are there
            show(load(interrupted.path), form=form, as_json=as_json)
        raise
    show(dataset, form=form, as_json=as_json)
    arms = dataset.summary
    if failed := arms.loc[arms["outcome"] == "failed", "arm"].tolist():
        typer.echo(f"error: {len(failed)} of {len(arms)} arms failed: {', '.join(dict.fromkeys(failed))}", err=True)
        raise typer.Exit(FAILED)
    return dataset
