"""How many of all captured frames were on the screen within x milliseconds, and how many were not."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
from numpy.typing import NDArray

from experiments.plots.style import INK, LineStyle, arm_styles, new_figure, tidy
from experiments.results import Run

_TICKS_MS = (10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000)
_TICKS_PERCENT = (100, 50, 20, 10, 5, 2, 1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01)


def latency_cdf(run: Run) -> Figure:
    """The latency CDF over all captured video frames, an arm a line; and its complement on a log scale, where the slow
    frames are. Frames never shown have no latency and are not left out: the line of such an arm ends below 100 %."""
    video = run.video_by_arm()
    latencies = {arm: np.sort(frames["g2g_ms"].dropna().to_numpy(dtype=np.float64)) for arm, frames in video.items()}
    captured = {arm: len(frames) for arm, frames in video.items()}
    styles = arm_styles(list(video))
    shown = [values for values in latencies.values() if len(values)]
    left = 0.9 * min((float(values[0]) for values in shown), default=10.0)
    right = 1.1 * max((float(values[-1]) for values in shown), default=1000.0)

    figure = new_figure(13, 5)
    cdf, tail = figure.subplots(1, 2)
    for arm in sorted(video, key=lambda name: _p95(latencies[name], captured[name])):
        values, total = latencies[arm], captured[arm]
        within = 100 * np.arange(1, len(values) + 1) / total
        last = within[-1:] if len(within) else np.zeros(1)
        x = np.concatenate(([left], values, [right]))
        y = np.concatenate(([0.0], within, last))
        _draw(cdf, x, y, styles[arm], f"{arm}  ({len(values) / total:.1%} shown)")
        _draw(tail, x, 100 - y, styles[arm], None)
    for axes in (cdf, tail):
        axes.set_xscale("log")
        axes.set_xlim(left, right)
        axes.xaxis.set_major_locator(FixedLocator([tick for tick in _TICKS_MS if left <= tick <= right]))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.set_xlabel("glass-to-glass latency, ms (log scale)")
        tidy(axes)
    cdf.set_ylim(0, 101)
    cdf.set_title("shown within x ms, % of captured frames", loc="left", fontsize=9, color=INK)
    tail.set_yscale("log")
    tail.set_ylim(60 / max(captured.values()), 100)
    tail.yaxis.set_major_locator(FixedLocator(_TICKS_PERCENT))
    tail.yaxis.set_minor_locator(NullLocator())
    tail.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    tail.set_title(
        "not yet shown after x ms, % (log scale): the slow and the missing", loc="left", fontsize=9, color=INK
    )
    figure.legend(loc="outside right center", frameon=False, fontsize=8, handlelength=3.2)
    figure.suptitle(f"Frames on the screen: {run.name}", x=0.01, ha="left", fontsize=11, color=INK)
    return figure


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


def _p95(latencies: NDArray[np.float64], captured: int) -> float:
    """The 95th percentile over captured frames, infinite where they were not shown: the order of the legend."""
    index = int(np.ceil(0.95 * captured)) - 1
    return float(latencies[index]) if index < len(latencies) else np.inf
