"""`glass report`: an earlier run or dataset again, and a page of it for others."""

from pathlib import Path
from typing import Annotated

import typer

from glassbench.experiments.cli.options import AsJson, Figures, FigureSize, Folder, form_of
from glassbench.experiments.cli.output import write_file
from glassbench.experiments.cli.pictures import no_window
from glassbench.experiments.cli.show import show
from glassbench.experiments.results.dataset import load
from glassbench.experiments.results.figure_form import PageSize


def report(
    folder: Folder,
    *,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="The page (default: report.html in FOLDER).")
    ] = None,
    figures: Figures = None,
    figure_size: FigureSize = PageSize.SCREEN,
    as_json: AsJson = False,
) -> None:
    """Write one HTML page of results: verdict, numbers, pictures, network, provenance.

    It needs no other file and no network, prints well, and follows light and
    dark. The table is printed too, and the pictures of a run are drawn again.
    """
    dataset = load(folder)
    show(dataset, form=form_of(figures, figure_size), as_json=as_json)
    with no_window():
        from glassbench.experiments.results.report.page import page
        from glassbench.experiments.results.report.report import report_of

    html = page(report_of(dataset)).encode()
    done = write_file(output or folder / "report.html", html, follow=output is not None)
    if not as_json:
        typer.echo(f"report: {done}")
