"""How the catalog draws: panels beside each other under one title, a curve per arm, logarithmic axes with plain
numbers."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from glassbench.experiments.results.arm_style import ArmStyle
from glassbench.experiments.results.plots.page import page
from glassbench.experiments.results.plots.style import (
    headline,
    line_look,
    new_figure,
    page_figure,
    panel_title,
    panels_of,
    tidy,
)

FloatArray = NDArray[np.float64]

_COINCIDE = 0.01  # of the panel: two widths of a line


def panels(
    title: str, count: int = 2, *, size: tuple[float, float] = (12, 4.6), **layout: Any
) -> tuple[Figure, list[Axes]]:
    """A figure under its title, of `size` inches on a screen, and its panels from left to right; `layout` as `subplots`
    takes it."""
    on_screen = page().height is None and not page().stacked
    figure = new_figure(*size) if on_screen else page_figure(2.7 * count)
    axes = panels_of(figure, count, **layout)
    headline(figure, title, "")
    return figure, axes


def curve(axes: Axes, style: ArmStyle, x: ArrayLike, y: ArrayLike, **look: Any) -> None:
    """A line with markers, drawn as the arm is drawn everywhere; `look` changes that, as arguments of matplotlib's
    `plot`."""
    axes.plot(x, y, **(line_look(style) | look))


def logarithmic(axes: Axes, *, x: Sequence[float] = (), y: Sequence[float] | Mapping[float, str] = ()) -> None:
    """Logarithmic axes with these ticks, as plain numbers or as they are named; an axis without ticks stays linear."""
    for ticks, scale, place in ((x, axes.set_xscale, axes.set_xticks), (y, axes.set_yscale, axes.set_yticks)):
        if ticks:
            scale("log")
            place(list(ticks), ticks.values() if isinstance(ticks, Mapping) else [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()


def finish(axes: Axes, title: str, across: str = "", /, *, legend: bool = True, **placed: Any) -> None:
    """Add the title, which says what coincides, the label of the x axis, and the legend, `placed` as matplotlib's
    `legend` takes it."""
    said = "; ".join(f"{' and '.join(group)} coincide" for group in _coinciding(axes))
    panel_title(axes, f"{title}; {said}" if said else title)
    axes.set_xlabel(across)
    if legend:
        usual: dict[str, Any] = {"frameon": False, "fontsize": "small", "handlelength": 3.2}
        if page().stacked or (page().height and "bbox_to_anchor" in placed):
            _legend_below(axes, usual | placed)
        else:
            axes.legend(**(usual | placed))
    tidy(axes)


def _coinciding(axes: Axes) -> list[list[str]]:
    """The labels of lines that lie on each other all the way."""
    groups: list[tuple[FloatArray, list[str]]] = []
    to_panel = axes.transData - axes.transAxes
    for line in axes.lines:
        label, points = str(line.get_label()), np.asarray(line.get_xydata(), dtype=np.float64)
        if label.startswith("_") or line.get_linestyle() == "None" or len(points) < 2:
            continue
        at = to_panel.transform(points)
        names = next((names for other, names in groups if _alike(other, at)), None)
        if names is None:
            groups.append((at, [label]))
        else:
            names.append(label)
    return [names for _, names in groups if len(names) > 1]


def _alike(a: FloatArray, b: FloatArray) -> bool:
    return a.shape == b.shape and bool(np.isclose(a, b, rtol=0, atol=_COINCIDE, equal_nan=True).all())


def _legend_below(axes: Axes, look: dict[str, Any]) -> None:
    """The legend under its panel, an entry a line: on a narrow page, or in large text, nothing fits beside."""
    place = {
        "loc": "upper left",
        "bbox_to_anchor": (0.0, -0.24 if page().stacked else -0.12),
        "ncols": 1,
        "borderpad": 0.9,
    }
    entries = axes.legend(**(look | place)).get_texts()
    figure = axes.get_figure(root=True)
    assert figure is not None
    if page().height is None:
        figure.set_figheight(figure.get_figheight() + 0.17 * len(entries) + 0.1)
