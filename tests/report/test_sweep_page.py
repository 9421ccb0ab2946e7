"""The page of a sweep: who is soonest where, and pictures whose data are those of the results."""

import math
import re
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from glassbench.experiments.account.metric_table import METRICS
from glassbench.experiments.results.intervals import intervals_of
from glassbench.experiments.results.report.page import page
from glassbench.experiments.results.report.report import report_of
from glassbench.experiments.results.report.sweep_points import SweepPoints


def made(medians: dict[tuple[str, str], dict[str, float]], seeds: int = 8) -> SweepPoints:
    """Points of `network.delay` and `network.loss` with these numbers of each arm, a little later with each seed."""
    rows = [
        {"axis.network.delay": delay, "axis.network.loss": loss, "arm": arm, "seed": seed, "outcome": "measured",
         "g2g_p95_ms": value + seed / 10}
        for (delay, loss), arms in medians.items() for arm, value in arms.items() for seed in range(seeds)
    ]  # fmt: skip
    columns = dict.fromkeys(metric.column for metric in METRICS.values())
    summary = pd.DataFrame([{**columns, **row} for row in rows]).astype(dict.fromkeys(columns, "Float64"))
    axes = ["network.delay", "network.loss"]
    table = intervals_of(summary, {axis: f"axis.{axis}" for axis in axes}, independent=True)
    dataset = SimpleNamespace(
        summary=summary,
        axes=axes,
        intervals=lambda: table,
        dependent="",
        arms=list(dict.fromkeys(summary["arm"])),
        seeds=list(range(seeds)),
        counters=lambda: [],
    )
    return SweepPoints(dataset)  # type: ignore[arg-type]


def test_the_soonest_arm_of_each_point_is_counted_and_told_apart_by_paired_runs():
    points = made({("5ms", "0%"): {"a": 10, "b": 20}, ("20ms", "0%"): {"a": 30, "b": 20}})
    assert points.verdict == "Soonest at p95 in a typical run: a at 1 of 2 points, b at 1."
    assert points.told_apart == {("5ms",), ("20ms",)}
    assert "At 2 of 2 points the soonest arm is told apart" in points.basis


def test_few_runs_tell_nothing_apart_and_the_band_is_their_range():
    points = made({("5ms", "0%"): {"a": 10, "b": 20}, ("20ms", "0%"): {"a": 30, "b": 20}}, seeds=3)
    assert points.told_apart == frozenset() and not points.bounded
    assert (
        points.basis
        == "There are 3 runs at a point, too few for intervals and tests: the pictures have the range of all runs."
    )


def test_arms_with_the_same_median_share_a_point_and_nobody_has_one_that_is_infinite():
    points = made({("5ms", "0%"): {"a": 10, "b": 10}, ("20ms", "0%"): {"a": math.inf, "b": math.inf}})
    assert points.verdict == "Soonest at p95 in a typical run: a and b at 1 of 2 points, no arm at 1."
    assert points.told_apart == frozenset()


def test_axes_with_one_value_do_not_vary():
    points = made({("5ms", "0%"): {"a": 1}, ("20ms", "0%"): {"a": 2}})
    assert points.axes == ["network.delay"]
    assert points.verdict == "a at 2 points: how its p95 goes along them is below."


@pytest.mark.parametrize("which", ["sweep", "sweep_of_two_axes"])
def test_the_lines_of_a_sweep_are_drawn_where_its_medians_are(which, request):
    """The dots of each arm, read off the drawing by the scale that it carries, are the medians of the results."""
    data = request.getfixturevalue(which)
    html = page(report_of(data))
    medians = data.medians()
    panel = re.search(r'<g data-panel="([^"]+)" data-x="[^"]+" data-y="([^"]+)">.*', html)
    assert panel is not None
    (_, top, _, height), (low, high) = map(float, panel[1].split()), map(float, panel[2].split()[:2])
    for arm in data.arms:
        line = re.search(rf'data-series="{arm}">(.*?)</g>', panel[0])
        assert line is not None
        heights = {float(y) for y in re.findall(r'<use [^>]*y="([\d.]+)"', line[1])}
        rows = medians[medians["arm"] == arm].head(2)
        for value in rows["g2g_p95_ms"]:
            share = (math.log(value) - math.log(low)) / (math.log(high) - math.log(low))
            expected = top + height * (1 - share)
            assert min(abs(np.array(sorted(heights)) - expected)) < 0.05


def test_a_sweep_of_two_axes_has_maps_with_the_medians_in_them(sweep_of_two_axes, take_apart):
    texts = take_apart(page(report_of(sweep_of_two_axes))).texts
    medians = sweep_of_two_axes.medians()
    for arm in sweep_of_two_axes.arms:
        after = texts[texts.index(f"{arm}, ms") :]
        for value in medians.loc[medians["arm"] == arm, "g2g_p95_ms"]:
            assert f"{value:.1f}" in after[:30]
