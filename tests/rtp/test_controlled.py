"""The sending end of RTP under congestion control: what leaves when, and what feedback does to it."""

import struct
from itertools import groupby, pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glassbench.transport.contract import Frame, FrameDropped, Track, TransportConfig
from glassbench.transport.layers import layer_of
from glassbench.transport.rtp import ccfb, rtcp, twcc
from glassbench.transport.rtp.arrivals import CONTROL_INTERVAL, Arrival, Arrivals
from glassbench.transport.rtp.controlled import ControlledSender, rtp_sender
from glassbench.transport.rtp.packet import ntp, parse, parse_transport_sequence
from glassbench.transport.rtp.sender import RtpSender

SENDER, RECEIVER = ("10.0.0.1", 5000), ("10.0.0.2", 5000)
VIDEO = Track(1, "video", "h264", 1)


def make_sender(**options: object) -> ControlledSender:
    sender = rtp_sender(TransportConfig(SENDER, RECEIVER, 1, (VIDEO,), options={"control": "gcc", **options}))
    assert isinstance(sender, ControlledSender)
    sender.connect(now=1000.0)
    return sender


def make_frame(sequence: int, size: int, expires_at: float | None = None) -> Frame:
    payload = b"\x00\x00\x00\x01\x41" + b"\x55" * size
    return Frame(1, 0, sequence, 1000 + sequence / 30, sequence == 0, 0, 1, expires_at, payload)


def layered(sequence: int, size: int = 4_000) -> Frame:
    """A frame of VP8 in three layers."""
    layer = layer_of(sequence, 3)
    return Frame(1, 0, sequence, 1000 + sequence / 30, sequence == 0, layer, 1 + layer, None, b"\x11" * size)


def media_of(sender: ControlledSender, *, now: float) -> list[Any]:
    return [parse(d.data) for d in sender.datagrams_to_send(now=now) if not rtcp.is_rtcp(d.data)]


def report_on(arrivals: Arrivals, *, now: float) -> bytes:
    return rtcp.congestion_feedback(9, ccfb.pack(arrivals.take(), rtcp.middle(ntp(now)), now=now))


def test_what_came_before_it_left_is_counted_and_no_arrival() -> None:
    sender = make_sender(control="reno")
    sender.send_frame(make_frame(0, 1_000), now=1000.0)
    (packet,) = media_of(sender, now=1000.0)
    in_flight = sender._flight.bytes_in_flight
    arrivals = Arrivals(CONTROL_INTERVAL, twice=True)
    arrivals.add(packet.ssrc, Arrival(packet.sequence, 999.0, 0))
    sender.receive_datagram(report_on(arrivals, now=1000.05), RECEIVER, now=1000.05)
    assert sender.stats()["malformed"] == 1
    assert sender._flight.bytes_in_flight == in_flight > 0


def test_the_window_comes_back_when_a_loss_was_a_late_packet() -> None:
    sender = make_sender(control="reno")
    sender.send_frame(make_frame(0, 9_000), now=1000.0)
    first, late, *packets = media_of(sender, now=1000.0)
    window = sender._flight.allowance.window_bytes
    arrivals = Arrivals(CONTROL_INTERVAL, twice=True)

    def report(news: list[Any], now: float) -> None:
        for packet in news:
            arrivals.add(packet.ssrc, Arrival(packet.sequence, now, 0))
        sender.receive_datagram(report_on(arrivals, now=now), RECEIVER, now=now + 0.02)

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
        sender.receive_datagram(report_on(arrivals, now=now), RECEIVER, now=now)
        newest = media_of(sender, now=now)
        packets += newest
    steps = {(two.sequence - one.sequence) & 0xFFFF for one, two in pairwise(packets)}
    assert steps == {1}
    assert sum(packet.marker for packet in packets) == 2


def test_a_base_frame_goes_ahead_of_higher_layers_and_what_it_overtakes_is_dropped_and_told() -> None:
    """So Picture IDs go up, and the gap of TL0PICIDX is none: the frames that are gone are nobody's reference."""
    video = Track(1, "video", "vp8", 1, layers=3)
    sender = rtp_sender(TransportConfig(SENDER, RECEIVER, 1, (video,), options={"control": "reno"}))
    sender.connect(now=1000.0)
    arrivals = Arrivals(CONTROL_INTERVAL, twice=True)
    for sequence in range(12):
        sender.send_frame(layered(sequence), now=1000.0)
    packets: list[Any] = []
    for step in range(30):
        now = 1000.0 + step / 20
        newest = media_of(sender, now=now)
        packets += newest
        for packet in newest:
            arrivals.add(packet.ssrc, Arrival(packet.sequence, now, 0))
        if newest:
            sender.receive_datagram(report_on(arrivals, now=now), RECEIVER, now=now + 0.02)
    numbers = [(packet.payload[2] << 8 | packet.payload[3]) & 0x7FFF for packet in packets]
    sent = [(number - numbers[0]) & 0x7FFF for number, _ in groupby(numbers)]
    assert sent == sorted(set(sent))
    dropped = [event.sequence for event in iter(sender.next_event, None) if isinstance(event, FrameDropped)]
    assert dropped and sorted([*sent, *dropped]) == list(range(12))
    assert sender.stats()["dropped_overtaken"] == len(dropped)
    assert {0, 4, 8} <= set(sent)
    bases = {packet.payload[4] for packet in packets if packet.payload[5] >> 6 == 0}
    assert len(bases) == 3 and (max(bases) - min(bases)) & 0xFF == 2


def test_where_nothing_is_heard_of_a_full_window_two_packets_leave_after_a_probe_timeout_that_doubles() -> None:
    sender = make_sender(control="reno")
    sender.send_frame(make_frame(0, 60_000), now=999.96)
    packets = media_of(sender, now=999.96)
    assert len(packets) >= 10
    assert sender._probe_at() is None
    arrivals = Arrivals(CONTROL_INTERVAL, twice=True)
    arrivals.add(packets[0].ssrc, Arrival(packets[0].sequence, 999.98, 0))
    sender.receive_datagram(report_on(arrivals, now=999.98), RECEIVER, now=1000.0)
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
@settings(max_examples=200)
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


def test_without_control_the_sender_is_as_ever() -> None:
    config = TransportConfig(SENDER, RECEIVER, 1, (VIDEO,), options={})
    assert type(rtp_sender(config)) is RtpSender


@given(st.binary(max_size=80))
@settings(max_examples=200)
def test_garbage_in_the_place_of_transport_wide_feedback_is_counted_and_changes_nothing(body: bytes) -> None:
    sender = make_sender(feedback="twcc")
    sender.send_frame(make_frame(0, 3_000), now=1000.0)
    packets = media_of(sender, now=1000.0)
    body = len(packets).to_bytes(2, "big") + body  # from a sequence number on that never left
    body += bytes(-len(body) % 4)
    before = sender._flight.allowance, sender._flight.bytes_in_flight
    sender.receive_datagram(rtcp.transport_feedback(9, 5, body), RECEIVER, now=1000.05)
    assert (sender._flight.allowance, sender._flight.bytes_in_flight) == before
    assert sender.stats()["malformed"] <= 1
    sender.receive_datagram(rtcp.transport_feedback(9, 5, body[:7]), RECEIVER, now=1000.05)
    assert sender.stats()["malformed"] >= 1


@pytest.mark.parametrize("feedback", ["rfc8888", "twcc"])
def test_feedback_of_the_other_format_changes_nothing(feedback: str) -> None:
    sender = make_sender(control="reno", feedback=feedback)
    sender.send_frame(make_frame(0, 1_000), now=1000.0)
    (packet,) = media_of(sender, now=1000.0)
    in_flight = sender._flight.bytes_in_flight
    arrivals = Arrivals(CONTROL_INTERVAL, twice=True)
    arrivals.add(packet.ssrc, Arrival(packet.sequence if feedback == "twcc" else 0, 1000.02, 0))
    report = report_on(arrivals, now=1000.03)
    if feedback == "rfc8888":
        report = rtcp.transport_feedback(9, packet.ssrc, twcc.pack([Arrival(0, 1000.02, 0)], 0))
    sender.receive_datagram(report, RECEIVER, now=1000.05)
    assert sender._flight.bytes_in_flight == in_flight > 0
    assert sender.stats()["malformed"] == 0


def test_with_transport_wide_feedback_no_packet_is_larger_than_it_may_be() -> None:
    sender = make_sender(feedback="twcc", control="reno")
    sender.send_frame(make_frame(0, 9_000), now=1000.0)
    datagrams = sender.datagrams_to_send(now=1000.0)
    sizes = [len(datagram.data) for datagram in datagrams]
    assert len(sizes) > 5 and max(sizes) <= sender._config.max_datagram_bytes
    media = [parse(datagram.data) for datagram in datagrams]
    nack = rtcp.nack(9, media[1].ssrc, [packet.sequence for packet in media])
    sender.receive_datagram(nack, RECEIVER, now=1000.04)
    again = [datagram.data for datagram in sender.datagrams_to_send(now=1000.2)]
    assert again and max(map(len, again)) <= sender._config.max_datagram_bytes
    assert [parse_transport_sequence(parse(data).extension) for data in again] == list(
        range(len(media), len(media) + len(again))
    )
    for data, first in zip(again, media, strict=False):
        assert parse(data).payload == first.sequence.to_bytes(2, "big") + first.payload
