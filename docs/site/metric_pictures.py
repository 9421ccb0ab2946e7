"""A small picture of each metric: what its number is, on the axis on which it lies. No number is written by hand: the
table of metrics computes it from the frames that are drawn."""

from collections.abc import Callable

import made_up
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from glassbench.experiments.account import metrics
from glassbench.experiments.account.metric_table import Metric
from glassbench.experiments.account.percentile import percentile, rank
from glassbench.experiments.results.plots.page import own_style
from glassbench.experiments.results.plots.style import INK, new_figure, tidy
from glassbench.experiments.scenario.media_spec import PICTURE_FLOOR

_MARK, _OTHER = "#0072B2", "#D55E00"
_NEVER_MS = 280  # where what was never shown is drawn: at the upper edge
_SETTINGS = {"svg.fonttype": "none", "svg.hashsalt": "glassbench", "font.family": "sans-serif", "font.size": 8}

Draw = Callable[[Axes, Metric], None]


def picture(metric: Metric) -> Figure:
    """The picture of a metric. Raises LookupError for one that has none."""
    draw = PICTURES.get(metric.name, _percentile if metric.column == f"g2g_{metric.name}_ms" else None)
    if draw is None:
        raise LookupError(f"metric {metric.name} has no picture: add one to docs/site/metric_pictures.py")
    with own_style(_SETTINGS):
        figure = new_figure(5.4, 2.1)
        axes = figure.subplots()
        tidy(axes)
        draw(axes, metric)
    return figure


def save(metric: Metric, path: str) -> None:
    """Write the picture of a metric as SVG, the same bytes each time."""
    with own_style(_SETTINGS):
        picture(metric).savefig(path, format="svg", metadata={"Date": None, "Creator": None})


def value(metric: Metric, ledger: pd.DataFrame) -> float:
    return metric.of(made_up.runs(ledger))


def _percentile(axes: Axes, metric: Metric) -> None:
    assert metric.share is not None
    ledger = made_up.frames()
    _sorted_frames(axes, metrics.glass_to_glass(ledger), _MARK)
    of = value(metric, ledger)
    at = _within(of)
    place = 100 * (rank(metric.share, len(ledger)) + 1) / len(ledger)
    axes.plot([0, place, place], [at, at, 0], color=_OTHER, linewidth=1.2)
    _say(axes, f"{metric.name}: {metric.with_unit(of)}", (2, at), below=at > 200)
    axes.set_xlabel("captured frames, the soonest first, %")


def _floor_ratio(axes: Axes, metric: Metric) -> None:
    ledger = made_up.frames()
    _sorted_frames(axes, metrics.glass_to_glass(ledger), _MARK)
    axes.axhline(made_up.FLOOR_MS, color=INK, linestyle="--", linewidth=1.2)
    axes.text(
        2, made_up.FLOOR_MS - 14, f"floor: plain UDP without loss, p95 {made_up.FLOOR_MS:.1f} ms", va="top", color=INK
    )
    p95 = 1e3 * percentile(metrics.glass_to_glass(ledger), 0.95)
    axes.plot([0, 95, 95], [p95, p95, 0], color=_OTHER, linewidth=1.2)
    _say(axes, f"p95 {p95:.1f} ms = {metric.text(value(metric, ledger))} x floor", (2, p95), below=True)
    axes.set_xlabel("captured frames, the soonest first, %")


def _first_frame(axes: Axes, metric: Metric) -> None:
    ledger = made_up.late_start()
    first = 1e3 * ledger["displayed_at"].min()
    _from_camera_to_screen(axes, ledger)
    axes.annotate("", (first, 0.5), (0, 0.5), arrowprops={"arrowstyle": "<->", "color": _OTHER, "linewidth": 1.4})
    _say(axes, metric.with_unit(value(metric, ledger)), (first / 2, 0.55), ha="center")


def _signal(axes: Axes, metric: Metric) -> None:
    _delays(axes, made_up.frames(), "signal delay", metrics.signal_delay(made_up.frames()))
    _line_at(axes, metric, made_up.frames())


def _picture(axes: Axes, metric: Metric) -> None:
    ledger = made_up.frames()
    _delays(axes, ledger, "picture delay", metrics.picture_delay(ledger, PICTURE_FLOOR), poor=True)
    _line_at(axes, metric, ledger)


def _bound(axes: Axes, metric: Metric) -> None:
    ledger = made_up.frames()
    _delays(axes, ledger, "signal delay", metrics.signal_delay(ledger), dots=False)
    axes.step(
        1e3 * ledger["captured_at"],
        made_up.BOUND_MS,
        where="post",
        color=INK,
        linestyle="--",
        linewidth=1.2,
        label="bound",
    )
    axes.legend(loc="upper right", frameon=False)
    if metric.unit == "ms":
        _line_at(axes, metric, ledger)
        return
    measured, least = (
        1e3 * percentile(part, 0.95) for part in (metrics.signal_delay(ledger), np.array(made_up.BOUND_MS) / 1e3)
    )
    for at in (measured, least):
        axes.axhline(at, color=_OTHER, linewidth=1.0)
    _say(axes, f"{measured:.0f} ms / {least:.0f} ms = {metric.text(value(metric, ledger))}", (0, measured))


def _shown(axes: Axes, metric: Metric) -> None:
    ledger = made_up.frames()
    axes.set(xlim=(-0.7, 19.7), ylim=(0, 1.6), xticks=range(0, 20, 5), yticks=[], xlabel="captured frame")
    for number, fate in enumerate(ledger["fate"]):
        there = fate == "displayed"
        axes.bar(
            number,
            1,
            0.8,
            color=_MARK if there else "white",
            edgecolor=_MARK if there else _OTHER,
            linewidth=1.2,
            hatch="" if there else "//",
        )
    shown = (ledger["fate"] == "displayed").to_numpy()
    lost = int(np.flatnonzero(~shown)[0])
    axes.annotate("lost", (lost, 1), (lost, 1.25), ha="center", color=_OTHER)
    _say(
        axes,
        f"{shown.sum()} of {len(ledger)} captured frames: {metric.with_unit(value(metric, ledger))}",
        (-0.4, 1.25),
    )
    axes.grid(False)


def _freezes(axes: Axes, metric: Metric) -> None:
    ledger = made_up.frames()
    axes.set(
        xlim=(-20, 860), ylim=(0, 1.5), yticks=[], xlabel="a new picture on the screen, ms after the first capture"
    )
    shown = 1e3 * np.sort(ledger["displayed_at"].dropna().to_numpy())
    axes.vlines(shown, 0, 1, color=_MARK, linewidth=1.5)
    for start, length in metrics.freezes(ledger):
        axes.axvspan(1e3 * start, 1e3 * (start + length), color=_OTHER, alpha=0.25, linewidth=0)
        axes.text(1e3 * (start + length / 2), 0.5, f"{1e3 * length:.0f} ms", ha="center", color=INK)
    _say(axes, f"{metric.name}: {metric.with_unit(value(metric, ledger))}", (0, 1.12))
    axes.grid(False)


def _quality(column: str) -> Draw:
    def draw(axes: Axes, metric: Metric) -> None:
        ledger = made_up.frames()
        axes.step(1e3 * ledger["captured_at"], ledger[column], where="post", color=_MARK, linewidth=1.5)
        of = value(metric, ledger)
        axes.axhline(of, color=_OTHER, linewidth=1.2)
        _say(axes, f"mean {metric.with_unit(of)}", (0, of), below=True)
        axes.set(xlabel="captured, ms", ylabel=metric.title.replace(metric.name, metric.name.upper()))

    return draw


def _sent(axes: Axes, metric: Metric) -> None:
    starts = 1e3 * made_up.WINDOW * np.arange(len(made_up.SENT_MBPS))
    axes.bar(starts, made_up.SENT_MBPS, 0.9e3 * made_up.WINDOW, align="edge", color=_MARK, alpha=0.6)
    of = value(metric, made_up.frames())
    axes.axhline(of, color=_OTHER, linewidth=1.2)
    _say(axes, f"mean {metric.with_unit(of)}", (0, 3.3))
    axes.set(xlabel="ms after the first capture", ylabel="sent, Mbit/s", ylim=(0, 4))


def _jain(axes: Axes, metric: Metric) -> None:
    axes.barh(list(made_up.RATES), list(made_up.RATES.values()), color=[_MARK, _OTHER], alpha=0.8)
    equal = sum(made_up.RATES.values()) / len(made_up.RATES)
    axes.axvline(equal, color=INK, linestyle="--", linewidth=1.2)
    axes.text(equal + 0.1, 1.45, "equal shares would be 1", color=INK, va="bottom")
    _say(axes, f"Jain's index {metric.text(value(metric, made_up.frames()))}", (6.3, 0.0), va="center")
    axes.set(xlabel="rate at which a flow leaves the link, Mbit/s", xlim=(0, 10), ylim=(-0.5, 2))


def _utilisation(axes: Axes, metric: Metric) -> None:
    below = 0.0
    for color, (flow, rate) in zip((_MARK, _OTHER), made_up.RATES.items(), strict=True):
        axes.barh(0, rate, left=below, color=color, alpha=0.8)
        axes.text(below + rate / 2, 0, flow, ha="center", va="center", color="white")
        below += rate
    axes.barh(0, made_up.CAPACITY, fill=False, edgecolor=INK, linestyle="--")
    axes.text(made_up.CAPACITY + 0.1, 0, "capacity", va="center", color=INK)
    _say(axes, f"used: {metric.with_unit(value(metric, made_up.frames()))}", (0, 0.5))
    axes.set(xlabel="Mbit/s", yticks=[], xlim=(0, 12), ylim=(-0.6, 0.9))


def _queue(axes: Axes, metric: Metric) -> None:
    starts = 100 * np.arange(len(made_up.QUEUE_MS))
    axes.bar(starts, made_up.QUEUE_MS, 90, align="edge", color=_MARK, alpha=0.6)
    of = value(metric, made_up.frames())
    axes.axhline(of, color=_OTHER, linewidth=1.2)
    _say(axes, f"median {metric.with_unit(of)}", (0, 31))
    axes.set(xlabel="ms after the first capture", ylabel="longest wait of\nthe 100 ms, ms", ylim=(0, 40))


PICTURES: dict[str, Draw] = {
    "first_frame": _first_frame,
    "signal_p95": _signal,
    "picture_p95": _picture,
    "shown": _shown,
    "freezes": _freezes,
    "freeze_s": _freezes,
    "ssim": _quality("ssim"),
    "psnr": _quality("psnr_db"),
    "vmaf": _quality("vmaf"),
    "sent": _sent,
    "jain": _jain,
    "utilisation": _utilisation,
    "queue_p50": _queue,
    "signal_bound": _bound,
    "bound_ratio": _bound,
    "floor_ratio": _floor_ratio,
}
"""The pictures of all metrics but the percentiles of latency, which are drawn alike."""


def _within(ms: float) -> float:
    return min(ms, _NEVER_MS)


def _sorted_frames(axes: Axes, seconds: metrics.FloatArray, color: str) -> None:
    ordered = np.sort(1e3 * seconds)
    place = 100 * (1 + np.arange(len(ordered))) / len(ordered)
    for there, marker, label in (
        (np.isfinite(ordered), "o", "shown"),
        (np.isinf(ordered), "x", "never shown: infinite"),
    ):
        axes.plot(place[there], np.minimum(ordered[there], _NEVER_MS), marker, color=color, markersize=5, label=label)
    axes.legend(loc="center left", bbox_to_anchor=(0, 0.5), frameon=False)
    axes.set(ylabel="glass to glass, ms", xlim=(0, 103), ylim=(0, _NEVER_MS + 20))


def _from_camera_to_screen(axes: Axes, ledger: pd.DataFrame) -> None:
    """A line for each frame, from its capture below to the screen above."""
    for captured, shown in zip(1e3 * ledger["captured_at"], 1e3 * ledger["displayed_at"], strict=True):
        if np.isnan(shown):
            axes.plot(captured, 0, "x", color=_OTHER, markersize=6)
        else:
            axes.plot([captured, shown], [0, 1], color=_MARK, linewidth=1.2, marker="o", markersize=3)
    axes.set(
        yticks=[0, 1],
        yticklabels=["captured", "on the screen"],
        ylim=(-0.2, 1.2),
        xlim=(-20, 500),
        xlabel="ms after the first capture",
    )
    axes.grid(False)


def _delays(
    axes: Axes, ledger: pd.DataFrame, name: str, seconds: metrics.FloatArray, *, poor: bool = False, dots: bool = True
) -> None:
    """A delay over the captures, and the frames that made it."""
    captured, latency = 1e3 * ledger["captured_at"].to_numpy(), 1e3 * metrics.glass_to_glass(ledger)
    low = (ledger["own_ssim"] < PICTURE_FLOOR).to_numpy() if poor else np.zeros(len(ledger), dtype=bool)
    axes.plot(captured, 1e3 * seconds, color=_MARK, linewidth=1.5, label=name)
    if dots:
        axes.plot(captured[~low], latency[~low], "o", color=INK, markersize=3.5, label="a frame that was shown")
        axes.plot(
            captured[low],
            latency[low],
            "o",
            color=INK,
            markerfacecolor="white",
            markersize=4,
            label="shown, but a poor picture" if poor else None,
        )
    axes.legend(loc="upper right", frameon=False)
    axes.set(xlabel="captured, ms", ylabel="delay, ms", ylim=(0, _NEVER_MS + 20))


def _line_at(axes: Axes, metric: Metric, ledger: pd.DataFrame) -> None:
    of = value(metric, ledger)
    axes.axhline(of, color=_OTHER, linewidth=1.2)
    _say(axes, f"{metric.name}: {metric.with_unit(of)}", (0, of))


def _say(
    axes: Axes, text: str, place: tuple[float, float], *, below: bool = False, ha: str = "left", va: str = ""
) -> None:
    axes.annotate(
        text,
        place,
        xytext=(0, 0 if va else -3 if below else 3),
        textcoords="offset points",
        ha=ha,
        va=va or ("top" if below else "bottom"),
        color=_OTHER,
        fontweight="bold",
    )
