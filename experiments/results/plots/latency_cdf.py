"""How many of all captured frames were on the screen within x milliseconds, and how many were not."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from glassbench.experiments.account.metrics import percentile
from glassbench.experiments.results.plots.style import (
    INK,
    LEAST_MS,
    LineStyle,
    arm_styles,
    headline,
    log_scale,
    new_figure,
    tidy,
)
from glassbench.experiments.results.run import Run
from glassbench.experiments.results.subject import subject


def latency_cdf(run: Run) -> Figure:
    """The latency CDF over all captured video frames, one line per arm; and its complement on a log scale, where the
    slow frames are.

    Frames never shown have no latency, but they count: the line of such an arm ends below 100 %.
    """
    video = run.video_by_arm()
    figure = new_figure(13, 5)
    cdf, tail = figure.subplots(1, 2)
    draw_cdf(cdf, video)
    draw_tail(tail, video)
    cdf.set_title("shown within x ms, % of captured frames", loc="left", fontsize=9, color=INK)
    tail.set_title(
        "not yet shown after x ms, % (log scale): the slow and the missing", loc="left", fontsize=9, color=INK
    )
    figure.legend(loc="outside right center", frameon=False, fontsize=8, handlelength=3.2)
    headline(figure, f"Frames on the screen: {run.name}", subject(run))
    return figure


def draw_cdf(axes: Axes, video: Mapping[str, pd.DataFrame]) -> None:
    """The share of captured frames shown within x ms, in percent; `video` as from `Run.video_by_arm`, not empty."""
    styles = arm_styles(list(video))
    left, right = _limits(video)
    for arm in by_p95(video):
        x, within = _curve(video[arm], left, right)
        _draw(axes, x, within, styles[arm], f"{arm}  ({np.isfinite(video[arm]['g2g_ms']).mean():.1%} shown)")
    axes.set_ylim(0, 101)
    _latency_axis(axes, left, right)


def draw_tail(axes: Axes, video: Mapping[str, pd.DataFrame]) -> None:
    """The share not yet shown after x ms, in percent on a log scale; `video` as in `draw_cdf`."""
    styles = arm_styles(list(video))
    left, right = _limits(video)
    for arm in by_p95(video):
        x, within = _curve(video[arm], left, right)
        _draw(axes, x, 100 - within, styles[arm], None)
    log_scale(axes, axes.yaxis, 60 / max(map(len, video.values())), 100, most=13)
    _latency_axis(axes, left, right)


def by_p95(video: Mapping[str, pd.DataFrame]) -> list[str]:
    """The arms in the order of a legend: by the 95th percentile over captured frames. A frame never shown is infinitely
    late."""
    return sorted(video, key=lambda arm: percentile(video[arm]["g2g_ms"].to_numpy(), 0.95))


def _limits(video: Mapping[str, pd.DataFrame]) -> tuple[float, float]:
    """Ends of the latency axis, in ms."""
    latencies = pd.concat([frames["g2g_ms"] for frames in video.values()])
    shown = latencies[np.isfinite(latencies)].clip(lower=LEAST_MS)
    return (0.9 * float(shown.min()), 1.1 * float(shown.max())) if len(shown) else (9.0, 1100.0)


def _curve(frames: pd.DataFrame, left: float, right: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Latency in ms, and the share of captured frames in percent that were shown within it."""
    latencies = frames["g2g_ms"].to_numpy(dtype=np.float64)
    values = np.sort(latencies[np.isfinite(latencies)])
    within = 100 * np.arange(1, len(values) + 1) / len(frames)
    last = within[-1:] if len(within) else np.zeros(1)
    return np.concatenate(([left], values, [right])), np.concatenate(([0.0], within, last))


def _latency_axis(axes: Axes, left: float, right: float) -> None:
    log_scale(axes, axes.xaxis, left, right, most=10)
    axes.set_xlabel("glass-to-glass latency, ms (log scale)")
    tidy(axes)


def _draw(axes: Axes, x: NDArray[np.float64], y: NDArray[np.float64], style: LineStyle, label: str | None) -> None:
    axes.step(
        x,
        y,
        where="post",
        color=style.color,
        linestyle=style.dashes,
        linewidth=1.5,
        marker=style.marker,
        markersize=4,
        markevery=(0.04, 0.16),  # by length on the page, so that lines in grey can be told apart everywhere
        label=label,
    )
