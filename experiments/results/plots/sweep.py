"""The pictures of a sweep: what decides along each axis, and over two axes which arm is soonest where."""

from collections.abc import Sequence
from functools import partial
from itertools import islice
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from glassbench.experiments.account.metric_table import METRICS, Metric
from glassbench.experiments.results.arm_style import arm_style
from glassbench.experiments.results.axis_numbers import axis_label, number_column
from glassbench.experiments.results.dataset import Dataset
from glassbench.experiments.results.plots.page import page
from glassbench.experiments.results.plots.style import (
    INK,
    LEAST_MS,
    headline,
    label_last,
    letters_of,
    line_look,
    log_scale,
    page_figure,
    panel_title,
    tidy,
    wrapped,
)
from glassbench.experiments.results.plots.sweep_map import sweep_map
from glassbench.experiments.results.ranking import ranking_of
from glassbench.experiments.results.subject import subject

FloatArray = NDArray[np.float64]

_MOST_PANELS = 6  # beside each other: more nobody compares
_COINCIDE = 0.015  # of the upright axis
_VEIL = 0.16  # of a band
_MOST_TICKS = 8  # with the texts of a sweep file; more are numbers
_FAR = 1e12  # beyond any axis: an area has no infinite edge
_LOG_FROM = 20.0  # most over least of an axis above zero from which on it is logarithmic


def plots_of_sweep(dataset: Dataset) -> dict[str, partial[Figure]]:
    """What draws the pictures of a sweep, by their names; none where nothing was measured or nothing varies."""
    table = dataset.intervals()
    varied = _varied(dataset, table)
    plots = {f"along-{axis}": partial(along, dataset, axis) for axis in varied if number_column(table, axis)}
    if len(varied) == 2:
        plots["map"] = partial(sweep_map, dataset, varied[0], varied[1], deciding(dataset))
    return plots


def along(dataset: Dataset, axis: str) -> Figure:
    """The number that decides, and the share of frames shown, along an axis of numbers: a line per arm, the median over
    seeds, in its 95 % interval; where the seeds are too few for one, between the least and the most of them. There is a
    panel for each point of the other axes, up to six."""
    table, decides = dataset.intervals(), deciding(dataset)
    others = [other for other in _varied(dataset, table) if other != axis]
    places = list(table.groupby(others, sort=False)) if others else [((), table)]
    drawn = list(islice(places, _MOST_PANELS))
    metrics = [decides, METRICS["shown"]]
    if page().stacked:  # a point of the other axes in a line, with both numbers beside each other
        figure = page_figure(0.9 + 1.35 * len(drawn) + 0.2 * len(dataset.arms))
        by_metric = figure.subplots(len(drawn), len(metrics), squeeze=False, sharex=True, sharey="col").T
    else:
        figure = page_figure(1.4 + 2.6 * len(metrics))
        by_metric = figure.subplots(len(metrics), len(drawn), squeeze=False, sharex=True, sharey="row")
    for row, metric in zip(by_metric, metrics, strict=True):
        for axes, (place, rows) in zip(row, drawn, strict=True):
            draw_along(axes, rows[rows["metric"] == metric.name], axis, metric)
            where = ", ".join(f"{other} {value}" for other, value in zip(others, place, strict=True))
            panel_title(axes, where if metric is decides else "")
        scale_along(row, table[table["metric"] == metric.name], metric)
        for axes, (_, rows) in zip(row, drawn, strict=True):
            say_coinciding(axes, rows[rows["metric"] == metric.name], axis, metric)
    bounded = table["low"].notna().all() and np.isfinite(table["low"]).all()
    band = "its 95 % interval" if bounded else "least to most"
    part = f", {len(drawn)} of {len(places)} points of the other axes" if len(drawn) < len(places) else ""
    handles = [Line2D([], [], **line_look(arm_style(arm)), label=arm) for arm in dataset.arms]
    columns = 1 if page().stacked else 3
    figure.legend(handles=handles, loc="outside lower center", ncols=columns, frameon=False, fontsize="small")
    what = f"median over {len(dataset.seeds)} seeds, band: {band}" if len(dataset.seeds) > 1 else "one seed"
    headline(figure, f"{dataset.name} along {axis}: {what}{part}", subject(dataset))
    return figure


def draw_along(axes: Axes, rows: pd.DataFrame, axis: str, metric: Metric) -> None:
    """A line per arm; `rows` as of `Dataset.intervals`, of one metric and one point of the other axes. Where a median
    is infinite, the sign of it stands at the upper edge."""
    places = places_along(rows, axis)
    for place, (arm, of_arm) in enumerate(rows.groupby("arm", sort=False)):
        style, ordered = arm_style(str(arm)), of_arm.sort_values(axis, key=lambda values: values.map(places))
        x = ordered[axis].map(places).to_numpy(dtype=np.float64)
        middle, low, high = _band(ordered, metric)
        axes.fill_between(x, low, np.minimum(high, _FAR), color=style.color, alpha=_VEIL, linewidth=0)
        axes.plot(x, np.where(np.isfinite(middle), middle, np.nan), **line_look(style), label=str(arm))
        for at in x[np.isposinf(middle)]:
            look: Any = {"color": style.color, "fontsize": "small", "ha": "center", "va": "top"}
            axes.text(at, 0.99 - 0.07 * place, "\N{INFINITY}", transform=axes.get_xaxis_transform(), **look)
    _ticks(axes, rows, axis, places)
    tidy(axes)


def places_along(rows: pd.DataFrame, axis: str) -> dict[Any, float]:
    """Where the values of an axis lie on it, in their order: at their numbers, or, of texts, one after the other."""
    column = number_column(rows, axis)
    if column is None:
        return {value: float(place) for place, value in enumerate(dict.fromkeys(rows[axis]))}
    points = rows[[axis]].assign(number=rows[column]).drop_duplicates().sort_values("number")
    return {value: float(number) for value, number in points.itertuples(index=False, name=None)}


def _band(rows: pd.DataFrame, metric: Metric) -> tuple[FloatArray, FloatArray, FloatArray]:
    """The median, and the ends of the band around it, as they are drawn: shares in percent."""
    scale = 100.0 if metric.unit == "share" else 1.0
    middle, low, high, least, most = (
        scale * rows[name].to_numpy(dtype=np.float64) for name in ("median", "low", "high", "least", "most")
    )
    bounded = np.isfinite(low) & ~np.isnan(high) & ~(np.isposinf(high) & np.isfinite(most))
    return middle, np.where(bounded, low, least), np.where(bounded, high, most)


def _ticks(axes: Axes, rows: pd.DataFrame, axis: str, places: dict[Any, float]) -> None:
    """The values of the axis as they were typed, if they are few, at their places."""
    x, column = list(places.values()), number_column(rows, axis)
    if len(x) > 1 and x[0] > 0 and x[-1] >= _LOG_FROM * x[0]:
        axes.set_xscale("log")
    few = len(x) <= _MOST_TICKS or column is None
    if few:
        axes.set_xticks(x, [str(text) for text in places])
        axes.minorticks_off()
    axes.set_xlabel(axis if few else axis_label(axis, column))


def scale_along(row: Sequence[Axes], table: pd.DataFrame, metric: Metric) -> None:
    """The same upright axis for all panels of a metric."""
    if metric.unit == "share":
        for axes in row:
            axes.set_ylim(-2, 104)
            axes.set_ylabel(f"{metric.name}, %")
        _outer(row)
        return
    values = np.concatenate(_band(table, metric))
    known = values[np.isfinite(values)]
    low, high = (max(float(known.min()), LEAST_MS), float(known.max())) if len(known) else (1.0, 10.0)
    for axes in row:
        log_scale(axes, axes.yaxis, 0.85 * low, 1.25 * max(high, low), most=6)
        axes.set_ylabel(f"{metric.name}, {metric.unit} (log scale)")
    _outer(row)


def deciding(dataset: Dataset) -> Metric:
    """The metric by which arms are judged first."""
    return METRICS[next(iter(ranking_of(dataset.counters()).judged_by))]


def _outer(row: Sequence[Axes]) -> None:
    """Leave the labels of panels beside or above each other to the outer ones."""
    for axes in row:
        if page().stacked:
            label_last(axes)
        else:
            axes.label_outer()
            axes.tick_params(labelsize="x-small" if page().height else "small")


def say_coinciding(axes: Axes, rows: pd.DataFrame, axis: str, metric: Metric) -> None:
    """Name the arms whose lines lie on each other at every point."""
    bottom, top = axes.get_ylim()
    groups: list[tuple[FloatArray, list[str]]] = []
    for arm, of_arm in rows.groupby("arm", sort=False):
        middle = _band(of_arm.sort_values(axis), metric)[0]
        in_log = metric.unit != "share"
        at = np.log(np.maximum(middle, bottom)) / np.log(top / bottom) if in_log else middle / (top - bottom)
        group = next((names for other, names in groups if _alike(other, at)), None)
        if group is None:
            groups.append((at, [str(arm)]))
        else:
            group.append(str(arm))
    said = [
        "all arms coincide" if len(groups) == 1 else ", ".join(names) + " coincide"
        for _, names in groups
        if len(names) > 1
    ]
    lines = [part for line in said for part in wrapped(line, letters_of(axes, 0.84))]
    look: Any = {"fontsize": "x-small", "color": INK, "ha": "right", "va": "bottom"}
    axes.text(0.98, 0.03, "\n".join(lines), transform=axes.transAxes, **look).set_in_layout(False)


def _alike(a: FloatArray, b: FloatArray) -> bool:
    return a.shape == b.shape and bool(np.isclose(a, b, rtol=0, atol=_COINCIDE).all())


def _varied(dataset: Dataset, table: pd.DataFrame) -> list[str]:
    """The axes along which an arm can be followed: an axis that has one value for each arm says no more than its
    name."""
    return [axis for axis in dataset.axes if (table.groupby("arm")[axis].nunique() > 1).any()]
