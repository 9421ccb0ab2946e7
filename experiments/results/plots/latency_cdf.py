"""How many of all captured frames were on the screen within x milliseconds, and how many were not."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.legend_handler import HandlerTuple
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from glassbench.experiments.account.number_text import share_text
from glassbench.experiments.results.arm_style import arm_style
from glassbench.experiments.results.plots.direct_labels import label_lines
from glassbench.experiments.results.plots.frames import ranked_video
from glassbench.experiments.results.plots.page import page
from glassbench.experiments.results.plots.style import (
    LEAST_MS,
    headline,
    line_look,
    log_scale,
    page_figure,
    panel_title,
    panels_of,
    tidy,
)
from glassbench.experiments.results.run import Run
from glassbench.experiments.results.subject import subject

FloatArray = NDArray[np.float64]

# Where lines are compared: at all heights of the panel of what was shown, and of the one of what was not.
_LEVELS = np.unique(np.concatenate([np.linspace(0.01, 1, 100), 1 - np.logspace(-3, 0, 100)]))
_NEAR = 0.01  # of the latency axis: two widths of a line
_LONG = 30  # letters
_ALONG = 0.95  # of those heights


def latency_cdf(run: Run) -> Figure:
    """The latency CDF over all captured video frames, one line per arm; and its complement on a log scale, where the
    slow frames are. Lines have the number of their arm in the legend, which has the order of the table.

    Frames never shown have no latency, but they count: the line of such an arm ends below 100 %.
    """
    return cdf_figure(ranked_video(run), f"Frames on the screen: {run.name}", subject(run))


def cdf_figure(video: Mapping[str, pd.DataFrame], title: str, about: str) -> Figure:
    """The same of the frames of `video`, by arm in the order of the legend; not empty."""
    groups = coinciding(video)
    below = 0.17 * (len(video) + len(groups)) if page().stacked else 0.0
    figure = page_figure(5.2 if not page().stacked else 4.0 + below)
    cdf, tail = panels_of(figure, 2)
    draw_cdf(cdf, video)
    draw_tail(tail, video)
    _number(cdf, video, groups, lambda within: within)
    _number(tail, video, groups, lambda within: 100 - within)
    panel_title(cdf, "shown within x ms, %: farther left is sooner")
    panel_title(tail, "not yet shown after x ms, % (log scale): the slow and the missing")
    _legend(figure, video, groups)
    headline(figure, title, about)
    return figure


def draw_cdf(axes: Axes, video: Mapping[str, pd.DataFrame]) -> None:
    """The share of captured frames shown within x ms, in percent; `video` as from `Run.video_by_arm`, not empty."""
    left, right = _limits(video)
    for arm, frames in video.items():
        _draw(axes, arm, *_curve(frames, left, right))
    axes.set_ylim(0, 101)
    axes.set_ylabel("frames shown, %")
    _latency_axis(axes, left, right)


def draw_tail(axes: Axes, video: Mapping[str, pd.DataFrame]) -> None:
    """The share not yet shown after x ms, in percent on a log scale; `video` as in `draw_cdf`."""
    left, right = _limits(video)
    for arm, frames in video.items():
        x, within = _curve(frames, left, right)
        _draw(axes, arm, x, 100 - within)
    log_scale(axes, axes.yaxis, 60 / max(map(len, video.values())), 100, most=13)
    axes.set_ylabel("frames not yet shown, %")
    _latency_axis(axes, left, right)


def coinciding(video: Mapping[str, pd.DataFrame]) -> list[list[str]]:
    """The arms in their order, those together whose lines lie on each other nearly all the way."""
    left, right = _limits(video)
    width = _NEAR * np.log(right / left)
    groups: dict[str, list[str]] = {}
    heights: dict[str, FloatArray] = {}
    for arm, frames in video.items():
        latencies = np.sort(frames["g2g_ms"].to_numpy(dtype=np.float64))
        ranks = np.clip(np.ceil(_LEVELS * len(latencies)).astype(int) - 1, 0, None)
        at = np.clip(latencies, LEAST_MS, 1e3 * right)[ranks]
        same = next((one for one, other in heights.items() if _near(at, other, width)), None)
        if same is None:
            groups[arm], heights[arm] = [arm], at
        else:
            groups[same].append(arm)
    return list(groups.values())


def _near(a: FloatArray, b: FloatArray, width: float) -> bool:
    return bool((np.abs(np.log(a / b)) <= width).mean() >= _ALONG)


def _limits(video: Mapping[str, pd.DataFrame]) -> tuple[float, float]:
    """Ends of the latency axis, in ms."""
    latencies = pd.concat([frames["g2g_ms"] for frames in video.values()])
    shown = latencies[np.isfinite(latencies)].clip(lower=LEAST_MS)
    return (0.9 * float(shown.min()), 1.1 * float(shown.max())) if len(shown) else (9.0, 1100.0)


def _curve(frames: pd.DataFrame, left: float, right: float) -> tuple[FloatArray, FloatArray]:
    """Latency in ms, and the share of captured frames in percent that were shown within it."""
    latencies = frames["g2g_ms"].to_numpy(dtype=np.float64)
    values = np.sort(latencies[np.isfinite(latencies)])
    within = 100 * np.arange(1, len(values) + 1) / len(frames)
    last = within[-1:] if len(within) else np.zeros(1)
    return np.concatenate(([left], values, [right])), np.concatenate(([0.0], within, last))


def _latency_axis(axes: Axes, left: float, right: float) -> None:
    log_scale(axes, axes.xaxis, left, right, most=7 if page().stacked else 10)
    axes.set_xlabel("glass-to-glass latency, ms (log scale)")
    tidy(axes)


def _draw(axes: Axes, arm: str, x: FloatArray, y: FloatArray) -> None:
    # Markers by length on the page, so that lines in grey can be told apart everywhere.
    axes.step(x, y, where="post", **line_look(arm_style(arm)), markevery=(0.04, 0.16), label=arm)


def _number(
    axes: Axes,
    video: Mapping[str, pd.DataFrame],
    groups: Sequence[Sequence[str]],
    height: Callable[[FloatArray], FloatArray],
) -> None:
    """Write the numbers that the arms have in the legend onto their lines."""
    if len(video) < 2:
        return
    numbers, (left, right) = _numbers(video), _limits(video)
    lines = {}
    for group in groups:
        x, within = _curve(video[group[0]], left, right)
        lines[" ".join(numbers[arm] for arm in group)] = (x, height(within), arm_style(group[0]).color)
    label_lines(axes, lines)


def _numbers(video: Mapping[str, pd.DataFrame]) -> dict[str, str]:
    return {arm: str(place) for place, arm in enumerate(video, start=1)}


def _legend(figure: Figure, video: Mapping[str, pd.DataFrame], groups: Sequence[Sequence[str]]) -> None:
    numbers = _numbers(video)
    handles: list[Any] = []
    texts = []
    for group in groups:
        handles.append(tuple(Line2D([], [], **line_look(arm_style(arm))) for arm in group))
        named = [f"{numbers[arm]}  {_entry(arm, video[arm])}" for arm in group]
        coincide = ["(their lines coincide)"] if len(group) > 1 else []
        texts.append((", " if page().height else "\n").join([*named, *coincide]))
    beside = page().height is None and not page().stacked
    look: dict[str, Any] = {
        "handler_map": {tuple: HandlerTuple(ndivide=None, pad=0.4)},
        "loc": "outside right center" if beside else "outside lower left",
        "ncols": 2 if page().height else 1,
        "frameon": False,
        "fontsize": "x-small" if page().height else "small",
        "handlelength": 3.4 if beside else 2.6,
        "title": "arm (shown)",
        "title_fontsize": "small",
        "alignment": "left",
    }
    figure.legend(handles, texts, **look)


def _entry(arm: str, frames: pd.DataFrame) -> str:
    """An arm with the share that it showed; where the page is narrow, a long name has its options in a second line."""
    shown = share_text(int(np.isfinite(frames["g2g_ms"]).sum()), len(frames))
    name = arm.replace(":", ":\n     ", 1) if page().stacked and len(arm) > _LONG else arm
    return f"{name}  ({shown})"
