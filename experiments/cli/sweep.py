"""`glass sweep`: a grid over fields of a scenario, arms and seeds, here or on a cluster."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from glassbench.experiments.cli.change_options import option_of, with_changes
from glassbench.experiments.cli.errors import FAILED
from glassbench.experiments.cli.options import AsJson, Figures, FigureSize, Results, Workers, command_line, form_of
from glassbench.experiments.cli.output import print_json
from glassbench.experiments.cli.pictures import draw_results, echo_drawn
from glassbench.experiments.cli.progress import progress_bars
from glassbench.experiments.cli.show_runs import median_rows, overlap_object, print_others
from glassbench.experiments.cli.sweep_table import sweep_table
from glassbench.experiments.cli.table_layout import print_whole
from glassbench.experiments.cli.terminal import say
from glassbench.experiments.results.figure_form import PageSize

if TYPE_CHECKING:
    from glassbench.experiments.engine.changes import Changes


@with_changes()
def sweep(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A sweep (TOML): docs/sweeps.md.")],
    *,
    changes: "Changes",
    runs: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=10_000,
            metavar="COUNT",
            help="Runs of each combination with one seed after the other.",
            show_default="the seeds of the file",
        ),
    ] = None,
    results: Results = Path("results"),
    workers: Workers = None,
    cluster: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Run on the workers of this Dask scheduler, such as tcp://host:8786."),
    ] = None,
    figures: Figures = None,
    figure_size: FigureSize = PageSize.SCREEN,
    as_json: AsJson = False,
) -> None:
    """Run every combination of a grid x arms x seeds, in virtual time.

    Options that change a scenario change that of the sweep, where they are no axis
    of it. Each finished cell is kept at once. After Ctrl-C, a crash or a full disk the
    same command goes on where it stopped; what is finished never runs again.
    """
    from glassbench.experiments.engine.changes import WrongChange
    from glassbench.experiments.engine.plan_run import run_plan
    from glassbench.experiments.engine.sweep import load_sweep
    from glassbench.experiments.results.versions import versions

    if cluster is not None and workers is not None:
        raise typer.BadParameter("a cluster has its own workers; accepted is --cluster or --workers")
    try:
        plan = load_sweep(file, changes, runs=runs)
    except WrongChange as error:
        raise ValueError(f"{option_of(error.word)}: {error.sentence}") from None
    run_cells = None
    if cluster is not None:
        from glassbench.experiments.engine.cluster import on_cluster

        run_cells = on_cluster(cluster)
    path = results / plan.name
    with progress_bars(quiet=as_json) as progress:
        dataset = run_plan(plan, path, workers=workers, run_cells=run_cells, progress=progress, command=command_line())
    outcomes = dataset.rows["outcome"].value_counts().to_dict()
    if as_json:
        record = {"cells": outcomes, "points": median_rows(dataset), **overlap_object(dataset)}
        print_json(record, results=path, notes=dataset.notes)
    else:
        print_whole(sweep_table(dataset))
        print_others(dataset)
        if dataset.manifest["versions"] != versions():
            say("note: made with another version of Glassbench; to measure again, remove the folder")
        say(f"results: {path} (complete, {len(dataset.rows)} cells)")
        say(f'a row per cell: glassbench.load("{path}").summary')
    echo_drawn(draw_results(dataset, form_of(figures, figure_size)), as_json=as_json)
    if failed := outcomes.get("failed", 0):
        typer.echo(f"error: {failed} of {len(dataset.rows)} cells failed", err=True)
        raise typer.Exit(FAILED)
