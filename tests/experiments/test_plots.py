"""The pictures of a run: drawn for whatever a run can be, and no two arms alike."""

import io
import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from glassbench.experiments.account.ledger import STAGES
from glassbench.experiments.results.arm_style import arm_style
from glassbench.experiments.results.dataset import Dataset
from glassbench.experiments.results.figure_form import FigureFormat
from glassbench.experiments.results.plots.figures import (
    PLOTS,
    figures,
    latency_cdf,
    rate_strips,
    stage_breakdown,
    timeline,
)
from glassbench.experiments.results.plots.page import drawn_for, page, rendered
from glassbench.experiments.results.plots.rate_strips import rates_by_arm
from glassbench.experiments.results.plots.stage_breakdown import MEANING
from glassbench.experiments.results.ranking import ranking_of
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
    frames["target_bps"] = 1e6
    frames["fate"] = np.where(np.arange(FRAMES) < shown, "displayed", "skipped")
    for name, (_, end) in STAGES.items():
        spent = 0.0 if name in ("wait", "encode", "queue") else latency
        frames[end] = np.where(np.arange(FRAMES) < shown, captured + spent, np.nan)
    return frames


class MadeUp:
    """The tables of one run that nobody measured."""

    def __init__(self, arms: list[str], ledger: pd.DataFrame, links: pd.DataFrame, flows: pd.DataFrame) -> None:
        self._arms = arms
        self._frames = {"ledger": ledger, "links": links, "flows": flows}

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
    links = pd.concat(
        [
            pd.DataFrame({"arm": arm, "segment": "network", "direction": "down", "at": at, "capacity_bytes": capacity})
            for arm in arms
        ],
        ignore_index=True,
    )
    links["backlog_bytes"] = 10_000
    flows = links.drop(columns="backlog_bytes").assign(flow="media", sent_bytes=12_500)
    manifest = {"name": "made up", "title": "a clip, deadline 1 s", "complete": True}
    dataset = Dataset(Path("nowhere"), manifest, MadeUp(list(arms), ledger.reset_index(drop=True), links, flows))
    return dataset.run()


@pytest.mark.sampled(4)
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


@pytest.mark.sampled(4)
@pytest.mark.parametrize("name", ["latency-cdf", "timeline"])
@pytest.mark.parametrize(
    "latencies",
    [(0.0, 0.0), (0.0, 0.02), (0.0115, 0.0115), (0.0213, 0.0871), (0.0999, 0.1001), (0.003, 9.7), (0.0005, 500.0)],
    ids=str,
)
def test_latencies_of_any_range_have_labels_that_are_plain_numbers_and_fit(name, latencies, recwarn):
    arms = {f"arm {index}": (latency, FRAMES) for index, latency in enumerate(latencies)}
    with drawn_for("screen"):
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
    ends = {line.get_label(): line.get_ydata()[-1] for line in figure.axes[0].lines}
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


def test_rates_are_what_a_bin_of_the_link_and_of_the_flow_says_and_the_queue_is_the_time_that_it_takes_to_leave():
    run = make_run({"udp": (0.03, FRAMES), "rtp": (0.03, 40)})
    rates = rates_by_arm(run, ["rtp"])["rtp"]
    assert rates.edges == pytest.approx(np.arange(11) * 0.2)
    assert rates.capacity == pytest.approx(np.full(10, 4.0))  # 50 kB in 0.1 s
    assert rates.sent == pytest.approx(np.full(10, 1.0))
    assert rates.queue == pytest.approx(np.full(10, 20.0))  # 10 kB at 4 Mbit/s
    assert rates.told == pytest.approx(np.full(40, 1.0))
    assert rates.skipped_at == pytest.approx(np.arange(40, FRAMES) / 25)


def test_a_queue_waits_for_the_end_of_an_outage():
    run = make_run({"udp": (0.03, FRAMES)})
    down = run.downlink
    down.loc[(down["at"] > 0.45) & (down["at"] < 0.95), "capacity_bytes"] = 0.0  # from 0.5 s to 1 s
    queue = rates_by_arm(run, ["udp"])["udp"].queue
    assert queue[1:6] == pytest.approx([20.0, 520.0, 420.0, 220.0, 20.0])


def test_without_a_bottleneck_the_queue_is_what_frames_took_longer_than_the_soonest():
    run = make_run({"udp": (0.03, FRAMES)}, bottleneck=False)
    late = run.ledger["sequence"] == 7
    run.ledger.loc[late, "first_arrival_at"] += 0.05
    rates = rates_by_arm(run, ["udp"])["udp"]
    assert np.isnan(rates.capacity).all()
    assert rates.queue == pytest.approx([0.0, 50.0, *[0.0] * 8])


def test_the_strips_of_many_arms_are_as_many_as_a_reader_compares_and_those_that_follow_come_first():
    arms = {f"arm {index}": (0.05, FRAMES) for index in range(page().rows + 2)}
    run = make_run(arms)
    last = f"arm {page().rows + 1}"
    for record in run.records:
        record["stats"]["follows"] = record["arm"] == last
    figure = rate_strips(run)
    titles = [axes.get_title(loc="left") for axes in figure.axes[::2]]
    assert titles == [last, *sorted({*arms} - {last})[: page().rows - 1]]
    assert f"{page().rows} of {page().rows + 2} arms" in figure.get_suptitle()


LABELS = [
    *("udp", "rtp", "rtp:control=gcc", "srt", "srt:latency_ms=60", "quic-stream", "quic-stream-per-frame"),
    *("quic-datagram", "quic-adaptive", "webtransport-adaptive", "quic-datagram:control=gcc,encoder=follow"),
]


@pytest.fixture(scope="session")
def eleven() -> Run:
    """Eleven arms, no two as fast."""
    return make_run({arm: (0.03 + 0.02 * place, FRAMES - place) for place, arm in enumerate(LABELS)})


@pytest.fixture(scope="session")
def drawn(eleven: Run) -> dict[str, Figure]:
    """All pictures of the run of eleven arms, drawn once."""
    return figures(eleven)


def test_each_line_of_the_cdf_is_drawn_as_its_arm_is_and_has_its_latencies(drawn, eleven):
    lines = {line.get_label(): line for line in drawn["latency-cdf"].axes[0].lines}
    assert set(lines) == set(LABELS)
    for arm, line in lines.items():
        style = arm_style(arm)
        assert (line.get_color(), line.get_marker()) == (style.color, style.marker)
        assert (line.get_markerfacecolor() == style.color) == style.filled
        latencies = np.sort(eleven.video_by_arm()[arm]["g2g_ms"])
        shown = latencies[np.isfinite(latencies)]
        assert line.get_xdata()[1:-1] == pytest.approx(shown)
        assert line.get_ydata()[1:-1] == pytest.approx(100 * np.arange(1, len(shown) + 1) / FRAMES)


def test_both_panels_of_the_cdf_have_the_number_of_each_arm_at_its_line(drawn):
    for axes in drawn["latency-cdf"].axes:
        assert sorted(int(text.get_text()) for text in axes.texts) == list(range(1, 12))


def test_pictures_have_the_arms_in_the_order_of_the_table(drawn, eleven):
    ranked = [record["arm"] for record in ranking_of([]).order(eleven.records)]
    legend = [text.get_text() for text in drawn["latency-cdf"].legends[0].get_texts()]
    rows = [label.get_text() for label in drawn["stage-breakdown"].axes[0].get_yticklabels()]
    strips = [axes.get_title(loc="left") for axes in drawn["timeline"].axes[1:]]
    assert [text.split()[1] for text in legend] == ranked
    assert [text.split()[0] for text in rows] == ranked
    assert [text.rpartition(": ")[0] for text in strips] == ranked


def test_the_timeline_has_each_shown_frame_of_the_ledger_in_the_colour_of_its_arm(drawn, eleven):
    for axes in drawn["timeline"].axes[1:]:
        arm = axes.get_title(loc="left").rpartition(": ")[0]
        frames = eleven.video_by_arm()[arm]
        shown = frames[np.isfinite(frames["g2g_ms"])]
        (dots,) = axes.lines
        assert dots.get_color() == arm_style(arm).color
        assert dots.get_xdata() == pytest.approx(shown["captured_at"])
        assert dots.get_ydata() == pytest.approx(shown["g2g_ms"])


def test_bars_are_the_stages_of_the_ledger(drawn, eleven):
    axes = drawn["stage-breakdown"].axes[0]
    labels = [label.get_text().split()[0] for label in axes.get_yticklabels()]
    (transit,) = [bars for bars in axes.containers if bars.get_label() == MEANING["transit"]]
    for arm, bar in zip(labels, transit, strict=True):
        assert bar.get_width() == pytest.approx(1e3 * (0.03 + 0.02 * LABELS.index(arm)))


def test_what_was_sent_is_that_of_the_flows_in_the_colour_of_its_arm(drawn, eleven):
    rates = rates_by_arm(eleven, LABELS)
    for axes in drawn["rates"].axes[::2]:
        arm = axes.get_title(loc="left").split(": ")[0]
        assert axes.lines[0].get_color() == arm_style(arm).color
        assert axes.lines[0].get_ydata()[:-1] == pytest.approx(rates[arm].sent)


def test_each_axis_says_what_it_is_and_in_which_unit(drawn):
    for axes in drawn["latency-cdf"].axes:
        assert axes.get_xlabel() == "glass-to-glass latency, ms (log scale)"
        assert axes.get_ylabel().endswith(", %")
    assert drawn["timeline"].axes[-1].get_xlabel() == "capture time, s"
    assert {axes.get_xlabel() for axes in drawn["stage-breakdown"].axes} == {"ms"}
    assert {axes.get_ylabel() for axes in drawn["rates"].axes} == {"Mbit/s", "ms"}


def test_arms_whose_lines_coincide_are_said_to():
    figure = latency_cdf(make_run({"rtp": (0.05, FRAMES), "udp": (0.05, FRAMES), "srt": (0.12, FRAMES)}))
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert texts[0].startswith("1  rtp") and "3  udp" in texts[0] and "their lines coincide" in texts[0]
    assert texts[1].startswith("2  srt") and "coincide" not in texts[1]
    assert {text.get_text() for text in figure.axes[0].texts} == {"1 3", "2"}


@pytest.mark.parametrize(("size", "inches"), [("column", 3.4), ("slide", 13.33)])
def test_a_figure_fits_its_page_with_text_that_can_be_read(size, inches):
    figure = figures(make_run({"rtp": (0.05, FRAMES), "udp": (0.03, 40)}), size)["latency-cdf"]
    assert figure.get_figwidth() == pytest.approx(inches)
    usual = figure.axes[0].xaxis.label.get_fontsize()
    assert usual == pytest.approx({"column": 7.5, "slide": 15.0}[size], abs=0.1)
    assert size != "slide" or figure.get_figheight() == 7.5


def test_a_size_that_nobody_knows_is_refused_in_a_sentence():
    with pytest.raises(ValueError, match="size: found 'poster', accepted are screen, column, slide"):
        figures(make_run({"rtp": (0.05, FRAMES)}), "poster")


@pytest.mark.parametrize("format", ["pdf", "svg"])
def test_a_file_for_print_is_the_same_bytes_again_and_its_text_stays_text(format):
    def content() -> bytes:
        with drawn_for("column"):
            return rendered(latency_cdf(make_run({"rtp $a_b$": (0.05, FRAMES)})), FigureFormat(format))

    first = content()
    assert first == content()
    assert b"Date" not in first
    assert (b"/Type42" in first or b"/CIDFontType2" in first) if format == "pdf" else b"rtp $a_b$" in first
