"""What a figure is drawn for: a screen, a column of a paper, or a slide; and how it becomes a file.

`drawn_for` sets it, as matplotlib sets its own style, for all that is drawn within.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from glassbench.experiments.results.figure_form import FigureFormat, PageSize


@dataclass(frozen=True, slots=True)
class Page:
    """`width` in inches, and `height`, None where a figure is as high as it needs. `text` is the size of usual text in
    points, `line` what lines and markers are multiplied by. `stacked`: panels stand below each other. Of more than
    `rows` arms, one a row, the soonest are drawn."""

    width: float
    height: float | None
    text: float
    line: float
    dpi: int
    stacked: bool
    rows: int


_PAGES = {
    PageSize.SCREEN: Page(11, None, 8.0, 1.0, 150, stacked=False, rows=12),
    PageSize.COLUMN: Page(3.4, None, 7.5, 0.8, 300, stacked=True, rows=8),
    PageSize.SLIDE: Page(13.33, 7.5, 15.0, 1.8, 100, stacked=False, rows=6),
}
_current: ContextVar[Page] = ContextVar("page", default=_PAGES[PageSize.SCREEN])

_SMALL = 0.833  # matplotlib's "small", which is what usual text is here: titles are larger


def page() -> Page:
    """The page that is drawn for now: a screen, unless `drawn_for` says otherwise."""
    return _current.get()


@contextmanager
def drawn_for(size: str = PageSize.SCREEN) -> Iterator[None]:
    """Draw for a page of this size, with our style alone: what a user's matplotlibrc says, such as `text.usetex`, would
    make another picture, or none. Raises ValueError for an unknown size."""
    if size not in _PAGES:
        raise ValueError(f"size: found {size!r}, accepted are {', '.join(_PAGES)}")
    chosen = _PAGES[PageSize(size)]
    token = _current.set(chosen)
    try:
        with own_style({"font.size": chosen.text / _SMALL, "hatch.linewidth": 0.7 * chosen.line}):
            yield
    finally:
        _current.reset(token)


@contextmanager
def own_style(settings: Any) -> Iterator[None]:
    """Matplotlib with its defaults, what all our pictures have, and these settings."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(
            {
                "text.parse_math": False,  # a label is a label, whatever dollars are in it
                "pdf.fonttype": 42,  # fonts are embedded as they are, and text can be searched and edited
                "svg.fonttype": "none",
                "svg.hashsalt": "glassbench",
            }
        )
        mpl.rcParams.update(settings)
        yield


def rendered(figure: Figure, format: FigureFormat = FigureFormat.PNG) -> bytes:
    """A figure as the content of a file, the same bytes again for the same figure: no date is in it."""
    undated = {
        FigureFormat.PNG: {"Software": None},
        FigureFormat.PDF: {"CreationDate": None},
        FigureFormat.SVG: {"Date": None},
    }
    content = io.BytesIO()
    figure.savefig(content, format=format, metadata=undated[format])
    return content.getvalue()
