"""Arms below each other, each with its number in every run, the typical one, and the bounds of that."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from glassbench.experiments.results.arm_style import ArmStyle
from glassbench.experiments.results.plots.page import page
from glassbench.experiments.results.plots.style import FAINT, INK, log_scale, mark_look, tidy

_USUAL = (5, 95)  # percentiles of all numbers between which the axis reaches in any case
_SCATTER = 0.26  # of a row: how far numbers lie from its middle, so that equal ones are seen
_ROWS_BELOW_NAMES = 0.22  # of a row


@dataclass(frozen=True)
class Spread:
    """A row: `values` of each run, the `middle` one, and its bounds. Any may be infinite; bounds may be none. `within`
    is how far from zero the middle one may be, if there is such a tolerance."""

    label: str
    style: ArmStyle
    values: Sequence[float]
    middle: float
    low: float = math.nan
    high: float = math.nan
    within: float = math.nan


def row_height() -> float:
    """Inches that a row takes, with its label."""
    return 0.38 if page().stacked else 0.42


def draw_spreads(axes: Axes, rows: Sequence[Spread], *, zero: bool = False, log: bool = False) -> None:
    """The rows from top to bottom, on a linear axis with its `zero` as a line, or on a `log` one. What lies beyond the
    axis is a triangle at its end."""
    left, right = _limits(rows, zero=zero, log=log)
    if log:
        log_scale(axes, axes.xaxis, left, right, most=6)
    axes.set_xlim(left, right)
    if zero:
        axes.axvline(0, color=INK, linewidth=0.9 * page().line, zorder=1)
    for place, row in enumerate(rows):
        _draw_row(axes, row, place + (_ROWS_BELOW_NAMES if page().stacked else 0.0), left, right)
    axes.set_ylim(len(rows) - 0.45, -0.55)
    _name_rows(axes, [row.label for row in rows])
    tidy(axes)
    axes.grid(visible=False, axis="y")


def _draw_row(axes: Axes, row: Spread, y: float, left: float, right: float) -> None:
    values = np.array(row.values, dtype=np.float64)
    values = values[~np.isnan(values)]
    scatter = _SCATTER * (0.5 if page().stacked else 1.0)
    at = y + scatter * np.sin(2.4 * np.arange(len(values)))  # the same each time, and no two neighbours on a line
    look: Any = {"color": row.style.color, "linestyle": "", "alpha": 0.45, "markeredgewidth": 0}
    if not math.isnan(row.within):
        axes.barh(y, 2 * row.within, left=-row.within, height=0.6, color=FAINT, alpha=0.4, linewidth=0, zorder=0)
    inside = (values >= left) & (values <= right)
    axes.plot(values[inside], at[inside], marker="o", markersize=3.2 * page().line, **look)
    for beyond, marker, end in ((values > right, ">", right), (values < left, "<", left)):
        if beyond.any():
            ends = np.full(int(beyond.sum()), end)
            axes.plot(ends, at[beyond], marker=marker, markersize=5 * page().line, clip_on=False, **look)
    if not math.isnan(row.low):
        bounds = (max(row.low, left), min(row.high, right))
        axes.plot(bounds, (y, y), color=row.style.color, linewidth=2.2 * page().line, solid_capstyle="butt")
    middle = min(max(row.middle, left), right)
    axes.plot(middle, y, **mark_look(row.style) | {"markersize": 7.5 * page().line, "zorder": 4, "clip_on": False})


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


def _name_rows(axes: Axes, labels: Sequence[str]) -> None:
    """The label of each row beside it, or above it where there is no room."""
    if not page().stacked:
        axes.set_yticks(range(len(labels)), labels)
        return
    axes.set_yticks([])
    for place, label in enumerate(labels):
        axes.text(
            0.0, place - 0.2, label.replace("\n", ": "), transform=axes.get_yaxis_transform(), fontsize="x-small",
            va="center", color=INK, bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5},
        )  # fmt: skip
        if place:
            axes.axhline(place - 0.45, color=FAINT, linewidth=0.4)
