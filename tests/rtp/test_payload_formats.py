"""Every payload format on what real encoders give: frames survive, fit and say where they begin; broken bytes are
refused; and streams of other senders, without our extensions, come out as the same frames."""

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glassbench.transport.contract import Frame, FrameLost, FrameReceived, Track, TransportConfig
from glassbench.transport.framing import Malformed
from glassbench.transport.rtp import RtpReceiver, RtpSender, annex_b
from glassbench.transport.rtp.packet import FRAME_EXTENSION_BYTES, HEADER_BYTES, parse
from glassbench.transport.rtp.payload_format import CodedFrame
from glassbench.transport.rtp.session import PAYLOAD_FORMATS

SENDER, RECEIVER = ("10.0.0.1", 5000), ("10.0.0.2", 5000)
ROOM = 900
COUNT, KEYFRAMES = 12, (0, 6)  # of `access_units`
VIDEO = [media for media in PAYLOAD_FORMATS if media != "data"]


def arrives_as(media, access_unit):
    """What the receiver of it gets: start codes become four bytes."""
    return annex_b.normalise(access_unit) if media in ("h264", "hevc") else access_unit


@pytest.mark.parametrize("media", VIDEO)
def test_frames_of_an_encoder_survive_fit_and_are_cut_evenly(access_units, media):
    payload_format = PAYLOAD_FORMATS[media]
    for index, access_unit in enumerate(access_units(media)):
        frame = CodedFrame(access_unit, number=index, keyframe=index in KEYFRAMES)
        payloads = payload_format.packetize(frame, ROOM, FRAME_EXTENSION_BYTES)
        sizes = [len(payloads[0]) + FRAME_EXTENSION_BYTES, *map(len, payloads[1:])]
        assert max(sizes) <= ROOM
        if media not in ("h264", "hevc"):  # whose small parameter sets have packets of their own
            assert len(payloads) == -(-(len(access_unit) + FRAME_EXTENSION_BYTES + 10) // (ROOM - 8)), sizes
            assert max(sizes) - min(sizes) <= 8
        assert payload_format.depacketize(payloads) == arrives_as(media, access_unit)
        positions = [payload_format.position(payload) for payload in payloads]
        assert any(position.is_keyframe for position in positions) is (index in KEYFRAMES)
        assert positions[-1].holds_picture
        assert positions[0].begins_frame or (media == "av1" and index not in KEYFRAMES)
        assert not any(position.begins_frame and position.holds_picture for position in positions[1:])
        assert payload_format.may_begin(payloads[0])


@pytest.mark.parametrize("media", VIDEO)
@given(data=st.data())
@settings(max_examples=40)
def test_payloads_that_are_lost_swapped_or_damaged_are_refused_or_give_no_more_than_came(access_units, media, data):
    payload_format = PAYLOAD_FORMATS[media]
    frame = CodedFrame(access_units(media)[data.draw(st.sampled_from(range(COUNT)))], keyframe=True, layers=3)
    payloads = payload_format.packetize(frame, 300, FRAME_EXTENSION_BYTES)
    some = data.draw(st.lists(st.sampled_from(payloads), max_size=8))
    at = data.draw(st.integers(0, 30))
    byte = data.draw(st.binary(min_size=1, max_size=1))
    some = [payload[:at] + byte + payload[at + 1 :] if i == 0 else payload for i, payload in enumerate(some)]
    check_any_bytes(payload_format, some)


@pytest.mark.parametrize("media", PAYLOAD_FORMATS)
@given(payloads=st.lists(st.binary(max_size=40), max_size=4))
@settings(max_examples=150)
def test_any_bytes_are_refused_or_read(media, payloads):
    check_any_bytes(PAYLOAD_FORMATS[media], payloads)
    for payload in payloads:
        with contextlib.suppress(Malformed):
            PAYLOAD_FORMATS[media].packetize(CodedFrame(payload), 100, FRAME_EXTENSION_BYTES)


def check_any_bytes(payload_format, payloads):
    with contextlib.suppress(Malformed):
        # A start code, or a size, for each NAL unit or OBU: no more than a few bytes for one.
        assert len(payload_format.depacketize(payloads)) <= 4 * sum(map(len, payloads)) + 64
    for payload in payloads:
        position = payload_format.position(payload)
        assert not (position.begins_frame and position.continues_picture)
        assert not (position.precedes_picture and position.continues_picture)
        assert not (position.continues_picture and not position.holds_picture)
        assert not (position.is_keyframe and not position.holds_picture)
        payload_format.may_begin(payload)


class Stream:
    """The packets of our sender as another one would send them: without what our extensions say."""

    def __init__(self, media, units, *, payload_type=96):
        self.track = Track(1, "video", media, 1)
        sender = RtpSender(TransportConfig(SENDER, RECEIVER, 1, (self.track,), max_datagram_bytes=ROOM))
        sender.connect(now=1000.0)
        sender.datagrams_to_send(now=1000.0)
        self.packets = []  # (frame, datagram)
        for index, access_unit in enumerate(units):
            captured_at = 1002 + index / 32
            frame = Frame(1, 0, index, captured_at, index in KEYFRAMES, 0, 1, None, access_unit)
            sender.send_frame(frame, now=captured_at)
            for datagram in sender.datagrams_to_send(now=captured_at):
                packet = parse(datagram.data)
                head = bytes((0x80, (0x80 if packet.marker else 0) | payload_type)) + datagram.data[2:HEADER_BYTES]
                self.packets.append((index, head + packet.payload))

    def watch(self, packets):
        """The frames that a receiver delivers, how many it says are lost, and what it counted."""
        config = TransportConfig(RECEIVER, SENDER, 2, (self.track,), options={"nack": False})
        receiver = RtpReceiver(config)
        receiver.connect(now=1000.0)
        now = 1002.0
        for frame, data in packets:
            now = max(now + 1e-4, 1002.02 + frame / 32)
            receiver.handle_timer(now=now)
            receiver.receive_datagram(data, SENDER, now=now)
        for _ in range(20):
            now += 0.1
            receiver.handle_timer(now=now)
        told = list(iter(receiver.next_event, None))
        frames = [event.frame for event in told if isinstance(event, FrameReceived)]
        return frames, sum(isinstance(event, FrameLost) for event in told), receiver.stats()


@pytest.mark.parametrize("payload_type", [96, 102])
@pytest.mark.parametrize("media", VIDEO)
def test_a_stream_of_another_sender_comes_out_as_the_same_frames(access_units, media, payload_type):
    stream = Stream(media, access_units(media), payload_type=payload_type)
    frames, lost, stats = stream.watch(stream.packets)
    assert [frame.payload for frame in frames] == [arrives_as(media, unit) for unit in access_units(media)]
    assert [frame.keyframe for frame in frames] == [index in KEYFRAMES for index in range(COUNT)]
    assert (lost, stats["malformed"]) == (0, 0)


@pytest.mark.parametrize("media", VIDEO)
def test_without_marker_bits_a_frame_ends_where_the_next_one_begins(access_units, media):
    stream = Stream(media, access_units(media))
    unmarked = [(frame, data[:1] + bytes((data[1] & 0x7F,)) + data[2:]) for frame, data in stream.packets]
    frames, lost, _ = stream.watch(unmarked)
    assert [frame.payload for frame in frames] == [arrives_as(media, unit) for unit in access_units(media)[:-1]]
    assert lost == 0


@pytest.mark.parametrize("media", VIDEO)
@pytest.mark.parametrize("place", ["first", "last"])
def test_a_hole_costs_its_frame_and_no_frame_is_put_together_wrongly(access_units, media, place):
    """After a hole at the end of a frame, AV1 does not say whether the next packet begins one: that costs another."""
    stream = Stream(media, access_units(media))
    of_four = [i for i, (frame, _) in enumerate(stream.packets) if frame == 4]
    hole = of_four[0 if place == "first" else -1]
    frames, lost, stats = stream.watch([packet for i, packet in enumerate(stream.packets) if i != hole])
    missing = {4, 5} if media == "av1" and hole == of_four[-1] else {4}
    assert [frame.payload for frame in frames] == [
        arrives_as(media, unit) for index, unit in enumerate(access_units(media)) if index not in missing
    ]
    assert (lost, stats["malformed"]) == (1, 0)


@pytest.mark.parametrize("media", VIDEO)
@given(data=st.data())
@settings(max_examples=15)
def test_a_receiver_counts_damaged_packets_and_delivers_what_it_can(access_units, media, data):
    stream = Stream(media, access_units(media))
    chosen = data.draw(st.lists(st.integers(0, len(stream.packets) - 1), max_size=6, unique=True))
    packets = list(stream.packets)
    for index in chosen:
        frame, packet = packets[index]
        at = data.draw(st.integers(0, min(len(packet) - 1, 24)))
        packets[index] = frame, packet[:at] + data.draw(st.binary(min_size=1, max_size=1)) + packet[at + 1 :]
    frames, lost, _ = stream.watch(packets)
    assert len(frames) + lost <= 2 * COUNT
    assert len({frame.sequence for frame in frames}) == len(frames)
