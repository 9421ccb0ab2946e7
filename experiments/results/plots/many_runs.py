"""The pictures of many runs: how much later than the soonest arm each is, run by run; and what is typical of each."""

import math
from collections.abc import Sequence
from functools import partial

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from glassbench.experiments.account.metric_table import METRICS
from glassbench.experiments.account.number_text import interval_text, number_text
from glassbench.experiments.results.arm_style import arm_style
from glassbench.experiments.results.dataset import Dataset
from glassbench.experiments.results.evidence import evidence, picture_evidence
from glassbench.experiments.results.intervals import intervals_of
from glassbench.experiments.results.paired_metrics import values_of
from glassbench.experiments.results.plots.page import page
from glassbench.experiments.results.plots.spreads import Spread, draw_spreads, row_height, spread_key
from glassbench.experiments.results.plots.style import headline, page_figure, panel_title, panels_of
from glassbench.experiments.results.statistics import ArmEvidence, Comparison
from glassbench.experiments.results.subject import subject


def differences(dataset: Dataset) -> Figure:
    """How much later than the soonest arm each other one is: a dot a run, the typical run, and its 95 % interval.

    All arms meet the same network in a run, so differences show what the arms' own numbers hide. There is a panel for
    each delay that decides. Raises ResultsError as `evidence` does.
    """
    judged = _judged(dataset)
    figure = page_figure(2.0 + row_height(2) * sum(len(one.arms) for one in judged))
    panels = figure.subplots(len(judged), 1, squeeze=False)[:, 0]
    for axes, compared in zip(panels, judged, strict=True):
        draw_differences(axes, compared)
        panel_title(axes, f"{compared.name}: later than {compared.best.arm}, in the same {compared.unit}")
        axes.set_xlabel("difference, ms (left of 0: sooner)")
    spread_key(figure, judged[0].unit)
    headline(figure, f"Which arm is later, {judged[0].blocks} {judged[0].unit}s: {dataset.name}", subject(dataset))
    return figure


def draw_differences(axes: Axes, compared: Comparison) -> dict[str, list[Artist]]:
    """A row per arm behind the soonest, in the order of the table. Returns what was drawn of each arm."""
    return draw_spreads(axes, [_difference(arm) for arm in compared.arms if arm.against_best is not None], zero=True)


def typical(dataset: Dataset) -> Figure:
    """Of each arm what is typical: the delays that decide and the share of frames shown, a dot a run, with the median
    and its 95 % interval. Raises ResultsError as `evidence` does."""
    judged = _judged(dataset)
    order = [arm.arm for arm in judged[0].arms]
    figure = page_figure(2.2 + row_height() * len(order) * (len(judged) + 1 if page().stacked else 1))
    panels = panels_of(figure, len(judged) + 1, sharey=not page().stacked)
    for axes, compared in zip(panels, judged, strict=False):
        draw_typical(axes, compared, order)
        panel_title(axes, f"{compared.name} in each {compared.unit}")
        axes.set_xlabel("ms (log scale)")
    draw_spreads(panels[-1], [_shown(dataset, arm) for arm in order])
    panel_title(panels[-1], "frames shown in each run")
    panels[-1].set_xlabel("%")
    spread_key(figure, judged[0].unit)
    headline(figure, f"What is typical, {judged[0].blocks} {judged[0].unit}s: {dataset.name}", subject(dataset))
    return figure


def draw_typical(axes: Axes, compared: Comparison, order: Sequence[str] = ()) -> dict[str, list[Artist]]:
    """A row per arm, in this order or that of the table. Returns what was drawn of each arm."""
    by_arm = {arm.arm: arm for arm in compared.arms}
    return draw_spreads(axes, [_typical(by_arm[arm]) for arm in order or by_arm], log=True)


PLOTS = {"differences": differences, "intervals": typical}
"""The pictures of many runs; the first one decides."""


def plots_of_many_runs(dataset: Dataset) -> dict[str, partial[Figure]]:
    """What draws them; none if no frames are kept, or there are none to be shown."""
    if not dataset.manifest.get("frames") or dataset.is_bulk:
        return {}
    return {name: partial(plot, dataset) for name, plot in PLOTS.items()}


def _judged(dataset: Dataset) -> list[Comparison]:
    pictures = picture_evidence(dataset)
    return [evidence(dataset), *([] if pictures is None else [pictures])]


def _difference(arm: ArmEvidence) -> Spread:
    paired = arm.against_best
    assert paired is not None
    ms = [1e3 * value for value in paired.by_block]
    middle, low, high = (1e3 * value for value in (paired.difference, paired.low, paired.high))
    bounds = interval_text(low, high, lambda bound: number_text(bound, "+.0f"))
    label = f"{arm.arm}\n{number_text(middle, '+.0f')} ms{bounds}, {arm.verdict}"
    return Spread(label, arm_style(arm.arm), ms, middle, low, high)


def _typical(arm: ArmEvidence) -> Spread:
    bounds = (math.nan, math.nan) if arm.interval is None else (1e3 * arm.interval.low, 1e3 * arm.interval.high)
    return Spread(arm.arm, arm_style(arm.arm), [1e3 * value for value in arm.by_block], 1e3 * arm.typical, *bounds)


def _shown(dataset: Dataset, arm: str) -> Spread:
    rows = dataset.where(arm=arm, outcome="measured")
    (known,) = intervals_of(rows, {}, independent=not dataset.dependent).query("metric == 'shown'").to_dict("records")
    values = [100 * value for value in values_of(rows, METRICS["shown"])]
    return Spread(arm, arm_style(arm), values, *(100 * known[name] for name in ("median", "low", "high")))
