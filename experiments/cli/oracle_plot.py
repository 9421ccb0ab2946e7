"""The plot of `glass oracle`: the bound of signal delay over time, above the rate of the link."""

from typing import TYPE_CHECKING

import numpy as np

from glassbench.experiments.account.oracle import FloatArray
from glassbench.experiments.cli.trace_plot import MEAN_COLOR, OUTAGE_COLOR, RATE_COLOR, rate_unit, round_window
from glassbench.netem.traces import Trace
from glassbench.netem.traces.trace import cumulative_bytes

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw(link: Trace, begins: float, captures: FloatArray, alone: FloatArray, reached: FloatArray) -> "Figure":
    """`captures` are in seconds from the first, the delays of each capture in seconds: the bound, and what newest first
    reaches."""
    from glassbench.experiments.results.plots.page import page
    from glassbench.experiments.results.plots.style import headline, log_scale, page_figure, panel_title, tidy

    figure, line = page_figure(5.6 if not page().stacked else 4.2), page().line
    upper, lower = figure.subplots(2, 1, sharex=True)
    upper.plot(captures, 1e3 * reached, color=OUTAGE_COLOR, linewidth=1.6 * line, label="newest first")
    upper.plot(captures, 1e3 * alone, color=MEAN_COLOR, linewidth=0.8 * line, label="bound at each capture")
    log_scale(upper, upper.yaxis, 0.8e3 * max(1e-4, float(alone.min())), 1.2e3 * float(reached.max()), 8)
    upper.set_ylabel("signal delay, ms (log scale)")
    upper.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=2, frameon=False, fontsize="small")
    length = float(captures[-1]) if captures[-1] > 0 else 1.0
    window = min(round_window(length), length)
    edges = np.append(np.arange(0.0, length, window), length)
    rates = np.diff(cumulative_bytes(link.schedule, begins + edges)) * 8 / np.diff(edges)
    scale, unit = rate_unit(float(rates.max()))
    lower.stairs(rates / scale, edges, baseline=None, color=RATE_COLOR, linewidth=1.1 * line)
    lower.set_ylabel(f"rate, {unit}")
    panel_title(lower, f"rate over {window:g} s")
    lower.set_xlabel("time since the first capture, s")
    lower.set_xlim(0, length)
    for axis in (upper, lower):
        tidy(axis)
    headline(figure, f"{link.name} ({link.source if link.format == 'generated' else link.format})", "")
    return figure
