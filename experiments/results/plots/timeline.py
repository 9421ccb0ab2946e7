"""What happened to each frame, arm below arm, under the capacity that the link had at that moment."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from glassbench.experiments.results.arm_style import arm_style
from glassbench.experiments.results.plots.frames import ranked_video
from glassbench.experiments.results.plots.page import page
from glassbench.experiments.results.plots.style import (
    FAINT,
    INK,
    LEAST_MS,
    headline,
    log_scale,
    page_figure,
    strip_title,
    tidy,
)
from glassbench.experiments.results.run import Run
from glassbench.experiments.results.subject import subject

_NOT_SHOWN_INK = "#000000"


def timeline(run: Run) -> Figure:
    """Capacity of the downlink on top; below it a row an arm, soonest first: latency of each shown frame over its
    capture time, and a black tick above for each frame that was never shown. All rows share both axes.

    Of more arms than the page has rows for the soonest are drawn.
    """
    every = ranked_video(run)
    video = dict(list(every.items())[: page().rows])
    figure = page_figure(max(3.6, 1.7 + 0.95 * len(video)) if not page().stacked else 1.4 + 0.62 * len(video))
    rows = figure.subplots(len(video) + 1, 1, sharex=True, gridspec_kw={"height_ratios": [1.5] + [1.0] * len(video)})
    draw_capacity(rows[0], run)
    bottom, top = latency_limits(video)
    for axes, (arm, frames) in zip(rows[1:], video.items(), strict=True):
        draw_arm(axes, frames, arm_style(arm).color, bottom, top)
        never = int(np.isinf(frames["g2g_ms"]).sum())
        strip_title(axes, f"{arm}: {never} of {len(frames)} frames never shown{' (black)' if never else ''}")
    rows[-1].set_xlabel("capture time, s")
    rows[-1].set_xlim(time_limits(video))
    figure.supylabel("glass-to-glass latency, ms (log scale)", fontsize="small", color=INK)
    part = "" if len(video) == len(every) else f", the {len(video)} soonest of {len(every)} arms"
    headline(figure, f"Every frame against the link{part}: {run.name}", subject(run))
    return figure


def latency_limits(video: Mapping[str, pd.DataFrame]) -> tuple[float, float]:
    """Ends of the latency axis that all arms share, in ms."""
    latencies = pd.concat([frames["g2g_ms"] for frames in video.values()])
    shown = latencies[np.isfinite(latencies)].clip(lower=LEAST_MS)
    return (0.7 * float(shown.min()), 1.6 * float(shown.max())) if len(shown) else (10.0, 1000.0)


def time_limits(video: Mapping[str, pd.DataFrame]) -> tuple[float, float]:
    """Ends of the time axis that all arms share, in seconds."""
    last = max(float(frames["captured_at"].max()) for frames in video.values()) or 1.0  # of one frame alone
    return -0.01 * last, 1.01 * last


def draw_capacity(axes: Axes, run: Run) -> None:
    """Capacity of the downlink in Mbit/s, and the mean rate of the video whose encoder takes no notice of it."""
    capacity = run.capacity()
    if capacity is None:
        axes.text(0.01, 0.5, "no bottleneck on the downlink", transform=axes.transAxes, fontsize="small")
        axes.set_yticks([])
    else:
        axes.fill_between(capacity["at"], capacity["mbps"], step="post", color=FAINT, linewidth=0)
        axes.step(capacity["at"], capacity["mbps"], where="post", color=INK, linewidth=0.7)
        if offered := run.offered_mbps():
            _draw_offered(axes, offered)
    axes.set_ylim(bottom=0)
    strip_title(axes, "downlink capacity, Mbit/s")
    tidy(axes)


def _draw_offered(axes: Axes, offered: float) -> None:
    axes.axhline(offered, color=INK, linestyle=(0, (4, 2)), linewidth=1.0)
    axes.annotate(
        f"video {offered:.2g} Mbit/s",
        xy=(1.0, offered),
        xycoords=("axes fraction", "data"),
        xytext=(-4, 3),
        textcoords="offset points",
        fontsize="x-small",
        ha="right",
        bbox={"boxstyle": "square,pad=0.15", "facecolor": "white", "edgecolor": "none", "alpha": 0.8},
    )


def draw_arm(axes: Axes, frames: pd.DataFrame, color: str, bottom: float, top: float) -> None:
    """Latency in ms of each shown frame over its capture time, and a tick for each that was never shown."""
    log_scale(axes, axes.yaxis, bottom, top, most=3 if page().stacked or page().height else 5)
    shown = np.isfinite(frames["g2g_ms"])
    latency = frames.loc[shown, "g2g_ms"].clip(lower=LEAST_MS)
    axes.plot(frames.loc[shown, "captured_at"], latency, ".", markersize=2.4 * page().line, color=color)
    never = frames.loc[~shown, "captured_at"].to_numpy()
    look: Any = {"color": _NOT_SHOWN_INK, "linewidth": 0.8 * page().line}
    axes.vlines(never, np.full(len(never), 0.86), 1.0, transform=axes.get_xaxis_transform(), **look)
    tidy(axes)
