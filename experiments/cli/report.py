"""`glass report`: an earlier run or dataset again, and a page of it for others."""

import webbrowser
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
    open_page: Annotated[bool, typer.Option("--open", help="Open the page in a browser.")] = False,
    figures: Figures = None,
    figure_size: FigureSize = PageSize.SCREEN,
    as_json: AsJson = False,
) -> None:
    """Write one HTML page of results: question, verdict, why, numbers, how to reproduce it.

    It needs no other file and no network, prints well, and follows light and
    dark. The table is printed too, and the pictures of a run are drawn again.
    """
    dataset = load(folder)
    show(dataset, form=form_of(figures, figure_size), as_json=as_json)
    with no_window():
        from glassbench.experiments.results.report.page import page
        from glassbench.experiments.results.report.report import report_of

    html = page(report_of(dataset)).encode()
    path = output or folder / "report.html"
    done = write_file(path, html, follow=output is not None)
    if not as_json:
        typer.echo(f"report: {done}")
    if open_page and not _opened(path):
        typer.echo(f"note: there is no browser here that could open it: open {path} in one elsewhere", err=True)


def _opened(path: Path) -> bool:
    """Whether a browser shows the page now; it takes a file, and not a pipe or a device."""
    try:
        return path.is_file() and webbrowser.open(path.resolve().as_uri())
    except webbrowser.Error:
        return False
