"""Pictures come after the numbers, and one that cannot be drawn or written becomes a note: the fonts, settings and
disks of a user can prevent it."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from glassbench.experiments.results.files import ResultsError, write_bytes
from glassbench.experiments.results.run import Run


def draw_run(run: Run) -> list[str]:
    """Draw every picture of a run into its folder; none if no arm has frames. A line for each: what was done, or a
    note why not."""
    if not run.video_by_arm():
        return []

    def draw(name: str) -> bytes:
        from glassbench.experiments.results.plots.figures import PLOTS
        from glassbench.experiments.results.plots.style import own_style, png

        with own_style({"text.parse_math": False}):  # a label is a label, whatever dollars are in it
            return png(PLOTS[name](run))

    names = ("latency-cdf", "timeline", "stage-breakdown", "rates")
    return [draw_file(run.path / f"{name}.png", partial(draw, name)) for name in names]


def into_results(path: Path, picture: bytes) -> str:
    """Write a picture into a folder of results; what was done, or a note why not."""
    try:
        write_bytes(path, picture)
    except ResultsError as error:
        return f"note: {error}"
    return f"wrote {path}"


def draw_file(path: Path, draw: Callable[[], bytes], write: Callable[[Path, bytes], str] = into_results) -> str:
    """Draw a picture and write it, as `write` does; what that says, or a note why it was not drawn."""
    try:
        with no_window():
            picture = draw()
    except Exception as error:  # of matplotlib or the fonts: the numbers are out already
        return f"note: {path} was not drawn: {' '.join(str(error).split()) or type(error).__name__}"
    return write(path, picture)


@contextmanager
def no_window() -> Iterator[None]:
    """Let matplotlib be imported whatever MPLBACKEND says: the backend of a notebook need not be installed here."""
    named = os.environ.pop("MPLBACKEND", None)
    try:
        yield
    finally:
        if named is not None:
            os.environ["MPLBACKEND"] = named
