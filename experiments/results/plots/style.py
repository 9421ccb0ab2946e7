"""One look for all pictures: colours that colour-blind readers can tell apart, and dashes and hatches for print in
grey."""

import io
import math
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

# Okabe and Ito, "Color Universal Design", 2008; black is kept for text and capacity.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7F7F7F")
DASHES: tuple[tuple[int, tuple[float, ...]], ...] = (
    (0, ()),
    (0, (5, 1.5)),
    (0, (1, 1)),
    (0, (6, 1.5, 1, 1.5)),
)
MARKERS = ("o", "s", "^", "D", "v", "P", "X")

INK = "#222222"
FAINT = "#B8B8B8"

LEAST_MS = 0.1  # what is faster, or takes no time in a simulation, is drawn here: a logarithmic axis has no zero

_LETTERS_PER_INCH = 11  # of a title


@dataclass(frozen=True, slots=True)
class LineStyle:
    """How one arm is drawn in every picture of a run."""

    color: str
    dashes: tuple[int, tuple[float, ...]]
    marker: str


@contextmanager
def own_style(settings: Any) -> Iterator[None]:
    """Matplotlib with its defaults and these settings. What a user's matplotlibrc says, such as `text.usetex`, would
    make another picture, or none."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(settings)
        yield


def png(figure: Figure) -> bytes:
    """A figure as the content of a file."""
    picture = io.BytesIO()
    figure.savefig(picture, format="png", metadata={"Software": None})
    return picture.getvalue()


def arm_styles(arms: list[str]) -> dict[str, LineStyle]:
    """A colour, dash pattern and marker per arm, no two alike for up to 28 arms, in the order given."""
    return {
        arm: LineStyle(
            color=PALETTE[index % len(PALETTE)],
            dashes=DASHES[(index + 2 * (index // len(PALETTE))) % len(DASHES)],
            marker=MARKERS[(index + index // len(PALETTE)) % len(MARKERS)],
        )
        for index, arm in enumerate(arms)
    }


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of a size in inches. It is not pyplot's: nothing is global, so notebooks and worker processes do
    not get into each other's way."""
    return Figure(figsize=(width, height), layout="constrained", dpi=150)


def headline(figure: Figure, text: str, subject: str) -> None:
    """The title of a figure, and below it what it is about, in lines that fit."""
    width = int(figure.get_figwidth() * _LETTERS_PER_INCH)
    figure.suptitle("\n".join([text, *textwrap.wrap(subject, width)]), x=0.01, ha="left", fontsize=11, color=INK)


def footline(figure: Figure, lines: Sequence[str]) -> None:
    """Text at the bottom of a figure that says what its panels are about."""
    width = int(figure.get_figwidth() * _LETTERS_PER_INCH * 11 / 7)
    wrapped = [part for line in lines for part in textwrap.wrap(line, width)]
    figure.supxlabel("\n".join(wrapped), x=0.01, ha="left", fontsize=7, color=INK)


def log_ticks(low: float, high: float, most: int) -> list[float]:
    """At most `most` round numbers between the ends of a logarithmic axis: 1, 2 and 5 of each decade, or fewer. Where
    the ends are too close for two of those, they are numbers at equal distances."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for digits in ((1, 2, 5), (1, 3), (1,)):
        ticks = [tick for decade in decades for digit in digits if low <= (tick := digit * 10.0**decade) <= high]
        if 2 <= len(ticks) <= most:
            return ticks
    if len(ticks) > most:
        return ticks[:: math.ceil(len(ticks) / most)]
    return [tick for tick in map(float, MaxNLocator(most - 1).tick_values(low, high)) if low <= tick <= high]


def log_scale(axes: Axes, axis: Axis, low: float, high: float, most: int) -> None:
    """A logarithmic axis with these ends and at most `most` ticks, labelled with plain numbers."""
    across = axis is axes.xaxis
    (axes.set_xscale if across else axes.set_yscale)("log")
    (axes.set_xlim if across else axes.set_ylim)(low, high)
    axis.set_major_locator(FixedLocator(log_ticks(low, high, most)))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def tidy(axes: Axes) -> None:
    """The axes of this project: no box, a faint grid behind the data."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(FAINT)
    axes.tick_params(colors=INK, length=3, labelsize=8)
    axes.grid(color=FAINT, linewidth=0.4, alpha=0.6)
    axes.set_axisbelow(True)
