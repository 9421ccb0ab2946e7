"""A sweep drawn for the page: who is soonest where, the delay of each arm as a map, and lines along each axis."""

import math
from collections.abc import Callable, Sequence

import pandas as pd
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure as Canvas
from matplotlib.patches import Rectangle

from glassbench.experiments.results.arm_style import arm_style
from glassbench.experiments.results.plots.style import INK, LEAST_MS, new_figure, tidy
from glassbench.experiments.results.plots.sweep import draw_along, places_along, say_coinciding, scale_along
from glassbench.experiments.results.plots.sweep_map import draw_map
from glassbench.experiments.results.report.content import Figure, Mark, Picture
from glassbench.experiments.results.report.pictures import line_swatch
from glassbench.experiments.results.report.plain import plain
from glassbench.experiments.results.report.rows import WIDTH
from glassbench.experiments.results.report.svg import drawn, series
from glassbench.experiments.results.report.sweep_points import SweepPoints

_MOST_PANELS = 12
_HEIGHT = 2.9  # inches of a panel with lines
_LIGHTEST, _DARKEST = 0.04, 0.5  # of a cell, so that its number can be read
_SHORT = 12  # letters of a value at an axis


def maps_figure(points: SweepPoints) -> Figure:
    """Of two axes: which arm is soonest at each point, and what each has there."""
    across, upright = points.axes
    metric, unit = points.metric, points.metric.unit
    least, most = (points.rows["median"].replace(math.inf, math.nan).agg(how) for how in ("min", "max"))

    def soonest(axes: Axes) -> None:
        draw_map(axes, points.rows, across, upright, metric)

    pictures = [_map("soonest", f"The soonest arm, {unit}", points, soonest)]
    for number, arm in enumerate(points.arms):

        def of_arm(axes: Axes, arm: str = arm) -> None:
            _draw_levels(axes, points, arm, (least, most))

        pictures.append(_map(f"map{number}", f"{arm}, {unit}", points, of_arm, arm))
    return Figure(
        caption=f"{points.name} in a typical run at each point: {across} to the right, {upright} upwards. First the "
        "arm that has the least, by its colour and marker; ≈ says that another is within 5 %. Then each arm, the "
        "darker the later; ∞ stands for frames never shown.",
        pictures=tuple(pictures),
        key=_key(points),
    )


def lines_figure(points: SweepPoints, axis: str) -> Figure:
    """The number that decides along one axis: a panel for each point of the others."""
    others = [other for other in points.axes if other != axis]
    places = list(points.rows.groupby(others, sort=False)) if others else [((), points.rows)]
    pictures = []
    for number, (place, rows) in enumerate(places[:_MOST_PANELS]):
        where = ", ".join(f"{other} {value}" for other, value in zip(others, place, strict=True))
        name = f"along{points.axes.index(axis)}-{number}"
        pictures.append(Picture(_lines(name, points, rows, axis, where), where))
    left_out = f" The first {_MOST_PANELS} of {len(places)} panels are drawn." if len(places) > _MOST_PANELS else ""
    band = "its 95 % interval" if points.bounded else "the range of all runs"
    return Figure(
        caption=f"{points.name} in a typical run, in {points.metric.unit} (log scale), along {axis}. The band is "
        f"{band}; ∞ stands for frames never shown.{left_out}",
        pictures=tuple(pictures),
        key=_key(points),
    )


def _key(points: SweepPoints) -> tuple[Mark, ...]:
    return tuple(Mark(line_swatch(arm_style(arm)), arm, arm) for arm in points.arms)


def _lines(name: str, points: SweepPoints, rows: pd.DataFrame, axis: str, where: str) -> Markup:
    def draw(axes: Axes) -> None:
        draw_along(axes, rows, axis, points.metric)
        scale_along([axes], points.rows, points.metric)
        say_coinciding(axes, rows, axis, points.metric)
        for line, band in zip(list(axes.lines), list(axes.collections), strict=False):
            arm = str(line.get_label())
            series(line, arm, arm=arm)
            series(band, arm=arm)

    said = plain(f"{points.name} of each arm along {axis}. {where}", 200)
    return drawn(_figure(draw, _HEIGHT), name=name, label=said, units=("", points.metric.unit))


def _map(name: str, heading: str, points: SweepPoints, draw: Callable[[Axes], None], arm: str = "") -> Picture:
    height = 0.9 + 0.45 * points.rows[points.axes[1]].nunique()
    said = plain(f"{heading}: {points.name} over {points.axes[0]} and {points.axes[1]}.", 200)
    return Picture(drawn(_figure(draw, height), name=name, label=said), heading, arm)


def _figure(draw: Callable[[Axes], None], height: float) -> Callable[[], Canvas]:
    def make() -> Canvas:
        figure = new_figure(WIDTH, height)
        draw(figure.subplots())
        return figure

    return make


def _draw_levels(axes: Axes, points: SweepPoints, arm: str, ends: Sequence[float]) -> None:
    """A cell for each point with the median of an arm, the darker the higher on a log scale."""
    across, upright = points.axes
    columns, lines = (list(places_along(points.rows, axis)) for axis in points.axes)
    low, high = (math.log10(max(end, LEAST_MS)) for end in ends)
    color = arm_style(arm).color
    rows = points.rows[points.rows["arm"] == arm]
    for left, up, median in rows[[across, upright, "median"]].itertuples(index=False, name=None):
        x, y = columns.index(left), lines.index(up)
        level = (math.log10(max(median, LEAST_MS)) - low) / (high - low or 1.0) if math.isfinite(median) else 0.0
        fill = to_rgba(color, _LIGHTEST + level * (_DARKEST - _LIGHTEST))
        axes.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, facecolor=fill, edgecolor="white"))
        axes.text(x, y, points.metric.text(median), ha="center", va="center", fontsize="small", color=INK)
    axes.set_xlim(-0.5, len(columns) - 0.5)
    axes.set_ylim(-0.5, len(lines) - 0.5)
    axes.set_xticks(range(len(columns)), [plain(str(value), _SHORT) for value in columns])
    axes.set_yticks(range(len(lines)), [plain(str(value), _SHORT) for value in lines])
    axes.set_xlabel(plain(across))
    axes.set_ylabel(plain(upright))
    tidy(axes)
    axes.grid(visible=False)
