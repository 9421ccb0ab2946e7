"""RTP under congestion control: the books over its packets, what the controllers get, and what comes of it."""

import struct
from collections import Counter
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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
from glassbench.transport.contract import Estimated, Frame, FrameDropped, RateChanged, Track, TransportConfig
from glassbench.transport.framing import Malformed
from glassbench.transport.rtp import rtcp
from glassbench.transport.rtp.arrivals import (
    CONTROL_INTERVAL,
    MOST_STREAMS,
    Arrival,
    Arrivals,
    PacketReport,
    StreamReport,
)
from glassbench.transport.rtp.books import GIVE_UP, Books
from glassbench.transport.rtp.controlled import ControlledSender, rtp_sender
from glassbench.transport.rtp.packet import ntp, parse
from glassbench.transport.rtp.sender import RtpSender

SENDER, RECEIVER = ("10.0.0.1", 5000), ("10.0.0.2", 5000)
VIDEO = Track(1, "video", "h264", 1)
MEDIA, RTX = 5, 6  # SSRCs


def feedback_of(arrivals: Arrivals, *, now: float) -> rtcp.CongestionFeedback:
    (item,) = rtcp.parse(rtcp.congestion_feedback(7, arrivals.take(rtcp.middle(ntp(now)), now=now)))
    assert isinstance(item, rtcp.CongestionFeedback)
    return item


def a_report(ssrc: int, first: int, received: str, age: float | None = 0.0, at: float = 0.0) -> rtcp.CongestionFeedback:
    """A report of the instant `at` on packets from `first` on, of which those with a 1 came."""
    packets = [
        PacketReport((first + index) & 0xFFFF, came == "1", 0, age if came == "1" else None)
        for index, came in enumerate(received)
    ]
    return rtcp.CongestionFeedback(7, (StreamReport(ssrc, tuple(packets)),), rtcp.middle(ntp(at)))


@given(
    seed=st.integers(0, 2**32 - 1),
    loss=st.sampled_from([0.0, 0.05, 0.5]),
    lost_feedback=st.sampled_from([0.0, 0.3, 1.0]),
    jitter=st.sampled_from([0.0, 0.02]),
)
@settings(max_examples=40, deadline=None)
def test_every_packet_is_settled_exactly_once_with_loss_reordering_and_lost_feedback(
    seed: int, loss: float, lost_feedback: float, jitter: float
) -> None:
    dice = np.random.default_rng(seed)
    books, arrivals = Books(), Arrivals(CONTROL_INTERVAL, twice=True)
    on_the_way: list[tuple[float, int, int, int]] = []
    next_sequence = {MEDIA: 65000, RTX: 10}
    came: set[int] = set()
    settled: Counter[int] = Counter()
    for step in range(1, 3001):  # milliseconds: two seconds of packets, and one more
        now = 1000 + step / 1000
        if step < 2000:
            ssrc = RTX if dice.random() < 0.1 else MEDIA
            sequence = next_sequence[ssrc] & 0xFFFF
            next_sequence[ssrc] += 1
            number = books.on_sent(ssrc, sequence, now=now)
            if dice.random() >= loss:
                on_the_way.append((now + 0.02 + jitter * dice.random(), number, ssrc, sequence))
        for entry in [entry for entry in on_the_way if entry[0] <= now]:
            on_the_way.remove(entry)
            came.add(entry[1])
            arrivals.add(entry[2], Arrival(entry[3], now, 0))
        if arrivals.report_at is not None and arrivals.report_at <= now:
            feedback = feedback_of(arrivals, now=now)
            if dice.random() >= lost_feedback:
                result = books.settle(feedback, now=now)
                assert came.issuperset(result.arrived)
                if not jitter and not lost_feedback:
                    assert came.isdisjoint(result.lost)
                settled.update(result.arrived + result.lost)
        settled.update(books.give_up(now=now))
    assert settled == Counter(range(1999))
    assert books.give_up_at() is None


def test_a_packet_is_lost_once_a_report_has_it_missing_and_one_that_left_three_later_came() -> None:
    books = Books()
    for sequence in range(6):
        books.on_sent(MEDIA, sequence, now=1000.0)
    result = books.settle(a_report(MEDIA, 0, "1011", at=1000.03), now=1000.05)
    assert (result.arrived, result.lost) == ([0, 2, 3], [])
    result = books.settle(a_report(MEDIA, 4, "1", at=1000.035), now=1000.055)
    assert (result.arrived, result.lost) == ([4], [])
    result = books.settle(a_report(MEDIA, 4, "1", at=1000.05), now=1000.07)
    assert (result.arrived, result.lost) == ([], [1])
    assert books.settle(a_report(MEDIA, 0, "11111"), now=1000.09).arrived == []


def test_a_packet_that_comes_after_the_end_of_its_frame_is_not_lost() -> None:
    books = Books()
    for sequence in range(6):
        books.on_sent(MEDIA, sequence, now=1000.0)
    assert books.settle(a_report(MEDIA, 0, "01111", at=1000.03), now=1000.05).lost == []
    result = books.settle(a_report(MEDIA, 0, "111111", at=1000.05), now=1000.07)
    assert (result.arrived, result.lost) == ([0, 5], [])


def test_what_no_report_tells_of_is_lost_after_a_second() -> None:
    books = Books()
    books.on_sent(MEDIA, 0, now=1000.0)
    books.on_sent(MEDIA, 1, now=1000.5)
    assert books.give_up_at() == 1000.0 + GIVE_UP
    assert books.give_up(now=1000.999) == []
    assert books.give_up(now=1001.0) == [0]
    assert books.give_up_at() == 1000.5 + GIVE_UP


def test_the_round_trip_does_not_contain_the_time_for_which_the_receiver_held_the_report() -> None:
    books = Books()
    books.on_sent(MEDIA, 0, now=1000.0)
    books.on_sent(MEDIA, 1, now=1000.01)
    assert books.settle(a_report(MEDIA, 0, "11", age=0.015), now=1000.065).rtt == pytest.approx(0.04)
    books.on_sent(MEDIA, 2, now=1001.0)
    assert books.settle(a_report(MEDIA, 2, "1", age=None), now=1001.1).rtt is None


@pytest.mark.parametrize("age", [0.102, 0.5, float("inf")])
def test_a_report_of_a_packet_that_came_before_it_left_is_refused_as_a_whole(age: float) -> None:
    books = Books()
    books.on_sent(MEDIA, 0, now=1000.0)
    books.on_sent(MEDIA, 1, now=1000.0)
    bad, good = a_report(MEDIA, 1, "1", age=age), a_report(MEDIA, 0, "1")
    with pytest.raises(Malformed, match="SSRC 5: packet 1 came before it left"):
        books.settle(good._replace(streams=good.streams + bad.streams), now=1000.1)
    assert books.settle(a_report(MEDIA, 0, "11", age=0.1), now=1000.1).arrived == [0, 1]


def test_what_came_before_it_left_is_counted_and_no_arrival() -> None:
    sender = make_sender(control="reno")
    sender.send_frame(make_frame(0, 1_000), now=1000.0)
    (packet,) = media_of(sender, now=1000.0)
    in_flight = sender._flight.bytes_in_flight
    arrivals = Arrivals(CONTROL_INTERVAL, twice=True)
    arrivals.add(packet.ssrc, Arrival(packet.sequence, 999.0, 0))
    body = arrivals.take(rtcp.middle(ntp(1000.05)), now=1000.05)
    sender.receive_datagram(rtcp.congestion_feedback(9, body), RECEIVER, now=1000.05)
    assert sender.stats()["malformed"] == 1
    assert sender._flight.bytes_in_flight == in_flight > 0


def test_losses_that_all_came_after_all_are_told_as_spurious_since_the_first() -> None:
    books = Books()
    for sequence in range(8):
        books.on_sent(MEDIA, sequence, now=1000.0)
    books.settle(a_report(MEDIA, 0, "0011", at=1000.03), now=1000.05)
    assert books.settle(a_report(MEDIA, 4, "11", at=1000.05), now=1000.07).lost == [0, 1]
    first = books.settle(a_report(MEDIA, 1, "1", at=1000.06), now=1000.08)
    assert (first.arrived, first.late, first.spurious_since) == ([], 1, None)
    again = books.settle(a_report(MEDIA, 1, "1", at=1000.07), now=1000.09)
    assert (again.late, again.spurious_since) == (0, None)
    second = books.settle(a_report(MEDIA, 0, "1", at=1000.08), now=1000.1)
    assert (second.arrived, second.late, second.spurious_since) == ([], 1, 1000.07)


def test_a_packet_that_comes_more_than_a_second_after_it_was_declared_lost_is_lost() -> None:
    books = Books()
    books.on_sent(MEDIA, 0, now=1000.0)
    assert books.give_up(now=1001.0) == [0]
    assert books.settle(a_report(MEDIA, 0, "1"), now=1002.1).late == 0
    books.on_sent(MEDIA, 1, now=1003.0)
    assert books.give_up(now=1004.0) == [1]
    late = books.settle(a_report(MEDIA, 1, "1"), now=1004.9)
    assert (late.late, late.spurious_since) == (1, 1004.0)


def test_of_lost_packets_a_bounded_number_is_remembered() -> None:
    books = Books()
    for sequence in range(10_000):
        books.on_sent(MEDIA, sequence, now=1000.0)
    books.give_up(now=1001.0)
    assert len(books._lost) == 4096


def test_the_window_comes_back_when_a_loss_was_a_late_packet() -> None:
    sender = make_sender(control="reno")
    sender.send_frame(make_frame(0, 9_000), now=1000.0)
    first, late, *packets = media_of(sender, now=1000.0)
    window = sender._flight.allowance.window_bytes
    arrivals = Arrivals(CONTROL_INTERVAL, twice=True)

    def report(news: list[Any], now: float) -> None:
        for packet in news:
            arrivals.add(packet.ssrc, Arrival(packet.sequence, now, 0))
        body = arrivals.take(rtcp.middle(ntp(now)), now=now)
        sender.receive_datagram(rtcp.congestion_feedback(9, body), RECEIVER, now=now + 0.02)

    report([first], 1000.02)
    report(packets[:3], 1000.03)
    report(packets[3:], 1000.05)
    stats = sender.stats()
    assert (stats["lost_packets"], stats["spurious_losses"]) == (1, 0)
    assert sender._flight.allowance.window_bytes < 0.6 * window
    report([late], 1000.06)
    stats = sender.stats()
    assert (stats["lost_packets"], stats["spurious_losses"]) == (1, 1)
    assert sender._flight.allowance.window_bytes >= window


@pytest.mark.parametrize(
    "feedback",
    [a_report(MEDIA, 1, "1"), a_report(MEDIA, 0, "11"), a_report(MEDIA, 65535, "1"), a_report(MEDIA, 40000, "1")],
)
def test_a_report_of_a_packet_that_never_left_is_refused_as_a_whole(feedback: rtcp.CongestionFeedback) -> None:
    books = Books()
    books.on_sent(MEDIA, 0, now=1000.0)
    with pytest.raises(Malformed, match="came and never left"):
        books.settle(feedback, now=1000.1)
    assert books.settle(a_report(MEDIA, 0, "1"), now=1000.1).arrived == [0]


def test_the_times_of_arrival_go_on_where_32_bits_end() -> None:
    books = Books()
    times = []
    for sequence, at in enumerate((2**32 - 65536, 65536)):
        books.on_sent(MEDIA, sequence, now=1000.0)
        result = books.settle(a_report(MEDIA, sequence, "1")._replace(at=at), now=1000.1)
        times += result.received_at.values()
    assert times[1] - times[0] == 2


def test_a_stream_that_a_report_has_twice_with_different_words_is_settled_once() -> None:
    books = Books()
    books.on_sent(MEDIA, 0, now=1000.0)
    one, two = (a_report(MEDIA, 0, "1", age=age).streams[0] for age in (None, 0.0))
    assert books.settle(rtcp.CongestionFeedback(7, (one, two), 0), now=1000.1).arrived == [0]


def test_under_control_reports_come_every_10_ms_and_have_each_arrival_twice() -> None:
    arrivals = Arrivals(CONTROL_INTERVAL, twice=True)
    arrivals.add(MEDIA, Arrival(1, 1000.0, 0))
    assert arrivals.report_at == pytest.approx(1000.01)
    feedback_of(arrivals, now=1000.02)
    arrivals.add(MEDIA, Arrival(4, 1000.03, 0))
    (stream,) = feedback_of(arrivals, now=1000.05).streams
    assert [(packet.sequence, packet.received) for packet in stream.packets] == [
        *((1, True), (2, False), (3, False), (4, True))
    ]
    arrivals.add(MEDIA, Arrival(5, 1000.06, 0))
    (stream,) = feedback_of(arrivals, now=1000.08).streams
    assert [packet.sequence for packet in stream.packets] == [4, 5]


def test_what_is_missing_is_reported_also_of_a_stream_that_was_silent_for_several_reports() -> None:
    arrivals = Arrivals(CONTROL_INTERVAL, twice=True)
    arrivals.add(RTX, Arrival(10, 1000.0, 0))
    for step in range(5):
        arrivals.add(MEDIA, Arrival(step, 1000.0 + step * 0.03, 0))
        feedback_of(arrivals, now=1000.02 + step * 0.03)
    arrivals.add(RTX, Arrival(12, 1000.2, 0))
    streams = {stream.ssrc: stream.packets for stream in feedback_of(arrivals, now=1000.22).streams}
    assert [(packet.sequence, packet.received) for packet in streams[RTX]] == [(10, True), (11, False), (12, True)]


def test_ends_of_streams_are_remembered_within_a_bound() -> None:
    arrivals = Arrivals(CONTROL_INTERVAL, twice=True)
    for ssrc in range(1000):
        arrivals.add(ssrc, Arrival(0, 1000.0 + ssrc, 0))
        feedback_of(arrivals, now=1000.02 + ssrc)
    assert len(arrivals._ends) == MOST_STREAMS


def losses_told(session: Any) -> list[float]:
    """Seconds after which the controller hears of each lost packet, as the session runs."""
    flight = session.sender.transport._flight
    tell, told = flight.controller.on_feedback, []

    def listen(feedback: Any) -> None:
        told.extend(feedback.at - result.packet.at for result in feedback.results if result.lost)
        tell(feedback)

    flight.controller.on_feedback = listen
    return told


def test_losses_are_told_within_some_reports_and_not_by_giving_up(make_session) -> None:
    lossy = RandomLoss(0.05, np.random.default_rng(3))
    session = make_session("rtp:control=realtime", forward=[lossy, Delay(0.02)])
    told = losses_told(session)
    session.run(until=session.offer_video(150) + 3)
    assert 20 < len(told) <= lossy.counts().lost  # of RTCP nothing is told
    assert len(told) >= lossy.counts().lost - 3
    assert max(told) < 0.9


def test_packets_that_overtake_each_other_are_not_lost(make_session) -> None:
    jitter = RandomDelay("uniform", 0.006, 0.003, np.random.default_rng(4), reorder=True)
    session = make_session("rtp:control=gcc", forward=[Delay(0.02), jitter])
    told = losses_told(session)
    session.run(until=session.offer_video(90) + 3)
    assert told == []


def test_over_a_path_with_loss_both_ways_controller_and_books_agree_and_repairs_are_in_them(make_session) -> None:
    dice = [np.random.default_rng(stream) for stream in np.random.SeedSequence(3).spawn(2)]
    session = make_session(
        "rtp:control=scream",
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
    repairs = sum(packet.payload_type == 97 for packet in packets)
    assert repairs == sender.stats()["retransmissions"] > 10
    assert told == Counter(range(len(packets)))
    assert sender._flight.bytes_in_flight == 0
    # 10 % of packets, and those of which two reports in a row got lost: 14 %, and three standard deviations.
    assert 0.08 < sender.stats()["lost_packets"] / len(packets) < 0.2
    # Nothing follows the last frames, so that a loss at the very end cannot be noticed.
    assert {key for key in session.offered if key <= (1, 85)} <= session.received().keys()


def test_if_no_feedback_comes_nothing_is_in_flight_a_second_later(make_session) -> None:
    session = make_session("rtp:control=realtime", backward=[RandomLoss(1.0, np.random.default_rng(1)), Delay(0.02)])
    session.run(until=session.offer_video(5) + 5)
    sender = session.sender.transport
    assert sender._flight.bytes_in_flight == 0
    assert sender.stats()["lost_packets"] > 0


def test_marks_reach_the_controller_once_though_each_is_reported_twice(make_session) -> None:
    codel = CoDel(limit_bytes=400_000, ecn=True)
    session = make_session("rtp:control=cubic", options={"ecn": True}, forward=[FixedRate(1.5e6, codel), Delay(0.02)])
    session.run(until=session.offer_video(90, delta_bytes=7_000) + 3)
    assert session.sender.transport.stats()["ce_packets"] == codel.marked > 3


def make_sender(**options: object) -> ControlledSender:
    sender = rtp_sender(TransportConfig(SENDER, RECEIVER, 1, (VIDEO,), options={"control": "gcc", **options}))
    assert isinstance(sender, ControlledSender)
    sender.connect(now=1000.0)
    return sender


def make_frame(sequence: int, size: int, expires_at: float | None = None) -> Frame:
    payload = b"\x00\x00\x00\x01\x41" + b"\x55" * size
    return Frame(1, 0, sequence, 1000 + sequence / 30, sequence == 0, 0, 1, expires_at, payload)


def media_of(sender: ControlledSender, *, now: float) -> list[Any]:
    return [parse(d.data) for d in sender.datagrams_to_send(now=now) if not rtcp.is_rtcp(d.data)]


def test_a_frame_that_expires_before_its_turn_is_dropped_and_leaves_no_gap() -> None:
    sender = make_sender(control="reno")
    sender.send_frame(make_frame(0, 60_000), now=1000.0)
    sender.send_frame(make_frame(1, 3_000, expires_at=1000.1), now=1000.0)
    packets = media_of(sender, now=1000.0)
    assert packets and not any(packet.marker for packet in packets)  # the window ends within the first frame
    sender.handle_timer(now=1000.2)
    events = iter(sender.next_event, None)
    assert [event.sequence for event in events if isinstance(event, FrameDropped)] == [1]
    sender.send_frame(make_frame(2, 1_000), now=1000.3)
    arrivals = Arrivals(CONTROL_INTERVAL, twice=True)
    newest = packets
    for step in range(20):
        now = 1000.3 + step / 10
        for packet in newest:
            arrivals.add(packet.ssrc, Arrival(packet.sequence, now, 0))
        body = arrivals.take(rtcp.middle(ntp(now)), now=now)
        sender.receive_datagram(rtcp.congestion_feedback(9, body), RECEIVER, now=now)
        newest = media_of(sender, now=now)
        packets += newest
    steps = {(two.sequence - one.sequence) & 0xFFFF for one, two in pairwise(packets)}
    assert steps == {1}
    assert sum(packet.marker for packet in packets) == 2


def test_where_nothing_is_heard_of_a_full_window_two_packets_leave_after_a_probe_timeout_that_doubles() -> None:
    sender = make_sender(control="reno")
    sender.send_frame(make_frame(0, 60_000), now=999.96)
    packets = media_of(sender, now=999.96)
    assert len(packets) >= 10
    assert sender._probe_at() is None
    arrivals = Arrivals(CONTROL_INTERVAL, twice=True)
    arrivals.add(packets[0].ssrc, Arrival(packets[0].sequence, 999.98, 0))
    body = arrivals.take(rtcp.middle(ntp(999.98)), now=999.98)
    sender.receive_datagram(rtcp.congestion_feedback(9, body), RECEIVER, now=1000.0)
    assert media_of(sender, now=1000.0)
    probed = []
    now = 1000.0
    while now < 1000.8 and (at := sender.get_timer()) is not None:
        now = at
        sender.handle_timer(now=now)
        if packets := media_of(sender, now=now):
            assert len(packets) == 2
            probed.append(now)
    first, second = probed[:2]
    assert second - first == pytest.approx(2 * (first - 1000.0))


def test_no_probe_leaves_where_nothing_waits_or_the_window_has_room() -> None:
    sender = make_sender(control="reno")
    sender.send_frame(make_frame(0, 3_000), now=1000.0)
    media_of(sender, now=1000.0)
    assert sender._probe_at() is None
    sender._round_trip.add(0.04)
    sender.send_frame(make_frame(1, 3_000), now=1000.0)
    assert sender._probe_at() is None
    media_of(sender, now=1000.0)
    assert sender._probe_at() is None


def test_bytes_that_wait_are_taken_off_the_budget() -> None:
    sender = make_sender(control="reno")
    asked = {"ready_at": 1000.01, "interval": 1 / 30, "now": 1000.0}
    before = sender.frame_budget(**asked)
    sender.send_frame(make_frame(0, 100_000), now=1000.0)
    after = sender.frame_budget(**asked)
    assert before is not None and after is not None and before > after


@given(st.binary(max_size=80), st.booleans())
@settings(max_examples=200, deadline=None)
def test_garbage_in_the_place_of_feedback_is_counted_and_changes_nothing(body: bytes, is_ours: bool) -> None:
    sender = make_sender()
    sender.send_frame(make_frame(0, 3_000), now=1000.0)
    packets = media_of(sender, now=1000.0)
    if is_ours:  # our SSRC, and sequence numbers that never left
        first = (packets[-1].sequence + 1) & 0xFFFF
        body = struct.pack("!IHH", packets[0].ssrc, first, 2) + b"\x80\x00\x80\x00" + body[:4].ljust(4, b"\0")
    body += bytes(-len(body) % 4)
    before = sender._flight.allowance, sender._flight.bytes_in_flight
    sender.receive_datagram(rtcp.congestion_feedback(9, body), RECEIVER, now=1000.05)
    assert (sender._flight.allowance, sender._flight.bytes_in_flight) == before
    stats = sender.stats()
    if is_ours or len(body) < 4:
        assert stats["malformed"] == 1
    elif len(body) > 4:
        assert stats["malformed"] + stats["unknown_ssrc"] >= 1


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


@pytest.mark.parametrize("control", ["gcc", "scream", "adaptive", "realtime"])
def test_a_controller_of_delays_leads_an_encoder_over_a_link_of_half_its_rate_and_no_queue_grows(control: str) -> None:
    result = run(f"rtp:control={control}")
    assert late(result.ledger) < 0.15
    assert (result.ledger["fate"] == "skipped").mean() < 0.05
    assert 0.8 * 3 < rate_of(result) < 3
    assert result.stats["sender"]["malformed"] == result.stats["sender"]["unknown_ssrc"] == 0


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


def test_without_control_the_sender_is_as_ever_and_cannot_lead() -> None:
    config = TransportConfig(SENDER, RECEIVER, 1, (VIDEO,), options={})
    assert type(rtp_sender(config)) is RtpSender
    with pytest.raises(ScenarioError, match=r"control=none has no estimate .*; control=gcc has one"):
        run("rtp:encoder=follow")


def test_an_unknown_controller_is_answered_with_those_that_there_are() -> None:
    with pytest.raises(ScenarioError, match=r"control must be none, realtime, .*, got 'vegas'"):
        run("rtp:control=vegas")
