"""One look for all pictures: inks, titles, axes, and lines that are drawn as their arm is drawn everywhere."""

import math
import re
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from glassbench.experiments.results.arm_style import ArmStyle
from glassbench.experiments.results.plots.page import page

INK = "#222222"
FAINT = "#B8B8B8"

# Of areas that are no arms. Okabe and Ito, "Color Universal Design", 2008, and a grey.
AREAS = ("#E69F00", "#0072B2", "#56B4E9", "#009E73", "#CC79A7", "#6B6B6B")

LEAST_MS = 0.1  # what is faster, or takes no time in a simulation, is drawn here: a logarithmic axis has no zero

_LETTER = 0.57  # width of a letter of usual text, in its height


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of a size in inches. It is not pyplot's: nothing is global, so notebooks and worker processes do
    not get into each other's way."""
    return Figure(figsize=(width, height), layout="constrained", dpi=page().dpi)


def page_figure(height: float) -> Figure:
    """An empty figure as wide as the page; as high as it too, or, where the page has no height, of this one."""
    return new_figure(page().width, page().height or height)


def panels_of(figure: Figure, count: int, **layout: Any) -> list[Axes]:
    """Panels beside each other, or below each other where the page is narrow; `layout` as `subplots` takes it."""
    if not page().stacked:
        return list(figure.subplots(1, count, squeeze=False, **layout)[0])
    layout.pop("width_ratios", None)
    return list(figure.subplots(count, 1, squeeze=False, **layout)[:, 0])


def headline(figure: Figure, text: str, subject: str) -> None:
    """The title of a figure, and below it what it is about, in lines that fit. In a paper that is for the caption."""
    title = wrapped(text, _letters(figure, 1.2))
    about = [] if page().stacked else wrapped(subject, _letters(figure, 1.2))
    figure.suptitle("\n".join([*title, *about]), x=0.01, ha="left", fontsize="medium", color=INK)


def footline(figure: Figure, lines: Sequence[str]) -> None:
    """Text at the bottom of a figure that says what its panels are about."""
    parts = [part for line in lines for part in wrapped(line, _letters(figure, 0.84))]
    figure.supxlabel("\n".join(parts), x=0.01, ha="left", fontsize="x-small", color=INK)


def _letters(figure: Figure, size: float) -> int:
    """How many letters stand in a line across the figure, `size` times as large as usual text."""
    points = size * 0.833 * float(mpl.rcParams["font.size"])
    return int(0.97 * figure.get_figwidth() * 72 / (_LETTER * points))


def line_look(style: ArmStyle) -> dict[str, Any]:
    """A line as its arm is drawn everywhere, as arguments of matplotlib's `plot`."""
    scale = page().line
    return {
        "color": style.color,
        "linestyle": style.dashes,
        "linewidth": 1.5 * scale,
        "marker": style.marker,
        "markersize": 4.5 * scale,
        "markerfacecolor": style.color if style.filled else "white",
        "markeredgewidth": scale,
    }


def mark_look(style: ArmStyle) -> dict[str, Any]:
    """The marker of an arm without a line."""
    return line_look(style) | {"linestyle": ""}


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


def panel_title(axes: Axes, text: str) -> None:
    """What a panel shows, in lines that fit above it."""
    axes.set_title("\n".join(wrapped(text, letters_of(axes, 1.0))), loc="left", fontsize="small", color=INK)


def strip_title(axes: Axes, text: str) -> None:
    """What a strip as wide as the figure shows, in lines that fit close above it."""
    size, letters = ("x-small", 0.84) if page().stacked else ("small", 1.0)
    lines = wrapped(text, letters_of(axes, letters))
    axes.set_title("\n".join(lines), loc="left", fontsize=size, color=INK, pad=2)


def wrapped(text: str, letters: int) -> list[str]:
    """A text in lines of at most so many letters. A word that is longer, as the name of an arm with many options, goes
    on in the next line after a colon or a comma, or else after a hyphen."""
    lines = [""]
    for word in text.split():
        gap = " "
        for part in _parts(word, letters):
            if lines[-1] and len(lines[-1] + gap + part) > letters:
                lines.append(part)
            else:
                lines[-1] += (gap if lines[-1] else "") + part
            gap = ""
    return lines if lines[-1] else []


def _parts(word: str, letters: int, after: Sequence[str] = (":,", "-")) -> list[str]:
    if len(word) <= letters:
        return [word]
    if not after:
        return [word[start : start + letters] for start in range(0, len(word), letters)]
    pieces = re.findall(f"[^{after[0]}]*[{after[0]}]|[^{after[0]}]+", word)
    return [part for piece in pieces for part in _parts(piece, letters, after[1:])]


def label_last(axes: Axes) -> None:
    """Leave the label of the axis across to the last of the panels that stand below each other and share it."""
    place = axes.get_subplotspec()
    if place is not None and not place.is_last_row():
        axes.set_xlabel("")


def letters_of(axes: Axes, size: float) -> int:
    """How many letters stand in a line across a panel, if it is as wide as its share of the figure; they are `size`
    times as large as usual text."""
    grid = axes.get_subplotspec()
    share = 1.0
    if grid is not None:
        ratios = np.asarray(grid.get_gridspec().get_width_ratios(), np.float64)
        share = float(ratios[list(grid.colspan)].sum() / ratios.sum())
    figure = axes.get_figure(root=True)
    assert figure is not None
    return max(20, int((0.75 if page().stacked else 0.9) * share * _letters(figure, size)))


def tidy(axes: Axes) -> None:
    """The axes of this project: no box, a faint grid behind the data."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(FAINT)
    axes.tick_params(colors=INK, length=3, labelsize="small")
    for axis in (axes.xaxis, axes.yaxis):
        axis.label.set_fontsize("small")
        axis.label.set_color(INK)
    axes.grid(color=FAINT, linewidth=0.4, alpha=0.6)
    axes.set_axisbelow(True)
