"""Where the milliseconds went: the stages of the ledger as stacked bars, for usual frames and for slow ones."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from glassbench.experiments.account.ledger import INSIDE, STAGE_NAMES
from glassbench.experiments.account.number_text import share_text
from glassbench.experiments.results.plots.frames import ranked_video
from glassbench.experiments.results.plots.page import page
from glassbench.experiments.results.plots.style import INK, headline, page_figure, panel_title, panels_of, tidy
from glassbench.experiments.results.run import Run
from glassbench.experiments.results.subject import subject

# Neighbours in the stack differ in lightness, and hatches tell them apart in grey.
LOOKS = {
    "wait": ("#FFFFFF", "...."),
    "encode": ("#E69F00", ""),
    "queue": ("#0072B2", ""),
    "transit": ("#D9D9D9", ""),
    "spread": ("#56B4E9", "////"),
    "hold": ("#D55E00", "\\\\\\\\"),
    "buffer": ("#F0E442", "----"),
    "decode": ("#009E73", "xxxx"),
    INSIDE: ("#CC79A7", "++"),
}
USUAL, SLOW = (0.25, 0.75), (0.95, 1.0)
_NOTHING = 1e-6  # ms: rounding
_CLIP = 4.0  # the axis ends at so many median bars
MEANING = {
    "wait": "wait for the encoder",
    "encode": "encode",
    "queue": "send queue",
    "transit": "transit of the first datagram",
    "spread": "spread: pacing, serialisation, repair",
    "hold": "hold in the transport (HOL, TSBPD, reordering)",
    "buffer": "jitter buffer and playout",
    "decode": "decode and display",
    INSIDE: "inside a black box",
}


def stage_breakdown(run: Run) -> Figure:
    """Two panels of stacked bars, an arm a row, soonest first: mean stages of the middle half of the shown frames (25th
    to 75th percentile of latency), and of the slowest twentieth. Frames never shown have no stages; the labels count
    them."""
    video = ranked_video(run)
    figure = page_figure(1.6 + 0.42 * len(video) if not page().stacked else 3.0 + 2 * 0.3 * len(video))
    usual, slow = panels_of(figure, 2, sharey=True)
    draw_stages(usual, video, USUAL)
    draw_stages(slow, video, SLOW)
    panel_title(usual, "usual: the middle half of those shown")
    panel_title(slow, "slow: the slowest 5 %")
    labels = [
        f"{arm}  ({share_text(int(np.isfinite(frames['g2g_ms']).sum()), len(frames))} shown)"
        for arm, frames in video.items()
    ]
    if page().stacked:
        for axes in (usual, slow):
            _name_above(axes, labels)
    else:
        usual.set_yticks(range(len(video)), labels, fontsize="x-small" if page().height else "small")
    handles, texts = usual.get_legend_handles_labels()
    columns = 1 if page().stacked else 3 if page().height else 4
    look: dict[str, Any] = {"frameon": False, "fontsize": "x-small" if page().height else "small"}
    figure.legend(handles, texts, loc="outside lower center", ncols=columns, **look)
    headline(figure, f"Where each millisecond went: {run.name}", subject(run))
    return figure


def _name_above(axes: Axes, labels: Sequence[str]) -> None:
    """Write the name of each row above its bar, where there is no room beside it."""
    axes.set_yticks([])
    axes.set_ylim(len(labels) - 0.6, -0.8)
    for container in axes.containers:
        for bar in container:
            bar.set_y(bar.get_y() + 0.2)
            bar.set_height(0.4)
    for place, label in enumerate(labels):
        axes.annotate(label, (0, place - 0.2), (1, 0), textcoords="offset points", fontsize="x-small", va="bottom")


def draw_stages(axes: Axes, video: Mapping[str, pd.DataFrame], between: tuple[float, float]) -> None:
    """Stacked bars, an arm a row: mean stages of the shown frames between two quantiles of latency."""
    _draw_panel(axes, {arm: mean_between(frames, *between) for arm, frames in video.items()})


def mean_between(frames: pd.DataFrame, low: float, high: float) -> pd.Series:
    """Mean of each stage in ms over the shown frames between two quantiles of latency; zeros if none was shown."""
    shown = frames[np.isfinite(frames["g2g_ms"])]
    if shown.empty:
        return pd.Series(0.0, index=[f"{stage}_ms" for stage in STAGE_NAMES])
    lower, upper = shown["g2g_ms"].quantile([low, high])
    means: pd.Series = shown.loc[shown["g2g_ms"].between(lower, upper), [f"{stage}_ms" for stage in STAGE_NAMES]].mean()
    return means


def stages_of(means: Iterable[pd.Series]) -> list[str]:
    """The stages to be drawn: that of black boxes only where there is one."""
    return [stage for stage in STAGE_NAMES if stage != INSIDE or any(mean[f"{INSIDE}_ms"] > _NOTHING for mean in means)]


def _draw_panel(axes: Axes, means: dict[str, pd.Series]) -> None:
    rows = np.arange(len(means))
    left = np.zeros(len(means))
    for stage in stages_of(means.values()):
        widths = np.array([mean[f"{stage}_ms"] for mean in means.values()])
        color, hatch = LOOKS[stage]
        axes.barh(
            rows, widths, left=left, color=color, hatch=hatch, edgecolor=INK, linewidth=0.4 * page().line, height=0.72,
            label=MEANING[stage],
        )  # fmt: skip
        left += widths
    # One hopeless arm must not press all others flat: bars past the end of the axis carry an arrow and their length.
    median = float(np.median(left[left > 0])) if (left > 0).any() else 1.0
    end = float(left.max()) if 0 < left.max() <= 1.2 * _CLIP * median else _CLIP * median
    for row, total in zip(rows, left, strict=True):
        text = f"{total:.0f}" if total <= end else f"{total:.0f} \N{RIGHTWARDS ARROW}"
        offset, align = ((3, 0), "left") if total <= end else ((-3, 0), "right")
        axes.annotate(
            text, (min(total, 1.1 * end), row), xytext=offset, textcoords="offset points", ha=align, va="center",
            fontsize="x-small", bbox={"boxstyle": "square,pad=0.15", "facecolor": "white", "edgecolor": "none"},
        )  # fmt: skip
    axes.set_xlim(0, 1.1 * end)
    axes.set_ylim(len(means) - 0.4, -0.6)
    axes.set_xlabel("ms")
    tidy(axes)
    axes.grid(visible=False, axis="y")
