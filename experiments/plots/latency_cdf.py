"""How many of all captured frames were on the screen within x milliseconds."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from experiments.plots.style import INK, arm_styles, new_figure, tidy
from experiments.results import Run

_TICKS_MS = (10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000)


def latency_cdf(run: Run) -> Figure:
    """The latency CDF over all captured video frames, an arm a line.

    A line that ends below 100 % has lost the rest: frames never shown have no latency, and are not left out.
    """
    latencies = {arm: np.sort(frames["g2g_ms"].dropna().to_numpy()) for arm, frames in run.video_by_arm().items()}
    captured = {arm: len(frames) for arm, frames in run.video_by_arm().items()}
    figure = new_figure(9, 5)
    axes = figure.subplots()
    styles = arm_styles(list(latencies))
    shown = [values for values in latencies.values() if len(values)]
    left = 0.9 * min((values[0] for values in shown), default=10.0)
    right = 1.1 * max((values[-1] for values in shown), default=1000.0)
    for arm, values in sorted(latencies.items(), key=lambda item: _rank(item[1], captured[item[0]])):
        share = 100 * np.arange(1, len(values) + 1) / captured[arm]
        style = styles[arm]
        x = np.concatenate(([left], values, [right]))
        y = np.concatenate(([0.0], share, share[-1:] if len(share) else [0.0]))
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
            label=f"{arm}  ({len(values) / captured[arm]:.1%} shown)",
        )
    axes.set_xscale("log")
    axes.set_xlim(left, right)
    axes.set_ylim(0, 101)
    axes.xaxis.set_major_locator(FixedLocator([tick for tick in _TICKS_MS if left <= tick <= right]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_xlabel("glass-to-glass latency, ms (log scale)")
    axes.set_ylabel("share of captured frames, %")
    axes.set_title(f"Frames on the screen within x ms: {run.name}", loc="left", fontsize=11, color=INK)
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, fontsize=8, handlelength=3.2)
    tidy(axes)
    return figure


def _rank(latencies: "np.ndarray[tuple[int], np.dtype[np.float64]]", captured: int) -> float:
    """The 95th percentile over captured frames, infinite where they were not shown: the order of the legend."""
    index = int(np.ceil(0.95 * captured)) - 1
    return float(latencies[index]) if index < len(latencies) else np.inf
