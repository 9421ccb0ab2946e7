"""The checks of the same budgets that a folder of results holds, and their figure: each budget over time."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from glassbench.experiments.account.metric_table import Metric
from glassbench.experiments.budgets.check import BudgetReport, Verdict
from glassbench.experiments.budgets.measure import Measured, read
from glassbench.experiments.budgets.text import limit_text, word
from glassbench.experiments.results import store
from glassbench.experiments.results.arm_style import arm_style
from glassbench.experiments.results.dataset import load
from glassbench.experiments.results.files import ResultsError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_CHECKS = 20  # the latest

_COLUMNS = 3


def checks_before(report: BudgetReport, results: Path) -> list[Measured]:
    """What earlier checks of the same content measured, as far as `results` still holds it, oldest first. One that
    cannot be read is left out."""
    own = load(report.measured.path).manifest
    entries = [entry for entry in store.runs(results) if entry.name == own["name"] and entry.complete]
    earlier = []
    for entry in sorted(entries, key=lambda entry: (entry.modified_at, entry.path)):
        if entry.path == report.measured.path or entry.damage:
            continue
        try:
            dataset = load(entry.path)
            if dataset.manifest.get("fingerprint") == own["fingerprint"]:
                earlier.append(read(dataset, report.budgets))
        except ResultsError:
            continue
    return earlier[-(MOST_CHECKS - 1) :]


def history_figure(report: BudgetReport, earlier: Sequence[Measured]) -> "Figure":
    """A panel per budget: its number in each check, the last of which is this one, a dot for each of its runs, the
    limit as a dashed line, and the baseline's number, if the limit needs one, as check 0."""
    from glassbench.experiments.results.plots.page import page
    from glassbench.experiments.results.plots.style import headline, page_figure

    columns = 1 if page().stacked else _COLUMNS
    lines = -(-len(report.verdicts) // columns)
    figure = page_figure(0.9 + 1.9 * lines)
    panels = list(figure.subplots(lines, columns, squeeze=False, sharex=True).flat)
    has_baseline = any(each.margin is not None and each.margin.reference is not None for each in report.verdicts)
    for axes, verdict in zip(panels, report.verdicts, strict=False):
        _draw(axes, verdict, [*earlier, report.measured], first=0 if has_baseline else 1)
    for axes in panels[len(report.verdicts) :]:
        axes.set_axis_off()
    count = len(earlier) + 1
    over = "one check" if count == 1 else f"{count} checks, oldest first"
    marks = "dashed: the limit, dots: single runs" + (", at 0: the baseline" if has_baseline else "")
    headline(figure, f"Budgets of {report.budgets.file}: {over} ({marks})", "")
    return figure


def _draw(axes: "Axes", verdict: Verdict, checks: Sequence[Measured], *, first: int) -> None:
    from matplotlib.ticker import MaxNLocator

    from glassbench.experiments.results.plots.page import page
    from glassbench.experiments.results.plots.style import INK, label_last, line_look, panel_title, tidy

    target, metric, margin = verdict.budget.target, verdict.budget.metric, verdict.margin
    scale = 100.0 if metric.unit == "share" else 1.0
    style = arm_style(target.arm)
    values, runs_at, runs = [], [], []
    for place, measured in enumerate(checks, start=1):
        numbers = measured.numbers.get(target)
        value = None if numbers is None else numbers.values.get(metric.name)
        values.append(np.nan if value is None else _finite(scale * value.pooled))
        for run in () if value is None else value.runs:
            runs_at.append(place)
            runs.append(_finite(scale * run))
    dots: Any = {"color": style.color, "linestyle": "", "marker": "o", "markersize": 3 * page().line, "alpha": 0.45}
    axes.plot(runs_at, runs, **dots)
    axes.plot(range(1, len(checks) + 1), values, **line_look(style))
    if margin is not None:
        axes.axhline(_finite(scale * margin.bound), color=INK, linestyle=(0, (4, 2)), linewidth=page().line)
        if margin.reference is not None:
            axes.plot(0, _finite(scale * margin.reference), marker="s", color=INK, markersize=5 * page().line)
    if metric.unit == "share":
        axes.set_ylim(top=min(axes.get_ylim()[1], 100.5))  # %
    axes.set_xlim(first - 0.4, len(checks) + 0.6)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    panel_title(axes, f"{target.arm}, {target.track} {metric.name}, {limit_text(verdict)}: {word(verdict)}")
    axes.set_xlabel("check")
    axes.set_ylabel(_unit(metric))
    tidy(axes)
    label_last(axes)


def _finite(value: float) -> float:
    """What is infinite has no place on an axis."""
    return value if np.isfinite(value) else np.nan


def _unit(metric: Metric) -> str:
    return metric.title.partition(", ")[2] or metric.name
