"""The pictures of a run: drawn for whatever a run can be, and no two arms alike."""

import io
import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from glassbench.experiments.account.ledger import STAGES
from glassbench.experiments.results.dataset import Dataset
from glassbench.experiments.results.plots.figures import PLOTS, latency_cdf, stage_breakdown, timeline
from glassbench.experiments.results.plots.style import arm_styles, own_style
from glassbench.experiments.results.run import Run
from glassbench.experiments.results.summary_table import IDENTITY, NUMBERS, TEXTS, summary_table

FRAMES = 50


def arm_frames(arm: str, *, latency: float, shown: int) -> pd.DataFrame:
    """`shown` of FRAMES frames displayed after `latency` seconds, all of it spent in `transit`."""
    captured = np.arange(FRAMES) / 25
    frames = pd.DataFrame(
        {"arm": arm, "flow": "media", "track": 0, "sequence": np.arange(FRAMES), "captured_at": captured}
    )
    frames["size_bytes"] = 5000
    for name, (_, end) in STAGES.items():
        spent = 0.0 if name in ("wait", "encode", "queue") else latency
        frames[end] = np.where(np.arange(FRAMES) < shown, captured + spent, np.nan)
    return frames


class MadeUp:
    """The tables of one run that nobody measured."""

    def __init__(self, arms: list[str], ledger: pd.DataFrame, links: pd.DataFrame) -> None:
        self._arms = arms
        self._frames = {"ledger": ledger, "links": links}

    def summary(self) -> pd.DataFrame:
        records = [
            {"cell": index, "axes": {}, "arm": arm, "seed": 7, "outcome": "measured", "reason": None, "summary": {}}
            | {name: {} for name in TEXTS}
            for index, arm in enumerate(self._arms)
        ]
        return summary_table(records, {})[[*IDENTITY, *NUMBERS]]

    def texts(self, name: str) -> dict[int, str]:
        return dict.fromkeys(range(len(self._arms)), "{}")

    def frames(self, name: str, cells: object, columns: object) -> pd.DataFrame:
        return self._frames[name].assign(cell=0)


def make_run(arms: dict[str, tuple[float, int]], *, bottleneck: bool = True, frames: int = FRAMES) -> Run:
    ledger = pd.concat([arm_frames(arm, latency=latency, shown=shown) for arm, (latency, shown) in arms.items()])
    ledger = ledger.head(frames * len(arms))
    at = np.arange(0, 2, 0.1)
    capacity = 50_000.0 if bottleneck else np.nan
    links = pd.DataFrame(
        {"arm": next(iter(arms)), "segment": "network", "direction": "down", "at": at, "capacity_bytes": capacity}
    )
    manifest = {"name": "made up", "title": "a clip, deadline 1 s", "complete": True}
    dataset = Dataset(Path("nowhere"), manifest, MadeUp(list(arms), ledger.reset_index(drop=True), links))
    return dataset.run()


@pytest.mark.sampled(2)
@pytest.mark.parametrize("name", PLOTS)
@pytest.mark.parametrize(
    "arms",
    [
        {"rtp": (0.05, FRAMES)},
        {"rtp": (0.05, FRAMES), "udp": (0.05, 0)},
        {"udp": (0.05, 0)},
        {f"arm {index}": (0.05 + index, FRAMES - index) for index in range(11)},
    ],
    ids=["one", "one shows nothing", "nothing shown at all", "many"],
)
def test_every_run_can_be_drawn(tmp_path, name, arms):
    PLOTS[name](make_run(arms)).savefig(tmp_path / "plot.png", dpi=50)
    assert (tmp_path / "plot.png").stat().st_size > 5000


@pytest.mark.parametrize("name", PLOTS)
def test_a_run_over_a_link_without_bottleneck_can_be_drawn(tmp_path, name):
    run = make_run({"rtp": (0.05, FRAMES), "udp": (0.05, 0)}, bottleneck=False)
    PLOTS[name](run).savefig(tmp_path / "plot.png", dpi=50)
    assert (tmp_path / "plot.png").stat().st_size > 5000


@pytest.mark.sampled(2)
@pytest.mark.parametrize("name", ["latency-cdf", "timeline"])
@pytest.mark.parametrize(
    "latencies",
    [(0.0, 0.0), (0.0, 0.02), (0.0115, 0.0115), (0.0213, 0.0871), (0.0999, 0.1001), (0.003, 9.7), (0.0005, 500.0)],
    ids=str,
)
def test_latencies_of_any_range_have_labels_that_are_plain_numbers_and_fit(name, latencies, recwarn):
    arms = {f"arm {index}": (latency, FRAMES) for index, latency in enumerate(latencies)}
    with own_style({"text.parse_math": False}):
        figure = PLOTS[name](make_run(arms))
        figure.savefig(io.BytesIO(), format="png", dpi=50)
        axis = figure.axes[0].xaxis if name == "latency-cdf" else figure.axes[1].yaxis
        labels = [label for label in axis.get_ticklabels(which="both") if label.get_text()]
        boxes = [label.get_window_extent() for label in labels]
    assert len(labels) >= 2
    assert all(float(label.get_text()) > 0 for label in labels)
    assert not any(one.overlaps(other) for one, other in itertools.pairwise(boxes))
    assert not recwarn.list


@pytest.mark.parametrize("name", PLOTS)
def test_a_run_of_a_single_frame_can_be_drawn(name):
    run = make_run({"rtp": (0.05, 1)}, frames=1)
    figure = PLOTS[name](run)
    assert figure.axes
    assert "a clip, deadline 1 s, seed 7, in virtual time" in figure.get_suptitle()


def test_the_cdf_ends_at_the_share_that_was_shown():
    figure = latency_cdf(make_run({"rtp": (0.05, FRAMES), "udp": (0.03, 40)}))
    ends = {line.get_label().split()[0]: line.get_ydata()[-1] for line in figure.axes[0].lines}
    assert ends == pytest.approx({"rtp": 100.0, "udp": 80.0})


def test_bars_are_as_long_as_the_mean_latency_and_in_the_order_of_the_arms():
    figure = stage_breakdown(make_run({"rtp": (0.05, FRAMES), "udp": (0.03, 40)}))
    assert [text.get_text() for text in figure.axes[0].texts] == ["50", "30"]


def test_a_hopeless_arm_does_not_press_the_others_flat():
    arms = {f"arm {index}": (0.05, FRAMES) for index in range(4)} | {"hopeless": (30.0, FRAMES)}
    axes = stage_breakdown(make_run(arms)).axes[0]
    assert axes.get_xlim()[1] < 1000
    assert axes.texts[-1].get_text().startswith("30000")


def test_the_timeline_marks_each_frame_that_was_never_shown():
    figure = timeline(make_run({"udp": (0.03, 40)}))
    marks = figure.axes[1].collections[0].get_segments()
    assert len(marks) == 10


def test_no_two_of_many_arms_look_alike():
    styles = arm_styles([f"arm {index}" for index in range(28)])
    assert len({(style.color, style.dashes) for style in styles.values()}) == 28
    assert len({(style.color, style.marker) for style in styles.values()}) == 28
