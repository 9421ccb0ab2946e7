"""A number at each line, so that it is told from the others without its colour: where nothing else is near."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from glassbench.experiments.results.plots.page import page

FloatArray = NDArray[np.float64]

_POINTS = 160  # of a line that are looked at
_MARGIN = 0.03  # of the panel, at its edges, that stays free
_FAR = 0.10  # of the panel: farther away than this nothing disturbs
_TAG = np.array([0.045, 0.07])  # half a number with what is around it, across and upright


def label_lines(axes: Axes, lines: Mapping[str, tuple[FloatArray, FloatArray, str]]) -> None:
    """Write each text onto its line; `lines` has x, y and the colour by text, and the axes have their limits."""
    paths = {text: _path(axes, x, y) for text, (x, y, _) in lines.items()}
    placed: list[FloatArray] = []
    for text, (_, _, color) in lines.items():
        path = paths[text]
        if not len(path):
            continue
        others = [other for name, other in paths.items() if name != text and len(other)]
        free = np.full(len(path), _FAR)
        for other in others:
            free = np.minimum(free, np.hypot(*(path[:, None] - other[None]).transpose(2, 0, 1)).min(axis=1))
        for at in placed:
            free[(np.abs(path - at) < 2 * _TAG).all(axis=1)] -= 1.0
        place = path[int(np.argmax(free))]
        placed.append(place)
        box = {"boxstyle": "round,pad=0.18", "facecolor": "white", "edgecolor": color, "linewidth": 0.6 * page().line}
        look: Any = {"color": color, "fontsize": "x-small", "fontweight": "bold", "bbox": box, "zorder": 5}
        x_share, y_share = place.tolist()
        axes.text(x_share, y_share, text, transform=axes.transAxes, ha="center", va="center", **look)


def _path(axes: Axes, x: FloatArray, y: FloatArray) -> FloatArray:
    """Points of a line of steps at equal distances, in shares of the panel; those near its edges are left out."""
    corners = np.column_stack([np.repeat(x, 2)[1:], np.repeat(y, 2)[:-1]])
    shares = axes.transAxes.inverted().transform(axes.transData.transform(corners))
    shares = np.clip(shares[np.isfinite(shares).all(axis=1)], -_MARGIN, 1 + _MARGIN)  # zero is far below a log axis
    if len(shares) < 2:
        return np.empty((0, 2))
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(shares, axis=0).T))])
    at = np.linspace(0.0, along[-1], _POINTS)
    path = np.column_stack([np.interp(at, along, shares[:, axis]) for axis in (0, 1)])
    inside = ((path > _MARGIN) & (path < 1 - _MARGIN)).all(axis=1)
    return np.asarray(path[inside], dtype=np.float64)
