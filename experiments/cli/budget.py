"""`glass budget`: hold latency budgets in CI, and record the baseline they are held against."""

from pathlib import Path
from typing import Annotated

import typer

from glassbench.experiments.cli.errors import FAILED
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
from glassbench.experiments.cli.output import print_json, write_file
from glassbench.experiments.cli.pictures import draw_files, echo_drawn
from glassbench.experiments.cli.progress import progress_bars
from glassbench.experiments.cli.table_layout import print_whole
from glassbench.experiments.cli.terminal import say
from glassbench.experiments.results.figure_form import PageSize
from glassbench.experiments.results.files import ResultsError

app = typer.Typer(
    add_completion=False, no_args_is_help=True, help="Latency budgets for CI: checked, and recorded as a baseline."
)

File = Annotated[Path, typer.Argument(metavar="BUDGETS.toml", help="A file of budgets: docs/budgets.md.")]


@app.command()
def check(
    budgets: File,
    *,
    baseline: Annotated[
        Path | None, typer.Option(metavar="FILE", help="What glass budget record wrote, for limits against it.")
    ] = None,
    junit: Annotated[Path | None, typer.Option(metavar="FILE", help="Write JUnit XML, a test case a budget.")] = None,
    markdown: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a summary in GitHub-flavoured markdown.")
    ] = None,
    results: Results = Path("results"),
    workers: Workers = None,
    live: Live = False,
    emulator: WithEmulator = None,
    figures: Figures = None,
    figure_size: FigureSize = PageSize.SCREEN,
    as_json: AsJson = False,
) -> None:
    """Check budgets, in virtual time or --live: 0 if all are kept, 1 if one is broken, 2 if the input is wrong.

    A broken one says by how much, and which stage between capture and display
    ate it. What was measured stays in the results folder: the same check of the
    same code does not run again, unless it is --live: then it breaks a limit only
    where chance is no excuse. With --figures each budget is drawn over the checks
    that are there.
    """
    from glassbench.experiments.budgets.baseline import load_baseline
    from glassbench.experiments.budgets.check import check as judge_all
    from glassbench.experiments.budgets.check import require
    from glassbench.experiments.budgets.json_report import json_report
    from glassbench.experiments.budgets.junit import junit as junit_xml
    from glassbench.experiments.budgets.markdown import markdown as markdown_text
    from glassbench.experiments.budgets.measure import measure
    from glassbench.experiments.budgets.spec import load_budgets
    from glassbench.experiments.budgets.text import answer
    from glassbench.experiments.cli.budget_table import budget_table

    wanted = load_budgets(budgets)
    before = None if baseline is None else load_baseline(baseline)
    world = world_of(live, emulator, workers=workers)
    require(wanted, before, world.words)
    with progress_bars(quiet=as_json) as progress:
        measured = measure(wanted, results, world=world, workers=workers, progress=progress, command=command_line())
    report = judge_all(wanted, measured, before)
    if as_json:
        print_json(json_report(report), results=report.measured.path, notes=report.notes)
    else:
        print_whole(budget_table(report))
        for note in report.notes:
            say(f"note: {note}")
        say(answer(report))
        say(f"results: {measured.path} (complete)")
    _write((junit, junit_xml(report)), (markdown, markdown_text(report).encode()), quiet=as_json)
    if figures:
        from glassbench.experiments.budgets.history import checks_before, history_figure

        earlier = checks_before(report, results)
        form = form_of(figures, figure_size)
        echo_drawn(
            draw_files(measured.path / "budgets", lambda: history_figure(report, earlier), form), as_json=as_json
        )
    if not report.kept:
        raise typer.Exit(FAILED)


@app.command()
def record(
    budgets: File,
    *,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", help="The baseline (default: BUDGETS.baseline.json)."),
    ] = None,
    results: Results = Path("results"),
    workers: Workers = None,
    live: Live = False,
    emulator: WithEmulator = None,
    as_json: AsJson = False,
) -> None:
    """Measure what the budgets are about and write it as a baseline, to be committed beside them."""
    from glassbench.experiments.budgets.baseline import baseline_text
    from glassbench.experiments.budgets.measure import measure
    from glassbench.experiments.budgets.spec import load_budgets

    wanted = load_budgets(budgets)
    world = world_of(live, emulator, workers=workers)
    with progress_bars(quiet=as_json) as progress:
        measured = measure(wanted, results, world=world, workers=workers, progress=progress, command=command_line())
    text = baseline_text(measured, command=command_line())
    path = output or budgets.with_suffix(".baseline.json")
    said = write_file(path, text.encode())
    if as_json:
        print_json({"baseline": str(path)}, results=measured.path)
        return
    typer.echo(said)
    typer.echo(f"results: {measured.path} (complete)")


def _write(*files: tuple[Path | None, bytes], quiet: bool) -> None:
    """Write each file that is asked for. One that cannot be written does not keep the others from it. Raises
    ResultsError."""
    errors = []
    for path, content in files:
        if path is None:
            continue
        try:
            said = write_file(path, content)
        except ResultsError as error:
            errors.append(error)
        else:
            typer.echo(said, err=quiet)
    if errors:
        raise errors[0]
