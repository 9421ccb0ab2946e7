"""The pictures of many runs, of sweeps and of two settings: they show what the ledgers hold, drawn as the arms are."""

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from glassbench.experiments.account.metric_table import METRICS
from glassbench.experiments.account.percentile import percentile
from glassbench.experiments.cli.agree import _figure
from glassbench.experiments.engine.ab import Settings, run_settings
from glassbench.experiments.engine.agreement import Compared
from glassbench.experiments.engine.plan import grid
from glassbench.experiments.engine.plan_run import run_plan
from glassbench.experiments.engine.repeat import repeat
from glassbench.experiments.results.arm_style import arm_style
from glassbench.experiments.results.axis_numbers import with_numbers
from glassbench.experiments.results.dataset import Dataset, load
from glassbench.experiments.results.evidence import evidence
from glassbench.experiments.results.plots.page import drawn_for
from glassbench.experiments.results.plots.pairs import difference, paired_figure
from glassbench.experiments.results.settings import setting_rows
from glassbench.experiments.results.statistics import compare_paired, quantile_interval
from glassbench.experiments.scenario import build

SCENARIO: dict[str, Any] = {
    "name": "small",
    "seed": 1,
    "duration": "400ms",
    "arms": ["rtp", "udp"],
    "video": {"source": "lognormal", "bitrate": "1500kbit/s"},
    "network": {"trace": "lte-driving", "queue": "60kB"},
}
LOSSY: dict[str, Any] = {**SCENARIO, "name": "lossy", "network": {"rate": "5Mbit/s", "delay": "5ms", "loss": "5%"}}


@pytest.fixture(scope="session")
def runs(made_once) -> Dataset:
    """Six seeds of two arms, of which one is later."""
    scenario = build({**SCENARIO, "arms": ["rtp", "srt"], "network": {"rate": "2Mbit/s", "delay": "5ms"}})
    folder = made_once("runs that are drawn", lambda results: repeat(scenario, 6, results=results, workers=1))
    return load(folder / "small-seeds1-6")


@pytest.fixture(scope="session")
def sweep(made_once) -> Dataset:
    """Two delays x two losses x two arms x two seeds."""
    axes = {"network.delay": ["100ms", "5ms"], "network.loss": ["0%", "30%"]}
    plan = grid("small-sweep", build(LOSSY), axes=axes, seeds=[1, 2])
    return load(made_once("sweep that is drawn", lambda folder: run_plan(plan, folder, workers=1)))


@pytest.fixture(scope="session")
def settings(made_once) -> Dataset:
    """Six runs of one arm, over two delays."""
    a = build({**SCENARIO, "name": "a", "arms": ["rtp"]})
    b = build({**SCENARIO, "name": "b", "arms": ["rtp"], "network": {"trace": "lte-driving", "delay": "40ms"}})
    chosen = Settings.of(a, b)
    folder = made_once("settings that are drawn", lambda results: run_settings(chosen, 6, results=results, workers=1))
    return load(next(folder.iterdir()))


@pytest.fixture(scope="session")
def of_runs(runs: Dataset) -> dict[str, Figure]:
    return runs.figures()


@pytest.fixture(scope="session")
def of_sweep(sweep: Dataset) -> dict[str, Figure]:
    return sweep.figures()


@pytest.fixture(scope="session")
def of_settings(settings: Dataset) -> dict[str, Figure]:
    return settings.figures()


def of_ledger(dataset: Dataset, arm: str, **axes: str) -> np.ndarray:
    """The p95 of each run in ms, in the order of the seeds."""
    rows = dataset.where(arm=arm, **axes).sort_values("seed")
    return 1e3 * np.array([percentile(latencies, 0.95) for latencies in dataset.latencies(rows["cell"].tolist())])


def test_the_first_picture_of_many_runs_has_the_difference_of_each_run_and_its_interval(of_runs, runs):
    assert list(of_runs) == ["differences", "intervals"]
    (axes,) = of_runs["differences"].axes
    compared = evidence(runs)
    best, later = compared.arms[0].arm, compared.arms[1]
    expected = of_ledger(runs, later.arm) - of_ledger(runs, best)
    by_marker = {line.get_marker(): line for line in axes.lines}
    left, right = axes.get_xlim()
    inside = expected[(expected >= left) & (expected <= right)]
    assert by_marker["o"].get_xdata() == pytest.approx(inside) and len(inside) >= 4
    middle = by_marker[arm_style(later.arm).marker]
    assert middle.get_color() == arm_style(later.arm).color
    assert middle.get_xdata() == pytest.approx([np.median(expected)])
    (bounds,) = [line for line in axes.lines if line.get_marker() == "None" and len(set(line.get_xdata())) == 2]
    assert bounds.get_xdata() == pytest.approx([1e3 * later.against_best.low, 1e3 * later.against_best.high])


def test_what_is_typical_is_the_median_of_the_runs_and_its_order_statistics(of_runs, runs):
    axes = of_runs["intervals"].axes[0]
    assert axes.get_xlabel() == "ms (log scale)"
    assert [label.get_text() for label in axes.get_yticklabels()] == [arm.arm for arm in evidence(runs).arms]
    for arm in runs.arms:
        values = of_ledger(runs, arm)
        style, bounds = arm_style(arm), quantile_interval(values)
        own = [line for line in axes.lines if line.get_color() == style.color]
        assert [np.median(values)] in [pytest.approx(line.get_xdata()) for line in own if len(line.get_xdata()) == 1]
        assert [bounds.low, bounds.high] in [
            pytest.approx(line.get_xdata()) for line in own if line.get_marker() == "None"
        ]


def test_intervals_have_a_row_per_arm_and_metric_for_people_who_draw_themselves(runs):
    table = runs.intervals()
    rtp = table[(table["arm"] == "rtp") & (table["metric"] == "p95")].iloc[0]
    values = of_ledger(runs, "rtp")
    assert (rtp["unit"], rtp["runs"]) == ("ms", 6)
    assert rtp["median"] == pytest.approx(np.median(values))
    assert [rtp["least"], rtp["most"]] == pytest.approx([values.min(), values.max()])
    assert not table.duplicated(["arm", "metric"]).any()


def test_axes_are_numbers_in_si_units_beside_their_texts(sweep):
    assert sweep.axes == ["network.delay", "network.loss"]
    for table in (sweep.medians(), sweep.intervals()):
        delays = dict(zip(table["network.delay"], table["network.delay_s"], strict=True))
        losses = dict(zip(table["network.loss"], table["network.loss_share"], strict=True))
        assert delays == {"100ms": 0.1, "5ms": 0.005} and losses == {"0%": 0.0, "30%": 0.3}
    assert sweep.summary["network.delay_s"].tolist() == [
        {"100ms": 0.1, "5ms": 0.005}[t] for t in sweep.summary["axis.network.delay"]
    ]


def test_rates_and_sizes_are_numbers_too_and_what_is_no_quantity_stays_a_text():
    table = pd.DataFrame(
        {"rate": ["1Mbit/s", "20kbit/s"], "queue": ["60kB", "100ms"], "size": ["1kB", "2B"], "n": [1, 2]}
    )
    numbers = with_numbers(table, {name: name for name in table})
    assert list(numbers) == ["rate", "rate_bps", "queue", "size", "size_bytes", "n"]
    assert numbers["rate_bps"].tolist() == [1e6, 2e4] and numbers["size_bytes"].tolist() == [1e3, 2.0]


def test_a_sweep_has_a_line_per_arm_along_each_axis_through_the_medians(of_sweep, sweep):
    assert list(of_sweep) == ["along-network.delay", "along-network.loss", "map"]
    medians = sweep.medians()
    axes = of_sweep["along-network.delay"].axes[0]  # at the first loss
    assert axes.get_title(loc="left") == "network.loss 0%"
    assert axes.get_ylabel() == "p95, ms (log scale)"
    lines = {line.get_label(): line for line in axes.lines}
    for arm in sweep.arms:
        rows = medians[(medians["arm"] == arm) & (medians["network.loss"] == "0%")].sort_values("network.delay_s")
        assert lines[arm].get_xdata() == pytest.approx(rows["network.delay_s"])
        assert lines[arm].get_ydata() == pytest.approx(rows["g2g_p95_ms"])
        assert (lines[arm].get_color(), lines[arm].get_marker()) == (arm_style(arm).color, arm_style(arm).marker)
    assert [label.get_text() for label in of_sweep["along-network.delay"].axes[-1].get_xticklabels()] == [
        "5ms",
        "100ms",
    ]
    assert [text.get_text() for text in axes.texts] == ["all arms coincide"]


def test_an_infinite_median_is_said_at_the_upper_edge(of_sweep):
    signs = [text.get_text() for axes in of_sweep["along-network.loss"].axes for text in axes.texts]
    assert "\N{INFINITY}" in signs


def test_a_map_of_two_axes_names_the_best_arm_of_each_point_and_its_number(of_sweep, sweep):
    axes = of_sweep["map"].axes[0]
    medians = sweep.medians()
    medians = medians[medians["arm"] != "(floor)"]
    across = [label.get_text() for label in axes.get_xticklabels()]
    upright = [label.get_text() for label in axes.get_yticklabels()]
    assert (across, upright) == (["5ms", "100ms"], ["0%", "30%"])
    told = {tuple(np.round(text.get_position()).astype(int)): text.get_text().split()[0] for text in axes.texts}
    for x, delay in enumerate(across):
        for y, loss in enumerate(upright):
            at = medians[(medians["network.delay"] == delay) & (medians["network.loss"] == loss)]
            at = at[at["arm"].isin(sweep.arms)]
            assert told[x, y] == METRICS["p95"].text(float(at["g2g_p95_ms"].min()))


def test_two_settings_have_a_panel_per_metric_with_the_difference_of_each_pair(settings, of_settings):
    rows = setting_rows(settings)
    figure = of_settings["differences"]
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles[: len(rows)] == [row.metric.title for row in rows]
    p95 = figure.axes[titles.index("p95, ms")]
    expected = next(row.paired.by_block for row in rows if row.metric.name == "p95")
    drawn = [x for line in p95.lines if line.get_marker() in "o><" for x in line.get_xdata()]
    assert p95.get_xlabel() == "A less B, ms (left of 0: A sooner)"
    assert len(drawn) == 6 + 1 and set(np.round(expected, 6)) & set(np.round(drawn, 6))


def test_worlds_that_are_compared_have_their_tolerance_behind_each_difference():
    paired = compare_paired([12.0] * 8, [10.0] * 8, rng=np.random.default_rng(1))
    agreement = SimpleNamespace(compared=[Compared("rtp", METRICS["p50"], 10.0, 12.0, paired)])
    (axes,) = [axes for axes in _figure("title", "about", agreement).axes if axes.patches]
    (tolerance,) = axes.patches
    assert (tolerance.get_x(), tolerance.get_width()) == (-3.0, 6.0)
    assert axes.get_xlabel() == "live less virtual, ms (left of 0: live sooner)"


def test_so_few_runs_that_the_difference_may_be_anything_have_no_interval():
    few = compare_paired([12.0, 13.0, 12.0], [10.0] * 3, rng=np.random.default_rng(1))
    row = difference("rtp", METRICS["p95"], few, "within", within=5.0)
    (axes,) = [axes for axes in paired_figure({METRICS["p95"]: [row]}, ("A", "B"), "", "").axes if axes.lines]
    assert row.label == "rtp\n2.0, within"
    assert all(len(line.get_xdata()) != 2 or line.get_xdata()[0] == line.get_xdata()[1] for line in axes.lines)


def test_what_never_came_is_drawn_at_the_edge_and_breaks_nothing():
    never = compare_paired([np.inf] * 8, [1.0] * 8, rng=np.random.default_rng(1))
    rows = [difference("udp", METRICS["p95"], never, "later")]
    (axes,) = [axes for axes in paired_figure({METRICS["p95"]: rows}, ("A", "B"), "", "").axes if axes.lines]
    right = axes.get_xlim()[1]
    assert [line.get_xdata().tolist() for line in axes.lines if line.get_marker() == ">"] == [[right] * 8]


def later(runs: Dataset) -> dict[str, list[float]]:
    soonest, other = (arm.arm for arm in evidence(runs).arms)
    return {other: [float(np.median(of_ledger(runs, other) - of_ledger(runs, soonest)))]}


def typical(runs: Dataset) -> dict[str, list[float]]:
    return {arm: [float(np.median(of_ledger(runs, arm)))] for arm in runs.arms}


def at_point(sweep: Dataset, arm: str, point: dict[str, str]) -> float:
    """The median over seeds, of the p95 in ms: a sweep keeps no more of its frames."""
    return float(np.median(sweep.where(arm=arm, **point)["g2g_p95_ms"].to_numpy(dtype=float)))


def along(sweep: Dataset) -> dict[str, list[float]]:
    points = [{"network.delay": delay, "network.loss": loss} for delay in ("5ms", "100ms") for loss in ("0%", "30%")]
    p95 = {arm: [at_point(sweep, arm, point) for point in points] for arm in sweep.arms}
    return {arm: [value for value in values if np.isfinite(value)] for arm, values in p95.items()}


def a_less_b(settings: Dataset) -> dict[str, list[float]]:
    return {
        "rtp": [float(np.median(of_ledger(settings, "rtp", setting="A") - of_ledger(settings, "rtp", setting="B")))]
    }


@pytest.mark.parametrize(
    ("results", "figure", "numbers"),
    [
        ("runs", "differences", later),
        ("runs", "intervals", typical),
        ("sweep", "along-network.delay", along),
        ("sweep", "along-network.loss", along),
        ("settings", "differences", a_less_b),
    ],
)
def test_each_figure_has_the_numbers_of_the_ledger_in_the_style_of_their_arm(request, results, figure, numbers):
    dataset = request.getfixturevalue(results)
    axes = request.getfixturevalue(f"of_{results}")[figure].axes
    for arm, expected in numbers(dataset).items():
        look = arm_style(arm)
        lines = [line for panel in axes for line in panel.lines]
        own = [line for line in lines if (line.get_color(), line.get_marker()) == (look.color, look.marker)]
        assert own and all((line.get_markerfacecolor() == look.color) == look.filled for line in own)
        drawn = [value for line in own for value in (*line.get_xdata(), *line.get_ydata())]
        assert expected and all(pytest.approx(value) in drawn for value in expected)


def test_each_cell_of_a_map_has_the_mark_of_its_best_arm(of_sweep, sweep):
    axes = of_sweep["map"].axes[0]
    drawn = {(round(line.get_xdata()[0]), round(line.get_ydata()[0])): line for line in axes.lines}
    for x, delay in enumerate(("5ms", "100ms")):
        for y, loss in enumerate(("0%", "30%")):
            point = {"network.delay": delay, "network.loss": loss}
            p95 = {arm: at_point(sweep, arm, point) for arm in sweep.arms}
            least = min(p95.values())
            assert ((x, y) in drawn) == np.isfinite(least)
            if (x, y) in drawn:
                best = {(arm_style(arm).color, arm_style(arm).marker) for arm in p95 if p95[arm] == least}
                assert (drawn[x, y].get_color(), drawn[x, y].get_marker()) in best


def test_what_the_marks_of_rows_mean_stands_below_them(of_runs, of_settings):
    for figure in (*of_runs.values(), *of_settings.values()):
        (key,) = figure.legends
        said = ["one run", "the typical run (median), and its 95 % interval", "beyond the axis"]
        assert [text.get_text() for text in key.get_texts()] == said


def test_the_name_of_a_row_fits_a_column_and_leaves_the_panel_its_width():
    arm = "quic-datagram:control=gcc,encoder=follow,window=cubic,chain_bytes=8000"
    paired = compare_paired([12.0] * 8, [10.0] * 8, rng=np.random.default_rng(1))
    with drawn_for("column"):
        rows = {METRICS["p95"]: [difference(arm, METRICS["p95"], paired, "not distinguishable")]}
        figure = paired_figure(rows, ("A", "B"), "", "")
        figure.draw_without_rendering()
        (axes,) = figure.axes
        right = axes.get_window_extent().x1
        assert all(text.get_window_extent().x1 <= right for text in axes.texts)
        assert "".join(axes.texts[0].get_text().split("\n")).startswith(arm)
        assert axes.get_position().width > 0.75


def test_figures_are_drawn_again_for_a_paper(runs, glass, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(runs.path, folder)
    ended = glass("results", "figures", str(folder), "--figures", "svg", "--figure-size", "column")
    assert ended.code == 0, ended
    written = [folder / f"{name}.svg" for name in ("differences", "intervals")]
    assert ended.out.splitlines() == [f"wrote {path}" for path in written]
    assert all(b"rtp" in path.read_bytes() for path in written)


def test_what_a_command_says_it_wrote_is_shown(settings, sweep, glass, tmp_path):
    experiment = tmp_path / "experiment"
    shutil.copytree(sweep.path, experiment / "first")
    shutil.copytree(settings.path, experiment / "second")
    ended = glass("results", "show", str(experiment))
    assert ended.code == 0, ended
    assert "A less B" in ended.out and "medians over seeds" in ended.out
    assert glass("results", "show", str(experiment), "--json").code == 2
    assert glass("results", "show", str(Path("nowhere"))).err.startswith("error: nowhere is not a folder of results")
