"""The order of arms, and what is said of the soonest."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from glassbench.experiments.account.metric_table import METRICS
from glassbench.experiments.account.metrics import picture_delay, signal_delay
from glassbench.experiments.cli import paired_table, sweep_table
from glassbench.experiments.cli.show_runs import evidence_object
from glassbench.experiments.cli.table import summary_table
from glassbench.experiments.engine.ab import Settings, run_settings
from glassbench.experiments.engine.agreement import agree
from glassbench.experiments.engine.repeat import repeat
from glassbench.experiments.engine.runner import run
from glassbench.experiments.results.answer import answer
from glassbench.experiments.results.dataset import Dataset, load
from glassbench.experiments.results.evidence import evidence, picture_evidence
from glassbench.experiments.results.ranking import BY_LATENCY, Ranking, ranking_of
from glassbench.experiments.results.report.report import report_of
from glassbench.experiments.results.settings import setting_rows
from glassbench.experiments.scenario import Scenario, build
from glassbench.experiments.worlds.table import VIRTUAL

SIGNAL = "Soonest by p95 signal delay, in this one run: adaptive (40 ms)."
FLOOR = 0.8


def arms_of(*, follows: bool = True, picture_floor: float | None = None, **adaptive: float) -> list[dict[str, Any]]:
    """A fixed arm that shows all frames, and one that skips captures and has these numbers."""
    fixed = {"g2g_p50_ms": 20.0, "g2g_p95_ms": 90.0, "signal_p95_ms": 80.0, "picture_p95_ms": 80.0, "captured": 100}
    summary = {**fixed, "g2g_p95_ms": math.inf, "signal_p95_ms": 40.0, **adaptive}
    about = {"outcome": "measured", "reason": None}
    return [
        {**about, "arm": "rtp", "summary": fixed, "stats": {"follows": False, "picture_floor": picture_floor}},
        {**about, "arm": "adaptive", "summary": summary, "stats": {"follows": follows, "picture_floor": picture_floor}},
    ]


def ranking(arms: list[dict[str, Any]]) -> Ranking:
    return ranking_of(arm["stats"] for arm in arms)


def orders(arms: list[dict[str, Any]]) -> list[list[object]]:
    """The order of a terminal, and that of a page."""
    numbers = dict.fromkeys(metric.column for metric in METRICS.values())
    rows = [{**numbers, "displayed": 90, **arm, **arm["summary"]} for arm in arms]
    table = summary_table(rows, title="title", ranking=ranking(arms))
    on_page = ranking(arms).order(arms)
    return [[row[0] for row in table.rows], [arm["arm"] for arm in on_page]]


def test_where_an_encoder_follows_the_soonest_arm_is_that_of_the_least_signal_delay() -> None:
    arms = arms_of()
    assert answer(arms) == SIGNAL
    assert orders(arms) == [["adaptive", "rtp"]] * 2
    assert ranking(arms).title("about") == "about, judged by p95 signal delay"
    neither = arms_of(follows=False)
    assert answer(neither) == "Soonest for 95 % of all captured frames, in this one run: rtp (90 ms)."
    assert orders(neither) == [["rtp", "adaptive"]] * 2
    assert ranking(neither).title("about") == "about"
    never = [{**arm, "summary": {**arm["summary"], "signal_p95_ms": math.inf}} for arm in arms]
    assert answer(never).startswith("After more than 5 % of its captures no arm showed anything any more")


def test_empty_pictures_win_the_signal_delay_and_not_the_picture_delay() -> None:
    arms = arms_of(picture_floor=FLOOR, picture_p95_ms=math.inf)
    name = "p95 picture delay (SSIM of at least 0.8)"
    assert answer(arms) == f"{SIGNAL} Soonest by {name}, in this one run: rtp (80 ms)."
    assert ranking(arms).title("about") == f"about, judged by p95 signal delay and {name}"
    empty = [{**arm, "summary": {**arm["summary"], "picture_p95_ms": math.inf}} for arm in arms]
    assert answer(empty) == f"{SIGNAL} No arm has a {name}, since too few pictures were good enough."
    assert orders(arms_of(picture_floor=FLOOR, signal_p95_ms=80.0, picture_p95_ms=81.0)) == [["rtp", "adaptive"]] * 2


def test_an_answer_says_how_many_arms_it_compared_over_what_and_counts_a_tie_of_many() -> None:
    arms = [{**arm, "arm": f"rtp:{name}"} for name in "abcde" for arm in arms_of(follows=False)[:1]]
    assert answer(arms, "over lte-driving, 20 ms each way") == (
        "Soonest of 5 arms over lte-driving, 20 ms each way, for 95 % of all captured frames, too close for one run to "
        "tell apart: rtp:a (90 ms), rtp:b (90 ms), rtp:c (90 ms) and 2 more, up to 90 ms."
    )


@pytest.mark.parametrize("stats", [None, {}, [], {"follows": "yes"}, {"follows": 1}])
def test_counters_of_strangers_say_of_no_encoder_that_it_follows(stats: object) -> None:
    assert ranking_of([stats]) == BY_LATENCY


def test_a_floor_that_is_no_number_is_none() -> None:
    assert ranking_of([{"follows": True, "picture_floor": "low"}]).picture_floor is None


@pytest.fixture(scope="module")
def scenario() -> Scenario:
    """An encoder that follows beside one that does not, with pictures."""
    return build(
        {
            "name": "follows",
            "duration": "600ms",
            "arms": ["quic-adaptive", "udp"],
            "video": {"source": "bikes", "width": 160, "height": 96, "picture_floor": FLOOR},
            "network": {"rate": "4Mbit/s", "delay": "10ms"},
        }
    )


@pytest.fixture(scope="module")
def dataset(made_once: Callable[..., Path], scenario: Scenario) -> Dataset:
    folder = made_once("following", lambda results: repeat(scenario, 2, results=results, workers=1))
    return load(next(folder.iterdir()))


def test_arms_of_many_runs_are_judged_by_signal_delay_and_picture_delay(dataset: Dataset, no_pictures: None) -> None:
    signals, pictures = evidence(dataset), picture_evidence(dataset)
    assert pictures is not None
    assert (signals.delay, pictures.delay) == ("signal delay", "picture delay (SSIM of at least 0.8)")
    ledger = dataset.frames("ledger")
    for arm in dataset.arms:
        cells = dataset.where(arm=arm)["cell"]
        frames = [ledger[(ledger["cell"] == cell) & (ledger["track"] == 0)] for cell in cells]
        signal, picture = (next(each for each in compared.arms if each.arm == arm) for compared in (signals, pictures))
        assert signal.pooled == nearest_rank([signal_delay(each) for each in frames])
        assert picture.pooled == nearest_rank([picture_delay(each, FLOOR) for each in frames])
        shown = np.concatenate([each["fate"] == "displayed" for each in frames]).mean()
        assert signal.shown == picture.shown == shown
    printed = evidence_object(dataset, signals, pictures)
    assert (printed["delay"], printed["pictures"]["delay"]) == (signals.delay, pictures.delay)
    page = report_of(dataset)
    assert page.verdict == f"{signals.answer} {pictures.answer}"
    assert page.subject.endswith("judged by p95 signal delay and p95 picture delay (SSIM of at least 0.8)")


def nearest_rank(delays: list[Any]) -> float:
    values = np.sort(np.concatenate(delays))
    return float(values[math.ceil(0.95 * len(values) - 1e-9) - 1])


def test_a_run_says_which_encoders_follow_and_the_floor_of_its_pictures(dataset: Dataset) -> None:
    arms = dataset.run(dataset.seeds[0]).records
    assert [arm["stats"]["follows"] for arm in arms] == [True, False]
    assert {arm["stats"]["picture_floor"] for arm in arms} == {FLOOR}


def test_without_pictures_there_is_no_picture_delay_to_judge_by(scenario: Scenario, tmp_path: Path) -> None:
    sizes = scenario.video.model_copy(update={"source": "lognormal"})
    done = run(scenario.model_copy(update={"video": sizes}), results=tmp_path, workers=1).run()
    assert [arm["stats"]["picture_floor"] for arm in done.records] == [None, None]
    assert "picture delay" not in answer(done.records)
    assert picture_evidence(load(done.path)) is None


def test_the_floor_of_a_scenario_decides_which_pictures_count(scenario: Scenario, tmp_path: Path) -> None:
    strict = scenario.video.model_copy(update={"picture_floor": 1.0})
    done = run(scenario.model_copy(update={"video": strict}), results=tmp_path, workers=1).run()
    for arm in done.records:
        assert arm["summary"]["signal_p95_ms"] < math.inf
        assert arm["summary"]["picture_p95_ms"] == math.inf
    assert "No arm has a p95 picture delay (SSIM of at least 1)" in answer(done.records)


@pytest.mark.long
def test_two_settings_are_judged_by_signal_delay_and_picture_delay(scenario: Scenario, tmp_path: Path) -> None:
    slower = scenario.network.model_copy(update={"delay": 0.02})
    settings = Settings.of(scenario, scenario.model_copy(update={"name": "slower", "network": slower}))
    dataset = run_settings(settings, 6, results=tmp_path, workers=1)
    rows = setting_rows(dataset)
    tested = [row.metric.name for row in rows if row.arm == "quic-adaptive"]
    assert tested == ["p50", "signal_p95", "picture_p95", "shown", "freezes", "sent"]
    by_metric = {row.metric.name: row for row in rows if row.arm == "udp"}
    assert by_metric["signal_p95"].paired.difference == pytest.approx(-10, abs=1)
    assert by_metric["signal_p95"].verdict == by_metric["picture_p95"].verdict
    said = paired_table.answer(rows, ranking_of(dataset.counters()))
    signals, pictures = said.split(" At ")
    assert signals.startswith("At p95 signal delay, ")
    assert pictures.startswith("p95 picture delay (SSIM of at least 0.8), ")
    assert all(arm in each for arm in dataset.arms for each in (signals, pictures))


def test_a_setting_without_pictures_is_not_compared_by_them(scenario: Scenario, tmp_path: Path) -> None:
    sizes = scenario.video.model_copy(update={"source": "lognormal"})
    settings = Settings.of(scenario, scenario.model_copy(update={"name": "sizes", "video": sizes}))
    dataset = run_settings(settings, 1, results=tmp_path, workers=1)
    rows = setting_rows(dataset)
    assert "picture_p95" not in {row.metric.name for row in rows}
    assert "picture delay" not in paired_table.answer(rows, ranking_of(dataset.counters()))


@pytest.mark.lengthy
def test_worlds_agree_by_signal_delay_and_picture_delay(scenario: Scenario, tmp_path: Path) -> None:
    """Virtual time stands for real sockets here, and agrees with itself."""
    agreement = agree(scenario, 1, world=VIRTUAL, results=tmp_path)
    compared = [one.metric.name for one in agreement.compared if one.arm == "quic-adaptive"]
    assert compared == ["p50", "signal_p95", "picture_p95", "shown", "sent"]
    assert all(one.within for one in agreement.compared)


@pytest.mark.parametrize("most", [48, 1], ids=["a row per point", "medians over points"])
def test_the_table_of_a_sweep_has_signal_delay_and_picture_delay(
    dataset: Dataset, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep_table, "MAX_ROWS", most)
    table = sweep_table.sweep_table(dataset)
    headings = [column.heading.replace("\n", " ") for column in table.columns]
    assert {"signal p95 ms", "picture p95 ms"} <= set(headings)
    assert not {"p95 ms", "p95 / floor"} & set(headings)
    assert str(table.title).endswith("judged by p95 signal delay and p95 picture delay (SSIM of at least 0.8)")
