"""RTP under each congestion controller and each feedback: what the controllers hear, and what comes of it."""

from collections import Counter
from typing import Any

import numpy as np
import pandas as pd
import pytest

from glassbench.experiments.account.metrics import signal_delay
from glassbench.experiments.scenario import ScenarioError, build
from glassbench.experiments.worlds.reuse import Reuse
from glassbench.experiments.worlds.virtual import run_arm
from glassbench.netem.elements.delay import Delay
from glassbench.netem.elements.fixed_rate import FixedRate
from glassbench.netem.elements.random_delay import RandomDelay
from glassbench.netem.elements.random_loss import RandomLoss
from glassbench.netem.queues.codel import CoDel
from glassbench.receiver.quality import QualityMemo
from glassbench.sender.encode_cache import EncodeCache
from glassbench.transport.contract import Estimated, RateChanged
from glassbench.transport.rtp import rtcp
from glassbench.transport.rtp.packet import parse, parse_transport_sequence

FEEDBACK = pytest.mark.parametrize("feedback", ["rfc8888", "twcc"])


def losses_told(session: Any) -> list[float]:
    """Seconds after which the controller hears of each lost packet, as the session runs."""
    flight = session.sender.transport._flight
    tell, told = flight.controller.on_feedback, []

    def listen(feedback: Any) -> None:
        told.extend(feedback.at - result.packet.at for result in feedback.results if result.lost)
        tell(feedback)

    flight.controller.on_feedback = listen
    return told


@FEEDBACK
def test_losses_are_told_within_some_reports_and_not_by_giving_up(make_session, feedback: str) -> None:
    lossy = RandomLoss(0.05, np.random.default_rng(3))
    session = make_session(f"rtp:control=realtime,feedback={feedback}", forward=[lossy, Delay(0.02)])
    told = losses_told(session)
    session.run(until=session.offer_video(150) + 3)
    assert 20 < len(told) <= lossy.counts().lost  # of RTCP nothing is told
    assert len(told) >= lossy.counts().lost - 3
    assert max(told) < 0.9


@FEEDBACK
def test_packets_that_overtake_each_other_are_not_lost(make_session, feedback: str) -> None:
    jitter = RandomDelay("uniform", 0.006, 0.003, np.random.default_rng(4), reorder=True)
    session = make_session(f"rtp:control=gcc,feedback={feedback}", forward=[Delay(0.02), jitter])
    told = losses_told(session)
    session.run(until=session.offer_video(90) + 3)
    assert told == []


@FEEDBACK
def test_over_a_path_with_loss_both_ways_controller_and_books_agree_and_repairs_are_in_them(
    make_session, feedback: str
) -> None:
    dice = [np.random.default_rng(stream) for stream in np.random.SeedSequence(3).spawn(2)]
    session = make_session(
        f"rtp:control=scream,feedback={feedback}",
        forward=[RandomLoss(0.1, dice[0]), Delay(0.02)],
        backward=[RandomLoss(0.2, dice[1]), Delay(0.02)],
    )
    sender = session.sender.transport
    told: Counter[int] = Counter()
    tell = sender._flight.controller.on_feedback

    def listen(feedback):
        told.update(result.packet.number for result in feedback.results)
        tell(feedback)

    sender._flight.controller.on_feedback = listen
    session.run(until=session.offer_video(90) + 2)
    packets = [parse(data) for data in session.sender.sent if not rtcp.is_rtcp(data)]
    if feedback == "twcc":
        assert [parse_transport_sequence(packet.extension) for packet in packets] == list(range(len(packets)))
    repairs = sum(packet.payload_type == 97 for packet in packets)
    assert repairs == sender.stats()["retransmissions"] > 10
    assert told == Counter(range(len(packets)))
    assert sender._flight.bytes_in_flight == 0
    # 10 % of packets, and those of which two reports in a row got lost: 14 %, and three standard deviations.
    assert 0.08 < sender.stats()["lost_packets"] / len(packets) < 0.2
    # Nothing follows the last frames, so that a loss at the very end cannot be noticed.
    assert {key for key in session.offered if key <= (1, 85)} <= session.received().keys()


@FEEDBACK
def test_if_no_feedback_comes_nothing_is_in_flight_a_second_later(make_session, feedback: str) -> None:
    session = make_session(
        f"rtp:control=realtime,feedback={feedback}", backward=[RandomLoss(1.0, np.random.default_rng(1)), Delay(0.02)]
    )
    session.run(until=session.offer_video(5) + 5)
    sender = session.sender.transport
    assert sender._flight.bytes_in_flight == 0
    assert sender.stats()["lost_packets"] > 0


def test_marks_reach_the_controller_once_though_each_is_reported_twice(make_session) -> None:
    codel = CoDel(limit_bytes=400_000, ecn=True)
    session = make_session("rtp:control=cubic", options={"ecn": True}, forward=[FixedRate(1.5e6, codel), Delay(0.02)])
    session.run(until=session.offer_video(90, delta_bytes=7_000) + 3)
    assert session.sender.transport.stats()["ce_packets"] == codel.marked > 3


def test_rate_and_estimates_are_told(make_session) -> None:
    session = make_session("rtp:control=realtime", forward=[FixedRate(1e6, CoDel(limit_bytes=100_000)), Delay(0.02)])
    session.run(until=session.offer_video(90) + 1)
    estimates = session.sender.of(Estimated)
    assert session.sender.of(RateChanged)
    assert len(estimates) > 10
    assert min(np.diff([event.at for event in estimates])) >= 0.1


def run(arm: str, queue: str = "600kB") -> Any:
    delay = {"element": "delay", "delay": "20ms"}
    scenario = build(
        {
            "name": "controlled",
            "duration": "8s",
            "arms": [arm],
            "video": {
                "source": "lognormal",
                "fps": 60,
                "encode_cost": "fixed:8ms",
                "bitrate": "6Mbit/s",
                "max_bitrate": "80Mbit/s",
            },
            "network": {"down": [{"element": "rate", "rate": "3Mbit/s", "queue": queue}, delay], "up": [delay]},
        }
    )
    result = run_arm(scenario, scenario.arms[0], Reuse(EncodeCache(None), QualityMemo()), quality=False)
    assert result.outcome == "measured", result.reason
    return result


def settled(result: Any) -> pd.DataFrame:
    return result.ledger[result.ledger["captured_at"] >= 4]


def rate_of(result: Any) -> float:
    """Mbit/s of frames in the second half."""
    return float(settled(result)["size_bytes"].sum()) * 8 / 4e6


def late(frames: pd.DataFrame) -> float:
    """The p95 of the signal delay in seconds, infinite where nothing came any more."""
    return float(np.quantile(signal_delay(frames), 0.95, method="higher"))


@pytest.mark.sampled(2)
@FEEDBACK
@pytest.mark.parametrize("control", ["gcc", "scream", "adaptive", "realtime"])
def test_a_controller_of_delays_leads_an_encoder_over_a_link_of_half_its_rate_and_no_queue_grows(
    control: str, feedback: str
) -> None:
    result = run(f"rtp:control={control},feedback={feedback}")
    assert late(result.ledger) < 0.15
    assert (result.ledger["fate"] == "skipped").mean() < 0.05
    assert 0.8 * 3 < rate_of(result) < 3
    assert result.stats["sender"]["malformed"] == result.stats["sender"]["unknown_ssrc"] == 0


@pytest.mark.sampled(3)
@pytest.mark.parametrize("control", ["bbr", "cubic", "reno"])
def test_a_controller_that_needs_losses_or_time_has_found_the_link_after_some_seconds(control: str) -> None:
    result = run(f"rtp:control={control}", queue="60kB")
    assert late(settled(result)) < 0.3
    assert 0.8 * 3 < rate_of(result) < 3


def test_at_a_fixed_rate_of_twice_the_link_rtp_drowns() -> None:
    assert late(run("rtp").ledger) > 1.0


def test_a_controller_that_probes_pads() -> None:
    assert run("rtp:control=gcc").stats["sender"]["padding_packets"] > 0
    assert run("rtp:control=scream").stats["sender"]["padding_packets"] == 0


def test_without_control_the_encoder_cannot_be_led() -> None:
    with pytest.raises(ScenarioError, match=r"control=none has no estimate .*; control=gcc has one"):
        run("rtp:encoder=follow")


def test_an_unknown_controller_is_answered_with_those_that_there_are() -> None:
    with pytest.raises(ScenarioError, match=r"control must be none, realtime, .*, got 'vegas'"):
        run("rtp:control=vegas")


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ("feedback=twcc", "feedback=twcc needs a congestion controller, such as control=gcc"),
        ("burst=0.04", "burst is of a pacer and needs a congestion controller, such as control=gcc"),
        ("control=gcc,burst=40", "burst must be 0 to 1 seconds, got 40"),
        ("control=gcc,feedback=remb", "option 'feedback' must be 'rfc8888' or 'twcc', got 'remb'"),
        ("control=gcc,feedback=twcc,ecn=true", "feedback=twcc tells nothing of marks; ecn=true needs feedback=rfc8888"),
    ],
)
def test_a_feedback_that_cannot_be_is_answered_with_the_reason(options: str, reason: str) -> None:
    with pytest.raises(ScenarioError, match=reason):
        run(f"rtp:{options}")
