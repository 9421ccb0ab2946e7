"""An encoder that follows over SRT: whole arms on links that are too slow, and the estimate by itself."""

import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glassbench.experiments.scenario import ScenarioError, build
from glassbench.experiments.worlds.reuse import Reuse
from glassbench.experiments.worlds.virtual import run_arm
from glassbench.receiver.quality import QualityMemo
from glassbench.sender.encode_cache import EncodeCache
from glassbench.transport.srt.estimate import LEAST_BPS, MOST_BPS, Backlog, RateEstimate

RTT = 0.04
LATENCY = 0.12
FOLLOWS = "srt:encoder=follow"
FRAME = 1 / 60


def ledger_of(
    arm: str, down: list[dict[str, Any]], *, duration: float, bitrate: str, fps: int = 60, **network: str
) -> pd.DataFrame:
    delay = {"element": "delay", "delay": f"{RTT / 2 * 1e3:g}ms"}
    scenario = build(
        {
            "name": "srt-follows",
            "duration": f"{duration:g}s",
            "arms": [arm],
            "video": {"source": "lognormal", "fps": fps, "bitrate": bitrate},
            "network": {"down": [*down, delay], "up": [delay], **network},
        }
    )
    result = run_arm(scenario, scenario.arms[0], Reuse(EncodeCache(None), QualityMemo()), quality=False)
    assert result.outcome == "measured" and result.ledger is not None, result.reason
    return result.ledger


def link(rate: float, queue: str = "600kB") -> dict[str, Any]:
    return {"element": "rate", "rate": f"{rate:g}Mbit/s", "queue": queue}


def steps(file: Path, *rates: float, seconds: float) -> dict[str, Any]:
    """A link that has each rate for so long."""
    rows = "".join(f"{index * seconds:g},{rate:g}\n" for index, rate in enumerate(rates))
    file.write_text(f"time_s,rate_mbps\n{rows}{len(rates) * seconds:g},{rates[-1]:g}\n", encoding="utf-8")
    return {"element": "trace", "trace": str(file), "queue": "600kB"}


def sent_mbps(frames: pd.DataFrame, start: float, end: float) -> float:
    """The rate of what was encoded in this time."""
    encoded = frames[(frames["captured_at"] >= start) & (frames["captured_at"] < end) & (frames["sequence"] >= 0)]
    return float(encoded["size_bytes"].sum()) * 8 / (end - start) / 1e6


def waits(frames: pd.DataFrame, start: float) -> pd.Series:
    """How much longer than on an empty path frames took until they were complete."""
    encoded = frames[(frames["captured_at"] >= start) & (frames["sequence"] >= 0)]
    return encoded["complete_at"] - encoded["first_sent_at"] - RTT / 2


@pytest.mark.sampled(2)
@pytest.mark.parametrize("fps", [25, 60])
@pytest.mark.parametrize("bitrate", ["1500kbit/s", "6Mbit/s"])
def test_on_a_constant_link_the_encoder_finds_its_rate_and_no_queue_stands(bitrate: str, fps: int) -> None:
    frames = ledger_of(FOLLOWS, [link(3)], duration=18, bitrate=bitrate, fps=fps)
    assert 0.6 * 3 < sent_mbps(frames, 12, 18) < 3
    assert waits(frames, 5).quantile(0.95) < LATENCY
    assert (frames[frames["captured_at"] >= 5]["fate"] == "displayed").mean() > 0.98


def test_an_encoder_that_does_not_follow_drowns_where_one_that_follows_does_not() -> None:
    frames = ledger_of("srt", [link(3)], duration=6, bitrate="6Mbit/s")
    assert waits(frames, 3).median() > 1.0
    assert (frames[frames["captured_at"] >= 3]["fate"] == "displayed").mean() < 0.1


def test_a_link_that_becomes_much_slower_is_followed_within_seconds(tmp_path: Path) -> None:
    down = [steps(tmp_path / "drop.csv", 5, 1, seconds=6)]
    frames = ledger_of(FOLLOWS, down, duration=12, bitrate="4Mbit/s", trace_start="0s")
    assert sent_mbps(frames, 3, 6) > 0.6 * 5
    assert sent_mbps(frames, 7, 8) < 1
    assert sent_mbps(frames, 9, 12) > 0.5 * 1
    assert waits(frames, 8).quantile(0.95) < LATENCY
    assert (frames[frames["captured_at"] >= 8]["fate"] == "displayed").all()


def test_random_loss_of_two_percent_does_not_slow_the_encoder_down() -> None:
    down = [link(5), {"element": "random-loss", "probability": "2%"}]
    assert sent_mbps(ledger_of(FOLLOWS, down, duration=15, bitrate="4Mbit/s"), 5, 15) > 0.7 * 5


def test_a_short_queue_that_shows_no_wait_holds_the_rate_by_its_losses() -> None:
    frames = ledger_of(FOLLOWS, [link(2, "4kB")], duration=10, bitrate="6Mbit/s")
    assert sent_mbps(frames, 5, 10) < 2.4  # an encoder of 6 Mbit/s would lose two packets of three


def test_after_an_outage_the_encoder_is_soon_at_half_of_the_link_and_then_grows() -> None:
    down = [link(5), {"element": "outage", "windows": [{"start": "5s", "duration": "1s"}]}]
    frames = ledger_of(FOLLOWS, down, duration=12, bitrate="4Mbit/s")
    assert (frames["fate"] == "skipped").sum() > 20  # the send buffer is beyond its limit
    assert sent_mbps(frames, 7, 8) > 0.3 * 5
    assert sent_mbps(frames, 11, 12) > 1.1 * sent_mbps(frames, 7, 8)


def test_control_is_refused_with_what_leads_the_encoder_instead() -> None:
    with pytest.raises(ScenarioError, match="live mode has no congestion control; encoder=follow leads the encoder by"):
        ledger_of("srt:control=cubic", [link(3)], duration=1, bitrate="1Mbit/s")


def fed(rate_bps: float, *, seconds: float, rtt: float = RTT) -> RateEstimate:
    """An estimate after so much of an empty path, with frames of this rate."""
    estimate = RateEstimate(LATENCY)
    size = int(rate_bps * FRAME / 8)
    backlog = Backlog(int(rate_bps / 8 * rtt), 0, 0)
    for index in range(round(seconds / FRAME)):
        now = 1000 + index * FRAME
        estimate.on_frame(size, backlog, now=now)
        estimate.on_ack(rtt=rtt, received_bps=rate_bps, backlog=backlog, now=now + FRAME / 2)
    return estimate


def test_there_is_no_opinion_before_there_is_feedback_and_then_it_begins_with_the_input() -> None:
    estimate = RateEstimate(LATENCY)
    for index in range(60):
        estimate.on_frame(5000, Backlog(index * 5000, index, 0), now=1000 + index * FRAME)
    assert estimate.frame_budget(0, ahead=0, interval=FRAME) is None
    assert fed(2e6, seconds=0.2).rate_bps == pytest.approx(2e6, rel=0.1)


def test_the_rate_does_not_grow_far_above_what_the_encoder_makes_of_it() -> None:
    rate = fed(1e6, seconds=60).rate_bps
    assert rate is not None and 1.4e6 < rate < 1.6e6


def test_a_frame_has_what_the_rate_carries_less_what_waits_and_none_if_it_came_too_late() -> None:
    estimate = fed(4e6, seconds=2)
    assert estimate.rate_bps is not None
    share = estimate.rate_bps / 8 * FRAME
    budgets = [estimate.frame_budget(held, ahead=0, interval=FRAME) for held in range(0, 200_000, 1000)]
    assert budgets[0] == int(share)
    assert budgets == sorted(budgets, key=lambda budget: -(budget or 0))
    assert int(share / 4) in budgets  # so much at least, as long as it comes in time
    late = budgets.index(0) * 1000 / (estimate.rate_bps / 8)
    assert RTT + LATENCY < late < RTT + LATENCY + 3 * FRAME
    assert set(budgets[budgets.index(0) :]) == {0}


def test_asking_changes_nothing() -> None:
    asked, silent = fed(4e6, seconds=2), fed(4e6, seconds=2)
    for held in range(0, 10**6, 10**4):
        asked.frame_budget(held, ahead=0.01, interval=FRAME)
    assert vars(asked) == vars(silent)


WORD = st.integers(0, 2**32 - 1)  # what an ACK can say


@given(
    acks=st.lists(st.tuples(WORD, WORD, st.integers(0, 10**8), st.floats(0, 5000)), max_size=60),
    latency=st.floats(0, 65.535),
)
def test_whatever_acks_say_the_rate_is_within_its_bounds_and_falls_by_half_at_most(
    acks: list[tuple[int, int, int, float]], latency: float
) -> None:
    estimate = RateEstimate(latency)
    now = 1000.0
    before = None
    for index, (rtt_us, byte_rate, held, pause) in enumerate(acks):
        now += pause
        backlog = Backlog(held, index, 2 * index)
        estimate.on_frame(5000, backlog, now=now)
        estimate.on_ack(rtt=rtt_us * 1e-6, received_bps=byte_rate * 8.0, backlog=backlog, now=now + FRAME)
        rate = estimate.rate_bps
        if rate is None:
            continue
        assert math.isfinite(rate) and LEAST_BPS <= rate <= MOST_BPS
        assert before is None or rate >= min(before, max(LEAST_BPS, before / 2))
        before = rate
        budget = estimate.frame_budget(held, ahead=0.01, interval=FRAME)
        assert budget is not None and 0 <= budget <= rate / 8 * FRAME


def test_a_pause_of_the_media_is_no_congestion() -> None:
    estimate, rtt = fed(4e6, seconds=2, rtt=0.6), 0.6
    before = estimate.rate_bps
    assert before is not None
    size = int(4e6 * FRAME / 8)
    for index in range(60):  # the send buffer fills anew until the first ACK is back
        now = 1020 + index * FRAME
        backlog = Backlog(size * min(index + 1, round(rtt / FRAME)), index, 0)
        estimate.on_frame(size, backlog, now=now)
        if index * FRAME > rtt:
            estimate.on_ack(rtt=rtt, received_bps=4e6, backlog=backlog, now=now)
    assert estimate.rate_bps is not None and estimate.rate_bps >= before
