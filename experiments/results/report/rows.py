"""Arms below each other on one axis, soonest first: a number each, between two others."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.transforms import blended_transform_factory

from glassbench.experiments.results.arm_style import arm_style
from glassbench.experiments.results.plots.style import INK, LEAST_MS, log_scale, mark_look, tidy
from glassbench.experiments.results.report.plain import plain
from glassbench.experiments.results.report.svg import series

WIDTH = 4.6  # inches; one inch is 72 units of the drawing
_WIDEST = 20  # letters of a label in one line


@dataclass(frozen=True)
class RowOfArm:
    """What is drawn of an arm, in ms: a number between two others, any of which may be infinite. `text` stands at its
    end."""

    arm: str
    middle: float
    low: float
    high: float
    text: str


def height_of(rows: int) -> float:
    """The height in inches of a panel with so many rows."""
    return 0.62 + 0.34 * rows


def draw_delays(axes: Axes, rows: Sequence[RowOfArm]) -> None:
    """Delays on a log scale. What is infinite ends in an arrow at the right edge."""
    values = [value for row in rows for value in (row.middle, row.low, row.high)]
    finite = [max(value, LEAST_MS) for value in values if math.isfinite(value)] or [10.0, 1000.0]
    left, right = 0.8 * min(finite), 1.3 * max(finite)
    log_scale(axes, axes.xaxis, left, right, most=6)
    beside = blended_transform_factory(axes.transAxes, axes.transData)
    for place, row in enumerate(rows):
        look = mark_look(arm_style(row.arm))
        ink = look["color"]
        low, high, middle = (min(max(value, left), right) for value in (row.low, row.high, row.middle))
        artists: list[Artist] = [*axes.plot([low, high], [place, place], color=ink, linewidth=2)]
        artists += axes.plot(middle, place, **look | {"markersize": 6, "clip_on": False, "zorder": 3})
        if math.isinf(row.high):
            artists += axes.plot(right, place, ">", color=ink, markersize=5, clip_on=False)
        artists.append(axes.text(1.02, place, row.text, transform=beside, fontsize="small", va="center", color=INK))
        for artist in artists:
            series(artist, arm=row.arm)
    axes.set_yticks(range(len(rows)), row_labels([row.arm for row in rows]))
    axes.set_ylim(len(rows) - 0.45, -0.55)
    tidy(axes)
    axes.grid(visible=False, axis="y")


def row_labels(arms: Sequence[str]) -> list[str]:
    """Names at the rows of a panel: long ones on two lines, since what is drawn needs the room."""
    return [_broken(plain(arm, 2 * _WIDEST + 4)) for arm in arms]


def _broken(label: str) -> str:
    if len(label) <= _WIDEST:
        return label
    cuts = [index + 1 for index, letter in enumerate(label) if letter in "-:," and 8 <= index < len(label) - 3]
    cut = min(cuts, key=lambda index: abs(index - len(label) / 2), default=len(label) // 2)
    return f"{label[:cut]}\n{label[cut:]}"
