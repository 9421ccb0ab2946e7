"""Pictures come after the numbers, and one that cannot be drawn or written becomes a note: the fonts, settings and
disks of a user can prevent it."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from glassbench.experiments.cli.output import write_file
from glassbench.experiments.results.dataset import Dataset
from glassbench.experiments.results.figure_form import FigureForm, FigureFormat, PageSize
from glassbench.experiments.results.files import ResultsError, write_bytes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_WROTE = "wrote "


def draw_results(dataset: Dataset, form: FigureForm) -> list[str]:
    """Draw every figure of results into their folder; none if no arm has frames. A line for each file: what was done,
    or a note why not."""
    try:
        with no_window():
            from glassbench.experiments.results.plots.figures import plots_of

            plots = plots_of(dataset)
    except Exception as error:  # of matplotlib: the numbers are out already
        return [f"note: figures were not drawn: {_reason(error)}"]
    return [line for name, plot in plots.items() for line in draw_files(dataset.path / name, plot, form)]


def into_results(path: Path, picture: bytes) -> str:
    """Write a picture into a folder of results; what was done, or a note why not."""
    try:
        write_bytes(path, picture)
    except ResultsError as error:
        return f"note: {error}"
    return f"{_WROTE}{path}"


def draw_files(
    stem: Path, draw: "Callable[[], Figure]", form: FigureForm, write: Callable[[Path, bytes], str] = into_results
) -> list[str]:
    """Draw a figure and write a file of each format, as `write` does. A line for each: what that says, or a note why it
    was not drawn."""
    return [
        draw_file(stem.with_name(f"{stem.name}.{format}"), draw, format, form.size, write) for format in form.formats
    ]


def draw_file(
    path: Path,
    draw: "Callable[[], Figure]",
    format: FigureFormat,
    size: PageSize,
    write: Callable[[Path, bytes], str] = into_results,
) -> str:
    """Draw a figure and write this very file; what `write` says, or a note why it was not drawn."""
    try:
        with no_window():
            from glassbench.experiments.results.plots.page import drawn_for, rendered

            with drawn_for(size):
                picture = rendered(draw(), format)
    except Exception as error:  # of matplotlib or the fonts: the numbers are out already
        return f"note: {path} was not drawn: {_reason(error)}"
    return write(path, picture)


def draw_plot(
    plot: Path, figures: list[FigureFormat] | None, size: PageSize, draw: "Callable[[], Figure]"
) -> list[str]:
    """Draw a figure into the file that a user named, in the format of its ending (else PNG), or with the ending of each
    of `figures`. Raises ResultsError if a file cannot be written."""
    files = [(plot.with_suffix(f".{format}"), format) for format in figures or ()]
    ending = plot.suffix.removeprefix(".").lower()
    of_ending = FigureFormat(ending) if ending in list(FigureFormat) else FigureFormat.PNG
    return [draw_file(path, draw, format, size, write_file) for path, format in files or [(plot, of_ending)]]


def files_of(lines: list[str]) -> list[str]:
    """The files of which these lines of `draw_results` say that they were written."""
    return [line.removeprefix(_WROTE) for line in lines if line.startswith(_WROTE)]


def echo_drawn(lines: list[str], *, as_json: bool) -> None:
    """Say what was drawn; with `--json` only what was not, on stderr."""
    for line in lines:
        if line.startswith("note") or not as_json:
            typer.echo(line, err=as_json)


def _reason(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


@contextmanager
def no_window() -> Iterator[None]:
    """Let matplotlib be imported whatever MPLBACKEND says: the backend of a notebook need not be installed here."""
    named = os.environ.pop("MPLBACKEND", None)
    try:
        yield
    finally:
        if named is not None:
            os.environ["MPLBACKEND"] = named
