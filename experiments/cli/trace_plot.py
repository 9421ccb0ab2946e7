"""The plot of a trace: rate over time, one panel per direction, with the times without capacity shaded."""

from typing import TYPE_CHECKING, Any

import numpy as np

from glassbench.netem.traces import Trace, TracePair
from glassbench.netem.traces.trace import OUTAGE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Told apart with any colour vision, and by lightness in grey. They are no arms.
RATE_COLOR = "#0072B2"
OUTAGE_COLOR = "#E69F00"
MEAN_COLOR = "#000000"

POINTS = 700  # no more windows than this
WINDOWS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 60.0, 600.0, 3600.0)
UNITS = ((1e9, "Gbit/s"), (1e6, "Mbit/s"), (1e3, "kbit/s"), (1.0, "bit/s"))


def draw(pair: TracePair) -> "Figure":
    """Both directions of a link, or one when they are the same."""
    from glassbench.experiments.results.plots.style import headline, page_figure

    panels = [("downlink", pair.down), ("uplink", pair.up)]
    if pair.up is pair.down:
        panels = [("both directions", pair.down)]
    figure = page_figure(2.6 * len(panels) + 0.7)
    axes = figure.subplots(len(panels), 1, squeeze=False, sharex=len(panels) > 1)[:, 0]
    for axis, (direction, trace) in zip(axes, panels, strict=True):
        _panel(axis, direction, trace)
    axes[-1].set_xlabel("time, s")
    axes[-1].set_xlim(0, max(pair.down.duration, pair.up.duration))
    headline(figure, f"{pair.name} ({pair.down.source if pair.down.format == 'generated' else pair.down.format})", "")
    return figure


def _panel(axis: "Axes", direction: str, trace: Trace) -> None:
    from glassbench.experiments.results.plots.page import page
    from glassbench.experiments.results.plots.style import panel_title, tidy

    statistics = trace.statistics()
    window = round_window(trace.duration)
    times, rates = trace.rates(window)
    scale, unit = rate_unit(float(rates.max()))
    line = page().line
    axis.stairs(
        rates / scale, np.append(times, times[-1] + window), baseline=None, color=RATE_COLOR, linewidth=1.1 * line
    )
    mean = statistics.mean_bps / scale
    axis.axhline(mean, color=MEAN_COLOR, linestyle="--", linewidth=line, zorder=1, label=f"mean {mean:.3g} {unit}")
    label = f"outages of {OUTAGE:g} s or more: {statistics.outages}, the longest {statistics.longest_outage:.2f} s"
    for start, end in trace.outages():
        axis.axvspan(start, min(end, trace.duration), color=OUTAGE_COLOR, alpha=0.45, linewidth=0, label=label)
        label = "_nolegend_"
    axis.set_ylim(0, 1.05 * float(rates.max()) / scale or 1.0)
    axis.set_ylabel(f"rate, {unit}")
    panel_title(axis, f"{direction}: rate over {window:g} s")
    above: dict[str, Any] = {"loc": "lower right", "bbox_to_anchor": (1.0, 1.0), "ncols": 2}
    below: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (0.0, -0.28), "ncols": 1}
    axis.legend(**(below if page().stacked else above), frameon=False, fontsize="small")
    tidy(axis)


def round_window(duration: float) -> float:
    """A round length of time that gives a readable number of points."""
    return next((window for window in WINDOWS if duration / window <= POINTS), WINDOWS[-1])


def rate_unit(largest_bps: float) -> tuple[float, str]:
    return next((unit for unit in UNITS if largest_bps >= unit[0]), UNITS[-1])
