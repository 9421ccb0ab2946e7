"""Which arm is soonest where: two axes of a sweep, and in each point the best arm with its number."""

import math
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.typing import RGBAColorType

from glassbench.experiments.account.metric_table import Metric
from glassbench.experiments.results.arm_style import arm_style
from glassbench.experiments.results.axis_numbers import number_column
from glassbench.experiments.results.dataset import Dataset
from glassbench.experiments.results.plots.page import page
from glassbench.experiments.results.plots.style import INK, headline, mark_look, page_figure, tidy
from glassbench.experiments.results.subject import subject

_NEAR = 1.05  # times the best: such an arm is hardly later
_TINT = 0.28


def sweep_map(dataset: Dataset, across: str, upright: str, metric: Metric) -> Figure:
    """A cell for each point of two axes, in the colour and with the marker of the arm whose median over seeds is least,
    and that median. A sign says where another arm is within 5 %."""
    table = dataset.intervals()
    rows = table[table["metric"] == metric.name]
    figure = page_figure(2.0 + 0.62 * rows[upright].nunique())
    axes = figure.subplots()
    best = draw_map(axes, rows, across, upright, metric)
    arms = [arm for arm in dataset.arms if arm in best]
    handles = [Line2D([], [], **mark_look(arm_style(arm)), label=arm) for arm in arms]
    columns = 1 if page().stacked else 3
    figure.legend(handles=handles, loc="outside lower center", ncols=columns, frameon=False, fontsize="small")
    sign = "\N{ALMOST EQUAL TO}: another is within 5 %"
    title = f"{dataset.name}: the arm of the least {metric.name}, median over seeds ({sign})"
    headline(figure, title, subject(dataset))
    return figure


def draw_map(axes: Axes, rows: pd.DataFrame, across: str, upright: str, metric: Metric) -> set[str]:
    """The cells; `rows` as of `Dataset.intervals`, of one metric. Returns the arms that are soonest somewhere."""
    xs, ys = _values(rows, across), _values(rows, upright)
    best = set()
    for (x_value, y_value), point in rows.groupby([across, upright], sort=False):
        ordered = point.sort_values("median", kind="stable")
        first = ordered.iloc[0]
        arm, value = str(first["arm"]), float(first["median"])
        x, y = xs.index(x_value), ys.index(y_value)
        axes.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, facecolor=_cell_colour(arm, value), edgecolor="white"))
        text = "\N{INFINITY}"
        if math.isfinite(value):
            best.add(arm)
            axes.plot(x, y + 0.16, **mark_look(arm_style(arm)))
            near = len(ordered) > 1 and float(ordered.iloc[1]["median"]) <= _NEAR * value
            text = metric.with_unit(value) + (" \N{ALMOST EQUAL TO}" if near else "")
        look: Any = {"ha": "center", "va": "center", "fontsize": "small", "color": INK}
        axes.text(x, y - 0.2, text, **look)
    axes.set_xlim(-0.5, len(xs) - 0.5)
    axes.set_ylim(-0.5, len(ys) - 0.5)
    axes.set_xticks(range(len(xs)), [str(value) for value in xs])
    axes.set_yticks(range(len(ys)), [str(value) for value in ys])
    axes.set_xlabel(across)
    axes.set_ylabel(upright)
    tidy(axes)
    axes.grid(visible=False)
    return best


def _values(rows: pd.DataFrame, axis: str) -> list[Any]:
    """The values of an axis in the order of their numbers, or as they come."""
    column = number_column(rows, axis)
    points = rows[[axis] if column in (None, axis) else [axis, column]].drop_duplicates()
    return list((points if column is None else points.sort_values(column))[axis])


def _cell_colour(arm: str, value: float) -> RGBAColorType | str:
    """A tint of the arm's colour, on which text can be read on light paper and on dark."""
    return to_rgba(arm_style(arm).color, _TINT) if math.isfinite(value) else "#FFFFFF"
