"""NACK and RTX over a simulated path: the closed form of ARQ, deadlines, bounds, what is told when."""

import math

import numpy as np
import pytest

from glassbench.netem.elements.delay import Delay
from glassbench.netem.elements.random_loss import RandomLoss
from glassbench.netem.medium import LossyMedium
from glassbench.transport.contract import Frame, FrameLost, FrameReceived, Track, TransportConfig
from glassbench.transport.rtp import RtpReceiver, rtcp
from glassbench.transport.rtp.budget import RetransmissionBudget
from glassbench.transport.rtp.packet import ntp, parse

SENDER, RECEIVER = ("10.0.0.1", 5000), ("10.0.0.2", 5000)
UNLIMITED = Track(id=1, name="video", media="h264", priority=1)


class LoseMedia(LossyMedium):
    """Loses chosen packets of the media stream (96) by their number; retransmissions and reports pass."""

    def __init__(self, numbers, *, rtx=False):
        super().__init__()
        self._numbers = set(numbers)
        self._rtx = rtx
        self._count = -1
        self.lost = []

    def loses(self, packet):
        if rtcp.is_rtcp(packet.data):
            return False
        if packet.data[1] & 0x7F == 97:
            return self._rtx
        self._count += 1
        if self._count in self._numbers:
            self.lost.append(parse(packet.data).sequence)
            return True
        return False


def offer_small_frames(session, count, interval, *, deadline=None):
    for index in range(count):
        at = round((1002.0 + index * interval) * 1e6) / 1e6
        expires_at = None if deadline is None else at + deadline
        session.offer(Frame(1, 0, index, at, index == 0, 0, 1, expires_at, b"\x00\x00\x00\x01\x41" + b"\x55" * 200))


@pytest.mark.sampled(3)
@pytest.mark.parametrize("max_retries", [1, 2, 3])
@pytest.mark.parametrize(("loss", "nack_loss"), [(0.1, 0.0), (0.3, 0.0), (0.5, 0.0), (0.3, 0.3)])
def test_the_residual_loss_is_that_of_arq(make_session, max_retries, loss, nack_loss):
    """p^(n+1) for n retries, and p (1 - (1-p)(1-q))^n if requests are lost with probability q."""
    count = 4000
    dice = [np.random.default_rng(stream) for stream in np.random.SeedSequence(max_retries).spawn(2)]
    session = make_session(
        "rtp",
        tracks=(UNLIMITED,),
        options={"max_retries": max_retries, "rtx_share": 10.0},
        forward=[RandomLoss(loss, dice[0]), Delay(0.02)],
        backward=[RandomLoss(nack_loss, dice[1]), Delay(0.02)],
    )
    offer_small_frames(session, count, 0.002)
    session.run(until=1002.0 + count * 0.002 + 2.0)
    received = session.received()
    newest = max(received)  # nothing follows the last frames, so a loss at the very end cannot be noticed
    told = {(event.track, event.sequence) for event in session.receiver.of(FrameLost)}
    assert told == {key for key in session.offered if key < newest} - received.keys()
    expected = loss * (1 - (1 - loss) * (1 - nack_loss)) ** max_retries
    sigma = math.sqrt(expected * (1 - expected) / count)
    # Requests are batched, so with lost requests the losses are not independent: allow for batches of a few.
    assert len(told) / count == pytest.approx(expected, abs=(4 if not nack_loss else 8) * sigma)


@pytest.mark.parametrize("one_way", [0.005, 0.05])
@pytest.mark.parametrize("reorder_window", [0.0, 0.005])
def test_a_repair_costs_the_reorder_window_and_a_round_trip(make_session, one_way, reorder_window):
    session = make_session(
        "rtp",
        options={"reorder_window": reorder_window},
        forward=[LoseMedia([15]), Delay(one_way)],
        backward=[Delay(one_way)],
    )
    session.run(until=session.offer_video(10) + 1.0)
    assert session.received().keys() == session.offered.keys()
    late = [e for e in session.receiver.of(FrameReceived) if e.at > e.frame.captured_at + one_way + 1e-6]
    assert len(late) == 1
    assert late[0].complete_at == late[0].at
    # All packets of a frame leave at once, so the gap is seen when the frame arrives.
    assert late[0].at - late[0].frame.captured_at == pytest.approx(3 * one_way + reorder_window, abs=1e-6)


def test_only_missing_packets_are_asked_for_and_sent_again_once(make_session):
    medium = LoseMedia([3, 14, 15, 30])
    session = make_session("rtp", forward=[medium, Delay(0.02)])
    session.run(until=session.offer_video(20) + 1.0)
    nacked = [
        sequence
        for data in session.receiver.sent
        for item in rtcp.parse(data)
        if isinstance(item, rtcp.Nack)
        for sequence in item.sequences
    ]
    assert nacked == medium.lost
    again = [parse(data) for data in session.sender.sent if not rtcp.is_rtcp(data) and data[1] & 0x7F == 97]
    assert [int.from_bytes(packet.payload[:2], "big") for packet in again] == medium.lost
    original = {p.sequence: p for data in session.sender.sent if data[1] & 0x7F == 96 for p in [parse(data)]}
    for packet in again:
        first = original[int.from_bytes(packet.payload[:2], "big")]
        assert packet.payload[2:] == first.payload
        assert (packet.timestamp, packet.marker, packet.extension) == (first.timestamp, first.marker, first.extension)
        assert packet.ssrc != first.ssrc
    assert [(p.sequence - again[0].sequence) & 0xFFFF for p in again] == list(range(len(again)))


@pytest.mark.parametrize("lost", [[0], [0, 1], list(range(12)), [11], [12], [11, 12], list(range(5, 20))])
def test_lost_edges_of_frames_and_of_the_stream_are_repaired(make_session, lost):
    """Packets 0 to 11 are the first keyframe; then come frames of three packets."""
    session = make_session("rtp", forward=[LoseMedia(lost), Delay(0.02)])
    session.run(until=session.offer_video(15) + 1.0)
    assert session.received().keys() == session.offered.keys()
    assert not session.receiver.of(FrameLost)


@pytest.mark.parametrize(
    ("lost", "frames"),
    [
        ([0], {0}),
        ([5], {0}),
        ([11], {0}),
        ([12], {1}),
        ([13], {1}),
        ([14], {1}),
        ([14, 15], {1, 2}),
        (range(5, 20), {0, 1, 2, 3}),
    ],
)
@pytest.mark.parametrize("nack", [False, True])
def test_without_repair_exactly_the_hit_frames_are_lost_and_told_soon(make_session, lost, frames, nack):
    session = make_session("rtp", options={"nack": nack}, forward=[LoseMedia(lost, rtx=True), Delay(0.02)])
    session.run(until=session.offer_video(60) + 2.0)
    assert {(1, sequence) for sequence in frames} == session.offered.keys() - session.received().keys()
    told = session.receiver.of(FrameLost)
    assert sorted(event.sequence for event in told) == sorted(frames)
    # With NACK the deadline of a second ends the wait; without, the reorder window does, from the next packet on.
    wait = 1.0 + 0.1 if nack else 0.04
    for event in told:
        assert event.at <= session.offered[1, max(frames)].captured_at + 0.02 + wait
    if not nack:
        assert not any(isinstance(item, rtcp.Nack) for data in session.receiver.sent for item in rtcp.parse(data))


def test_a_late_answer_is_not_asked_for(make_session):
    """A deadline of 50 ms leaves no time for a repair over a round trip of 80 ms."""
    track = Track(id=1, name="video", media="h264", priority=1, deadline=0.05)
    session = make_session("rtp", tracks=(track,), forward=[LoseMedia([15]), Delay(0.04)], backward=[Delay(0.04)])
    session.run(until=session.offer_video(20) + 1.0)
    (lost,) = session.receiver.of(FrameLost)
    assert lost.at <= session.offered[1, lost.sequence].captured_at + 0.04 + 0.006
    assert session.receiver.transport.stats()["nacked"] == 0


def test_a_repair_that_has_just_come_does_not_bring_the_deadline_of_the_next_loss_forward(make_session):
    """Frame 14 is found missing at 135 ms, 15 ms after the repair of frame 10: its own deadline is 105 ms ahead."""
    track = Track(id=1, name="video", media="h264", priority=1, deadline=0.16)
    session = make_session("rtp", tracks=(track,), forward=[LoseMedia([10, 14]), Delay(0.03)], backward=[Delay(0.03)])
    offer_small_frames(session, 30, 0.02, deadline=0.16)
    session.run(until=1004.0)
    assert {sequence for _, sequence in session.received()} == set(range(30))


def test_a_keyframe_request_is_a_pli_in_a_compound_packet_for_the_media_source(make_session):
    session = make_session("rtp")
    session.receiver.at(1002.5, lambda now: session.receiver.transport.request_keyframe(1, now=now))
    session.run(until=session.offer_video(20) + 1.0)
    (compound,) = [
        data for data in session.receiver.sent if any(isinstance(i, rtcp.KeyframeRequest) for i in rtcp.parse(data))
    ]
    items = rtcp.parse(compound)
    assert isinstance(items[0], rtcp.ReceiverReport)
    media = next(parse(data).ssrc for data in session.sender.sent if not rtcp.is_rtcp(data))
    assert items[-1].media == media


def test_both_ends_know_the_round_trip(make_session):
    session = make_session("rtp", forward=[Delay(0.03)], backward=[Delay(0.05)])
    session.run(until=1002.0)
    assert session.receiver.transport._round_trip.smoothed == pytest.approx(0.08, abs=1e-3)
    session.run(until=session.offer_video(90) + 1.0)
    assert session.sender.transport._round_trip.smoothed == pytest.approx(0.08, abs=1e-3)


def test_reports_come_as_often_as_announced_and_begin_with_a_report_and_a_name(make_session):
    session = make_session("rtp", forward=[LoseMedia([20, 40]), Delay(0.02)])
    session.run(until=session.offer_video(300) + 1.0)
    for end in (session.sender, session.receiver):
        compounds = [data for data in end.sent if rtcp.is_rtcp(data)]
        assert all(data[1] in (200, 201) for data in compounds)
        names = {data[data.index(bytes((1, 24))) :][2:26] for data in compounds}
        assert len(names) == 1, "one name for the whole session"
        assert 13 / 0.75 < len(compounds) < 13 / 0.25 + 3
    senders = [
        i
        for data in session.sender.sent
        if rtcp.is_rtcp(data)
        for i in rtcp.parse(data)
        if isinstance(i, rtcp.SenderReport)
    ]
    media = [parse(data) for data in session.sender.sent if not rtcp.is_rtcp(data) and data[1] & 0x7F == 96]
    last = [report for report in senders if report.ssrc == media[0].ssrc][-1]
    assert last.packets == len(media)
    assert last.octets == sum(len(packet.payload) for packet in media)


def test_a_source_that_does_not_send_does_not_report(make_session):
    session = make_session("rtp")
    session.offer_video(30)
    session.offer_chat(1)
    session.run(until=1010.0)
    reports = [[type(item) for item in rtcp.parse(data)] for data in session.sender.sent if rtcp.is_rtcp(data)]
    quiet = [kinds for kinds in reports if rtcp.SenderReport not in kinds]
    assert {kinds[0] for kinds in quiet} == {rtcp.ReceiverReport}
    assert sum(kinds.count(rtcp.SenderReport) for kinds in reports) <= 1 / 0.25 + 1 + 1


def test_retransmissions_come_from_a_history_bounded_in_bytes_and_time(make_session):
    session = make_session("rtp")
    session.run(until=session.offer_video(450, delta_bytes=30_000) + 1.0)
    source = session.sender.transport._by_track[1]
    held = sum(len(packet) for sent in source._history for packet in sent.packets)
    assert held == source._history_bytes <= 8 * 2**20
    assert source._history[0].sent_at >= source._history[-1].sent_at - 10.0
    assert len(source._history) == len(source._firsts) < 450


def test_a_flood_of_requests_is_answered_once_in_a_round_trip(make_session):
    session = make_session("rtp")
    last_at = session.offer_video(60)
    session.run(until=last_at + 0.1)
    media = [parse(data) for data in session.sender.sent if not rtcp.is_rtcp(data)]
    request = rtcp.receiver_report(9) + rtcp.nack(9, media[0].ssrc, sorted(packet.sequence for packet in media[-20:]))
    sender = session.sender.transport
    assert sender._round_trip.smoothed == pytest.approx(0.04, abs=1e-3)
    for index in range(450):
        sender.receive_datagram(request, RECEIVER, now=last_at + 0.1 + index * 1e-4)
    assert sender.stats()["retransmissions"] == 40
    assert sender.stats()["over_budget"] == 0


@pytest.mark.parametrize("share", [0.25, 1.0])
def test_what_is_sent_again_keeps_to_its_share_of_the_media(make_session, share):
    """A peer that asks for all of the last second, again each round trip: forged or broken."""
    session = make_session("rtp", options={"rtx_share": share})
    last_at = session.offer_video(240)
    sender = session.sender.transport
    for tick in range(1, 9 * 20):
        now = 1002.0 + tick / 20
        session.run(until=now)
        media = [parse(data) for data in session.sender.sent[-90:] if not rtcp.is_rtcp(data) and data[1] & 0x7F == 96]
        if media:
            request = rtcp.nack(9, media[0].ssrc, [packet.sequence for packet in media])
            session.sender.at(now, lambda now, request=request: sender.receive_datagram(request, RECEIVER, now=now))
    session.run(until=last_at + 2.0)
    sizes = {96: 0, 97: 0}
    for data in session.sender.sent:
        if not rtcp.is_rtcp(data) and data[1] & 0x7F in sizes:
            sizes[data[1] & 0x7F] += len(data)
    assert 0.7 * share < sizes[97] / sizes[96] <= share * 1.02 + 4000 / sizes[96]
    assert sender.stats()["over_budget"] > 0


def test_little_media_may_be_repaired_several_times():
    budget = RetransmissionBudget(1.0)
    budget.on_media(100, now=1000.0)
    assert [budget.takes(100, now=1000.1) for _ in range(41)] == [True] * 40 + [False]
    assert not budget.takes(100, now=1001.09)
    assert budget.takes(100, now=1001.11)
    assert budget.refused == 2


def test_reports_and_requests_of_a_stranger_change_nothing(make_session):
    session = make_session("rtp")
    last_at = session.offer_video(60)
    session.run(until=last_at + 0.1)
    sender, receiver = session.sender.transport, session.receiver.transport
    media = [parse(data) for data in session.sender.sent if not rtcp.is_rtcp(data)][-1]
    round_trips = sender._round_trip.smoothed, receiver._round_trip.smoothed
    quoted = rtcp.middle(ntp(last_at + 0.1))
    block = rtcp.Block(media.ssrc, 0, 0, 0, 0, quoted, 0)
    to_sender = (
        rtcp.receiver_report(sender._peer_ssrc, [block])
        + rtcp.nack(9, media.ssrc, range(media.sequence - 9, media.sequence + 1))
        + rtcp.picture_loss(9, media.ssrc)
        + rtcp.goodbye([sender._peer_ssrc])
    )
    to_receiver = (
        rtcp.sender_report(media.ssrc, ntp(last_at), 0, 1, 1)
        + rtcp.reference_delay(media.ssrc, rtcp.ReferenceDelay(receiver._ssrc, quoted, 0))
        + rtcp.goodbye([media.ssrc])
    )
    for stranger in (("10.9.9.9", 5000), ("10.9.9.9", 1), (SENDER[0], 5001), (RECEIVER[0], 5001)):
        sender.receive_datagram(to_sender, stranger, now=last_at + 0.1)
        receiver.receive_datagram(to_receiver, stranger, now=last_at + 0.1)
    assert (sender._round_trip.smoothed, receiver._round_trip.smoothed) == round_trips
    assert sender.stats()["foreign"] == receiver.stats()["foreign"] == 4
    assert (sender.stats()["retransmissions"], sender.stats()["keyframe_requests"]) == (0, 0)
    assert sender.datagrams_to_send(now=last_at + 0.1) == receiver.datagrams_to_send(now=last_at + 0.1) == []
    assert sender.next_event() is None and sender.get_timer() is not None and receiver.get_timer() is not None
    sender.receive_datagram(to_sender, RECEIVER, now=last_at + 0.1)
    assert sender.stats()["retransmissions"] > 0 and sender.get_timer() is None


def test_media_of_another_host_is_not_taken_and_of_another_port_it_is(make_session):
    """A NAT may move the sender to another port."""
    session = make_session("rtp")
    session.run(until=session.offer_video(2) + 0.1)
    packets = [data for data in session.sender.sent if not rtcp.is_rtcp(data)]
    for source, taken in ((("10.9.9.9", SENDER[1]), 0), ((SENDER[0], 40_000), 2)):
        receiver = RtpReceiver(TransportConfig(RECEIVER, SENDER, 1, (UNLIMITED,)))
        receiver.connect(now=1000.0)
        for data in packets:
            receiver.receive_datagram(data, source, now=1002.1)
        told = list(iter(receiver.next_event, None))
        assert sum(isinstance(event, FrameReceived) for event in told) == taken
        assert receiver.stats()["foreign"] == (0 if taken else len(packets))


def test_requests_for_keyframes_are_heard_once_in_a_round_trip(make_session):
    session = make_session("rtp", forward=[Delay(0.15)], backward=[Delay(0.15)])
    last_at = session.offer_video(60)
    session.run(until=last_at + 0.1)
    sender = session.sender.transport
    media = next(parse(data) for data in session.sender.sent if not rtcp.is_rtcp(data))
    request = rtcp.picture_loss(9, media.ssrc)
    while sender.next_event() is not None:
        pass
    for index in range(100):
        sender.receive_datagram(request, RECEIVER, now=last_at + 0.1 + index * 0.01)
    heard = [event.at - last_at - 0.1 for event in iter(sender.next_event, None)]
    assert heard == pytest.approx([0.0, 0.3, 0.6, 0.9], abs=0.031)
    assert sender.stats()["keyframe_requests"] == 100


def test_compound_packets_of_the_largest_session_fit_the_smallest_datagram(make_session):
    tracks = tuple(Track(id=i, name="chat", media="data", priority=0, deadline=0.1) for i in range(4))
    dice = np.random.default_rng(1)
    session = make_session("rtp", tracks=tracks, forward=[RandomLoss(0.4, dice), Delay(0.02)])
    for index in range(400):
        at = round((1002.0 + index // 4 * 0.01) * 1e6) / 1e6
        session.offer(Frame(index % 4, 0, index // 4, at, True, 0, 0, at + 0.1, bytes(20_000)))
    session.sender.at(1004.0, lambda now: session.sender.transport.close(now=now))
    session.run(until=1005.0)
    sizes = [len(data) for data in session.sender.sent + session.receiver.sent if rtcp.is_rtcp(data)]
    assert 300 < max(sizes) <= 576
