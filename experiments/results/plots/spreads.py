"""Arms below each other, each with its number in every run, the typical one, and the bounds of that."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from glassbench.experiments.results.arm_style import ArmStyle
from glassbench.experiments.results.plots.page import page
from glassbench.experiments.results.plots.style import FAINT, INK, letters_of, log_scale, mark_look, tidy, wrapped

_USUAL = (5, 95)  # percentiles of all numbers between which the axis reaches in any case
_SCATTER = 0.26  # of a row: how far numbers lie from its middle, so that equal ones are seen
_ROWS_BELOW_NAMES = 0.22  # of a row
_DOT, _END, _MIDDLE, _BOUNDS = 3.2, 5.0, 7.5, 2.2  # sizes of the marks of a run, also beyond the axis, and of a row
_PALE = 0.45  # the marks of runs, of which many lie on each other
_TOLERANCE = (FAINT, 0.4)  # its colour and opacity


@dataclass(frozen=True)
class Spread:
    """A row: `values` of each run, the `middle` one, and its bounds. Any may be infinite; bounds may be none. `label`
    has the arm, and in a second line what is said of it. `within` is how far from zero the middle one may be, if there
    is such a tolerance."""

    label: str
    style: ArmStyle
    values: Sequence[float]
    middle: float
    low: float = math.nan
    high: float = math.nan
    within: float = math.nan


def row_height(lines: int = 1) -> float:
    """Inches that a row takes, with a label of so many lines."""
    return 0.26 + 0.12 * lines if page().stacked else 0.42


def draw_spreads(
    axes: Axes, rows: Sequence[Spread], *, zero: bool = False, log: bool = False
) -> dict[str, list[Artist]]:
    """The rows from top to bottom, on a linear axis with its `zero` as a line, or on a `log` one. What lies beyond the
    axis is a triangle at its end. Returns what was drawn of each arm."""
    left, right = _limits(rows, zero=zero, log=log)
    if log:
        log_scale(axes, axes.xaxis, left, right, most=6)
    axes.set_xlim(left, right)
    if zero:
        axes.axvline(0, color=INK, linewidth=0.9 * page().line, zorder=1)
    artists = {}
    for place, row in enumerate(rows):
        at = place + (_ROWS_BELOW_NAMES if page().stacked else 0.0)
        artists[row.label.partition("\n")[0]] = _draw_row(axes, row, at, left, right)
    axes.set_ylim(len(rows) - 0.45, -0.55)
    for of_row, name in zip(artists.values(), _name_rows(axes, [row.label for row in rows]), strict=False):
        of_row.append(name)
    tidy(axes)
    axes.grid(visible=False, axis="y")
    return artists


def spread_key(figure: Figure, unit: str = "run", *, tolerance: bool = False) -> None:
    """What the marks of all rows mean, below the panels."""
    look: Any = {"color": INK, "markeredgewidth": 0}
    scale = page().line
    bounds: Any = {"marker": "o", "markersize": _MIDDLE * scale, "linewidth": _BOUNDS * scale}
    key: list[Artist] = [
        Line2D([], [], **look, alpha=_PALE, linestyle="", marker="o", markersize=_DOT * scale, label=f"one {unit}"),
        Line2D([], [], **look, **bounds, label=f"the typical {unit} (median), and its 95 % interval"),
        Line2D([], [], **look, alpha=_PALE, linestyle="", marker=">", markersize=_END * scale, label="beyond the axis"),
    ]
    if tolerance:
        key.append(Patch(color=_TOLERANCE, linewidth=0, label="the tolerance"))
    columns = 1 if page().stacked else len(key)
    figure.legend(handles=key, loc="outside lower center", ncols=columns, frameon=False, fontsize="small")


def _draw_row(axes: Axes, row: Spread, y: float, left: float, right: float) -> list[Artist]:
    values = np.array(row.values, dtype=np.float64)
    values = values[~np.isnan(values)]
    scatter = _SCATTER * (0.5 if page().stacked else 1.0)
    at = y + scatter * np.sin(2.4 * np.arange(len(values)))  # the same each time, and no two neighbours on a line
    look: Any = {"color": row.style.color, "linestyle": "", "alpha": _PALE, "markeredgewidth": 0}
    artists: list[Artist] = []
    if not math.isnan(row.within):
        artists += axes.barh(y, 2 * row.within, left=-row.within, height=0.6, color=_TOLERANCE, linewidth=0, zorder=0)
    inside = (values >= left) & (values <= right)
    artists += axes.plot(values[inside], at[inside], marker="o", markersize=_DOT * page().line, **look)
    for beyond, marker, end in ((values > right, ">", right), (values < left, "<", left)):
        if beyond.any():
            ends = np.full(int(beyond.sum()), end)
            size = _END * page().line
            artists += axes.plot(ends, at[beyond], marker=marker, markersize=size, clip_on=False, **look)
    if not math.isnan(row.low) and (row.low, row.high) != (-math.inf, math.inf):  # bounds of everything say nothing
        bounds = (max(row.low, left), min(row.high, right))
        width = _BOUNDS * page().line
        artists += axes.plot(bounds, (y, y), color=row.style.color, linewidth=width, solid_capstyle="butt")
    middle = min(max(row.middle, left), right)
    mark = mark_look(row.style) | {"markersize": _MIDDLE * page().line, "zorder": 4, "clip_on": False}
    return artists + axes.plot(middle, y, **mark)


def _limits(rows: Sequence[Spread], *, zero: bool, log: bool) -> tuple[float, float]:
    every = np.array([value for row in rows for value in row.values], dtype=np.float64)
    every = every[np.isfinite(every)]
    told = [
        value
        for row in rows
        for value in (row.middle, row.low, row.high, row.within, -row.within)
        if math.isfinite(value)
    ]
    usual = np.percentile(every, _USUAL).tolist() if len(every) else []
    ends = [*told, *usual, *([0.0] if zero else [])] or [1.0]
    low, high = min(ends), max(ends)
    if log:
        low, high = max(low, 0.1), max(high, 0.1)
        return 0.85 * low, 1.18 * high
    margin = 0.06 * (high - low) or 1.0
    return low - margin, high + margin


def _name_rows(axes: Axes, labels: Sequence[str]) -> list[Artist]:
    """The label of each row beside it, or above it where there is no room. Returns those above."""
    if not page().stacked:
        axes.set_yticks(range(len(labels)), labels)
        return []
    axes.set_yticks([])
    names: list[Artist] = []
    for place, label in enumerate(labels):
        lines = [part for line in label.split("\n") for part in wrapped(line, letters_of(axes, 0.84))]
        look: Any = {"fontsize": "x-small", "va": "top", "color": INK, "linespacing": 1.0}
        look["bbox"] = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}
        names.append(axes.text(0.0, place - 0.42, "\n".join(lines), transform=axes.get_yaxis_transform(), **look))
        names[-1].set_in_layout(False)  # a long name must not narrow the axes
        if place:
            axes.axhline(place - 0.45, color=FAINT, linewidth=0.4)
    return names
