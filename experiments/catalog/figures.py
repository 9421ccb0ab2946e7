"""How the catalog draws: panels beside each other under one title, a curve per arm, logarithmic axes with plain
numbers."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from glassbench.experiments.results.plots.style import INK, LineStyle, headline, new_figure, tidy


def panels(
    title: str, count: int = 2, *, size: tuple[float, float] = (12, 4.6), **layout: Any
) -> tuple[Figure, list[Axes]]:
    """A figure of `size` inches under its title, and its panels from left to right; `layout` as `subplots` takes it."""
    figure = new_figure(*size)
    axes = figure.subplots(1, count, **layout)
    headline(figure, title, "")
    return figure, list(np.atleast_1d(axes))


def curve(axes: Axes, style: LineStyle, x: ArrayLike, y: ArrayLike, **look: Any) -> None:
    """A line with markers, drawn as the arm is drawn everywhere; `look` changes that, as arguments of matplotlib's
    `plot`."""
    usual: dict[str, Any] = {"color": style.color, "linestyle": style.dashes, "marker": style.marker, "markersize": 6}
    axes.plot(x, y, **(usual | look))


def logarithmic(axes: Axes, *, x: Sequence[float] = (), y: Sequence[float] | Mapping[float, str] = ()) -> None:
    """Logarithmic axes with these ticks, as plain numbers or as they are named; an axis without ticks stays linear."""
    for ticks, scale, place in ((x, axes.set_xscale, axes.set_xticks), (y, axes.set_yscale, axes.set_yticks)):
        if ticks:
            scale("log")
            place(list(ticks), ticks.values() if isinstance(ticks, Mapping) else [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()


def finish(axes: Axes, title: str, across: str = "", /, *, legend: bool = True, **placed: Any) -> None:
    """Add the title, the label of the x axis, and the legend, `placed` as matplotlib's `legend` takes it."""
    axes.set_title(title, loc="left", fontsize=9, color=INK)
    axes.set_xlabel(across)
    if legend:
        axes.legend(**({"frameon": False, "fontsize": 8, "handlelength": 3.2} | placed))
    tidy(axes)
