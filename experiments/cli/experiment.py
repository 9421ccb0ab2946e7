"""`glass experiment`: the catalog, listed and run."""

from pathlib import Path
from typing import Annotated, Any

import typer

from glassbench.experiments.cli import completion
from glassbench.experiments.cli.check_table import check_object, check_table
from glassbench.experiments.cli.options import (
    AsJson,
    Figures,
    FigureSize,
    Live,
    Results,
    WithEmulator,
    Workers,
    command_line,
    form_of,
    world_of,
)
from glassbench.experiments.cli.output import print_json
from glassbench.experiments.cli.pictures import draw_files, echo_drawn
from glassbench.experiments.cli.progress import progress_bars
from glassbench.experiments.cli.show_runs import median_rows, medians_table
from glassbench.experiments.cli.table_layout import print_whole
from glassbench.experiments.cli.terminal import say
from glassbench.experiments.cli.whole_table import TableColumn, WholeTable
from glassbench.experiments.results.figure_form import PageSize

app = typer.Typer(
    add_completion=False, no_args_is_help=True, help="The catalog of experiments: questions, and what was found."
)


@app.command("list")
def list_experiments(as_json: AsJson = False) -> None:
    """List the experiments: the question of each, the expected outcome, and its source."""
    from glassbench.experiments.catalog import EXPERIMENTS

    if as_json:
        names = ("name", "question", "expectation", "source")
        rows = [{name: getattr(experiment, name) for name in names} for experiment in EXPERIMENTS.values()]
        print_json({"rows": rows})
        return
    columns = [
        TableColumn("name", "name"),
        *(TableColumn(about, "prose") for about in ("question", "expectation", "source")),
    ]
    table = WholeTable("", columns)
    for experiment in EXPERIMENTS.values():
        table.add_row(experiment.name, experiment.question, experiment.expectation, experiment.source)
    print_whole(table)
    say("Run one: glass experiment run NAME; run all and check them: glass literature")


@app.command()
def run(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="One of glass experiment list.", autocompletion=completion.experiments)
    ],
    *,
    results: Results = Path("results"),
    workers: Workers = None,
    trace: Annotated[
        str | None,
        typer.Option(metavar="NAME|FILE", help="Of an experiment that replays a drive: another one, such as yours."),
    ] = None,
    source: Annotated[
        str | None, typer.Option(metavar="NAME|FILE", help="Of an experiment that replays a drive: another clip.")
    ] = None,
    live: Live = False,
    emulator: WithEmulator = None,
    figures: Figures = None,
    figure_size: FigureSize = PageSize.SCREEN,
    as_json: AsJson = False,
) -> None:
    """Run one experiment, in virtual time or --live: numbers, picture, and the checks of what came out."""
    from glassbench.experiments.catalog import named
    from glassbench.experiments.catalog.carry_out import carry_out, draw

    experiment = named(name)
    world = world_of(live, emulator, workers=workers)
    with progress_bars(quiet=as_json) as progress:
        outcome = carry_out(
            experiment,
            results,
            workers=workers,
            world=world,
            progress=progress,
            command=command_line(),
            replaying={key: value for key, value in (("trace", trace), ("source", source)) if value is not None},
        )
    form, picture = form_of(figures, figure_size), outcome.path / "figure"

    def drawn() -> None:
        echo_drawn(draw_files(picture, lambda: draw(outcome), form), as_json=as_json)

    if as_json:
        points: dict[str, Any] = {plan: median_rows(data) for plan, data in outcome.datasets.items()}
        checks = [check_object(check) for check in outcome.checks]
        record = {"experiment": experiment.name, "picture": f"{picture}.{form.formats[0]}"}
        print_json({**record, "checks": checks, "points": points}, results=outcome.path)
        drawn()
        return
    say(f"{experiment.question}\nExpected: {experiment.expectation} ({experiment.source})")
    for data in outcome.datasets.values():
        print_whole(medians_table(data))
    print_whole(check_table({name: outcome.checks}))
    say(f"{len(outcome.checks) - outcome.failed} of {len(outcome.checks)} checks hold.")
    say(f"results: {outcome.path} (complete)")
    drawn()
