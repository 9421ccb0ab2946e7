"""The plot of a trace: rate over time, one panel per direction, with the times without capacity shaded."""

from typing import TYPE_CHECKING

import numpy as np

from glassbench.netem.traces import Trace, TracePair
from glassbench.netem.traces.trace import OUTAGE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# From the Okabe-Ito palette: told apart with any colour vision, and by lightness in grey.
RATE_COLOR = "#0072B2"
OUTAGE_COLOR = "#E69F00"
MEAN_COLOR = "#000000"

POINTS = 700  # no more windows than this
WINDOWS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 60.0, 600.0, 3600.0)
UNITS = ((1e9, "Gbit/s"), (1e6, "Mbit/s"), (1e3, "kbit/s"), (1.0, "bit/s"))


def draw(pair: TracePair) -> bytes:
    """A PNG of both directions of a link, or of one when they are the same."""
    from glassbench.experiments.results.plots.style import own_style, png

    with own_style({"text.parse_math": False}):
        return png(_figure(pair))


def _figure(pair: TracePair) -> "Figure":
    from matplotlib.figure import Figure

    panels = [("downlink", pair.down), ("uplink", pair.up)]
    if pair.up is pair.down:
        panels = [("both directions", pair.down)]
    figure = Figure(figsize=(10, 2.8 * len(panels) + 0.9), dpi=120, layout="constrained")
    axes = figure.subplots(len(panels), 1, squeeze=False, sharex=len(panels) > 1)[:, 0]
    for axis, (direction, trace) in zip(axes, panels, strict=True):
        _panel(axis, direction, trace)
    axes[-1].set_xlabel("time (s)")
    axes[-1].set_xlim(0, max(pair.down.duration, pair.up.duration))
    figure.suptitle(f"{pair.name} ({pair.down.source if pair.down.format == 'generated' else pair.down.format})")
    return figure


def _panel(axis: "Axes", direction: str, trace: Trace) -> None:
    statistics = trace.statistics()
    window = round_window(trace.duration)
    times, rates = trace.rates(window)
    scale, unit = rate_unit(float(rates.max()))
    axis.stairs(rates / scale, np.append(times, times[-1] + window), baseline=None, color=RATE_COLOR, linewidth=1.1)
    mean = statistics.mean_bps / scale
    axis.axhline(mean, color=MEAN_COLOR, linestyle="--", linewidth=1, zorder=1, label=f"mean {mean:.3g} {unit}")
    label = f"outages of {OUTAGE:g} s or more: {statistics.outages}, the longest {statistics.longest_outage:.2f} s"
    for start, end in trace.outages():
        axis.axvspan(start, min(end, trace.duration), color=OUTAGE_COLOR, alpha=0.45, linewidth=0, label=label)
        label = "_nolegend_"
    axis.set_ylim(0, 1.05 * float(rates.max()) / scale or 1.0)
    axis.set_ylabel(f"rate ({unit})")
    axis.set_title(f"{direction}: rate over {window:g} s", loc="left", fontsize="medium")
    axis.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=2, frameon=False, fontsize="small")
    axis.grid(alpha=0.25)
    axis.spines[["top", "right"]].set_visible(False)


def round_window(duration: float) -> float:
    """A round length of time that gives a readable number of points."""
    return next((window for window in WINDOWS if duration / window <= POINTS), WINDOWS[-1])


def rate_unit(largest_bps: float) -> tuple[float, str]:
    return next((unit for unit in UNITS if largest_bps >= unit[0]), UNITS[-1])
