"""Two settings, or two worlds, metric by metric: a dot for the difference in each pair of runs, the typical one, and
its bounds."""

import math
from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from glassbench.experiments.account.metric_table import Metric
from glassbench.experiments.account.number_text import interval_text
from glassbench.experiments.results.arm_style import arm_style
from glassbench.experiments.results.paired_metrics import PairedRow
from glassbench.experiments.results.plots.page import page
from glassbench.experiments.results.plots.spreads import Spread, draw_spreads, row_height, spread_key
from glassbench.experiments.results.plots.style import headline, page_figure, panel_title
from glassbench.experiments.results.statistics import Paired

_COLUMNS = 2


def ab_figure(rows: Sequence[PairedRow], title: str, about: str) -> Figure:
    """A less B, a panel per metric, those that decide first; the rows as of `paired_rows`, at least one."""
    spreads: dict[Metric, list[Spread]] = {}
    for row in rows:
        spreads.setdefault(row.metric, []).append(difference(row.arm, row.metric, row.paired, row.verdict))
    return paired_figure(spreads, ("A", "B"), title, about)


def difference(arm: str, metric: Metric, paired: Paired, said: str, *, within: float | None = None) -> Spread:
    """A row of such a panel, in the unit in which the metric is shown; `said` stands behind the number."""
    scale = 100.0 if metric.unit == "share" else 1.0
    middle, low, high = (scale * value for value in (paired.difference, paired.low, paired.high))
    label = f"{arm}\n{metric.text(paired.difference)}{interval_text(paired.low, paired.high, metric.text)}, {said}"
    bounds = (low, high) if within is None else (low, high, scale * within)
    return Spread(label, arm_style(arm), [scale * value for value in paired.by_block], middle, *bounds)


def paired_figure(spreads: Mapping[Metric, Sequence[Spread]], sides: tuple[str, str], title: str, about: str) -> Figure:
    """A panel per metric with a row per arm: the first of the sides less the second."""
    columns = 1 if page().stacked else _COLUMNS
    lines = -(-len(spreads) // columns)
    most = max(len(rows) for rows in spreads.values())
    figure = page_figure(1.3 + lines * (0.75 + row_height(2) * most))
    panels = list(figure.subplots(lines, columns, squeeze=False).flat)
    for axes, (metric, rows) in zip(panels, spreads.items(), strict=False):
        draw_spreads(axes, rows, zero=True)
        panel_title(axes, metric.title)
        axes.set_xlabel(_across(sides, metric))
    for axes in panels[len(spreads) :]:
        axes.set_axis_off()
    spread_key(figure, tolerance=any(not math.isnan(row.within) for rows in spreads.values() for row in rows))
    headline(figure, title, about)
    return figure


def _across(sides: tuple[str, str], metric: Metric) -> str:
    """What is subtracted from what, in which unit, and what it means to lie on the left."""
    first, second = sides
    label = ", ".join([f"{first} less {second}", *metric.title.split(", ")[1:]])
    return f"{label} (left of 0: {first} {metric.less})" if metric.less else label
