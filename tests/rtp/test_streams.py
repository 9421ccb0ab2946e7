"""The receiver on streams that are not ours, on new and colliding sources, and on hostile packets."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glassbench.transport.contract import (
    Closed,
    Frame,
    FrameDropped,
    FrameLost,
    FrameReceived,
    KeyframeRequested,
    Track,
    TransportConfig,
)
from glassbench.transport.framing import MAX_FRAME_BYTES
from glassbench.transport.rtp import RtpReceiver, RtpSender, packet, rtcp
from glassbench.transport.rtp.foreign import MAX_HELD_BYTES
from glassbench.transport.rtp.frames import _MAX_BUILDING

SENDER, RECEIVER = ("10.0.0.1", 5000), ("10.0.0.2", 5000)
VIDEO = Track(1, "video", "h264", 1, deadline=0.5)
CHAT = Track(2, "chat", "data", 0)


def make_sender(seed=1, **options):
    sender = RtpSender(TransportConfig(SENDER, RECEIVER, seed, (VIDEO, CHAT), options=options))
    sender.connect(now=1000.0)
    return sender


def make_receiver(seed=1, **options):
    receiver = RtpReceiver(TransportConfig(RECEIVER, SENDER, seed, (VIDEO, CHAT), options=options))
    receiver.connect(now=1000.0)
    return receiver


def make_frame(sequence, size=3000, track=1):
    captured_at = round((1002.0 + sequence / 30) * 1e6) / 1e6
    keyframe = sequence % 10 == 0
    head = b"\x00\x00\x00\x01" + (b"\x65" if keyframe else b"\x41")
    pattern = bytes((i * 7 + sequence) % 255 + 1 for i in range(255))
    body = b"\x9a" + (pattern * (size // 255 + 1))[:size]
    return Frame(track, sequence // 10, sequence, captured_at, keyframe, 0, 1, None, head + body)


def packets_of(sender, frames):
    """The RTP packets of each frame."""
    packets = []
    for frame in frames:
        sender.send_frame(frame, now=frame.captured_at)
        packets.append([d.data for d in sender.datagrams_to_send(now=frame.captured_at) if not rtcp.is_rtcp(d.data)])
    return packets


def as_foreign(data, *, marker=True):
    """The same packet without header extension, and without the marker bit if so wanted."""
    parsed = packet.parse(data)
    second = parsed.payload_type | (0x80 if parsed.marker and marker else 0)
    return packet.HEADER.pack(0x80, second, parsed.sequence, parsed.timestamp, parsed.ssrc) + parsed.payload


def feed(receiver, datagrams, *, now, spacing=0.0):
    for index, data in enumerate(datagrams):
        receiver.receive_datagram(data, SENDER, now=now + index * spacing)


def events(end):
    return list(iter(end.next_event, None))


def received(told):
    return [event.frame for event in told if isinstance(event, FrameReceived)]


@pytest.mark.parametrize("marker", [True, False])
def test_a_stream_without_our_extensions_is_numbered_and_timed_here(marker):
    frames = [make_frame(sequence) for sequence in range(25)]
    receiver = make_receiver()
    told = []
    for frame, packets in zip(frames, packets_of(make_sender(), frames), strict=True):
        feed(receiver, [as_foreign(data, marker=marker) for data in packets], now=frame.captured_at + 0.02)
        told += events(receiver)
    delivered = received(told)
    # The first packet may be in the middle of a frame: without parameter sets the first frame is not taken.
    expected = frames[1:] if marker else frames[1:-1]  # without marker, a frame ends when the next begins
    assert [frame.payload for frame in delivered] == [frame.payload for frame in expected]
    assert [frame.sequence for frame in delivered] == list(range(len(expected)))
    assert [frame.keyframe for frame in delivered] == [frame.keyframe for frame in expected]
    assert [frame.group for frame in delivered] == [0] * 9 + [1] * 10 + [2] * (len(delivered) - 19)
    for one, other, a, b in zip(delivered, delivered[1:], expected, expected[1:], strict=False):
        assert other.captured_at - one.captured_at == pytest.approx(b.captured_at - a.captured_at, abs=2e-5)
        assert other.captured_at == round(other.captured_at * 1e6) / 1e6


def test_a_foreign_stream_that_begins_with_parameter_sets_is_taken_from_its_first_packet():
    frames = [make_frame(sequence) for sequence in range(5)]
    sps = Frame(1, 0, 0, 1002.0, True, 0, 1, None, b"\x00\x00\x00\x01\x67\x42\xc0" + frames[0].payload)
    frames[0] = sps
    receiver = make_receiver()
    for frame, packets in zip(frames, packets_of(make_sender(), frames), strict=True):
        feed(receiver, [as_foreign(data) for data in packets], now=frame.captured_at + 0.02)
    told = events(receiver)
    assert [frame.payload for frame in received(told)] == [frame.payload for frame in frames]
    assert [frame.group for frame in received(told)] == [0] * 5
    assert not [event for event in told if isinstance(event, FrameLost)]


@pytest.mark.parametrize(
    "lost", [[13], [14], [15], [13, 14, 15], [14, 15], [15, 16], [15, 16, 17], list(range(12, 21))]
)
def test_a_hole_in_a_foreign_stream_costs_one_number_and_order_is_kept(lost):
    """Three packets a frame: packet n is in frame n // 3."""
    frames = [make_frame(sequence) for sequence in range(12)]
    receiver = make_receiver(nack=False)
    told = []
    number = 0
    for frame, packets in zip(frames, packets_of(make_sender(), frames), strict=True):
        for data in packets:
            if number not in lost:
                feed(receiver, [as_foreign(data)], now=frame.captured_at + 0.02)
            number += 1
        while (timer := receiver.get_timer()) is not None and timer <= frame.captured_at + 0.05:
            receiver.handle_timer(now=timer)
        receiver.datagrams_to_send(now=frame.captured_at + 0.05)
        told += events(receiver)
    hit = {n // 3 for n in lost}
    assert [f.payload for f in received(told)] == [
        f.payload for f in frames if f.sequence not in hit and f.sequence > 0
    ]
    decided = [
        e.frame.sequence if isinstance(e, FrameReceived) else e.sequence
        for e in told
        if isinstance(e, FrameReceived | FrameLost)
    ]
    assert decided == list(range(len(decided)))
    assert len(decided) == 11 - len(hit) + 1
    assert sum(isinstance(event, FrameLost) for event in told) == 1


def test_reordered_packets_of_a_foreign_stream_change_nothing():
    frames = [make_frame(sequence) for sequence in range(10)]
    datagrams = [as_foreign(data) for packets in packets_of(make_sender(), frames) for data in packets]
    for index in range(3, len(datagrams) - 1, 3):
        datagrams[index], datagrams[index + 1] = datagrams[index + 1], datagrams[index]
    receiver = make_receiver()
    feed(receiver, datagrams, now=1002.0, spacing=0.001)
    assert [frame.payload for frame in received(events(receiver))] == [frame.payload for frame in frames[1:]]


@pytest.mark.parametrize("hole", [slice(13, 14), slice(12, 15)])
def test_a_foreign_frame_waits_for_the_repair_of_one_before_it(hole):
    frames = [make_frame(sequence) for sequence in range(8)]
    datagrams = [as_foreign(data) for packets in packets_of(make_sender(), frames) for data in packets]
    late = datagrams[hole]
    del datagrams[hole]
    receiver = make_receiver()
    feed(receiver, datagrams, now=1002.1)
    assert [frame.payload for frame in received(events(receiver))] == [frame.payload for frame in frames[1:4]]
    feed(receiver, late, now=1002.15)
    told = events(receiver)
    assert [event.frame.payload for event in told] == [frame.payload for frame in frames[4:]]
    assert {event.at for event in told} == {1002.15}
    assert [event.complete_at for event in told] == [1002.15, 1002.1, 1002.1, 1002.1]


def test_a_new_source_takes_over_after_two_packets_in_a_row():
    old, new = make_sender(seed=1), make_sender(seed=2)
    frames = [make_frame(sequence) for sequence in range(10)]
    receiver = make_receiver()
    for packets in packets_of(old, frames[:5]):
        feed(receiver, packets, now=1002.2)
    packets_of(new, frames[:5])
    late = packets_of(new, frames[5:])
    for packets in late:
        feed(receiver, packets, now=1002.4)
    assert [frame.sequence for frame in received(events(receiver))] == list(range(10))


def test_one_packet_of_another_source_before_or_between_changes_nothing():
    frames = [make_frame(sequence) for sequence in range(6)]
    stranger = packets_of(make_sender(seed=9), frames[:1])[0][1]
    expected = [frame.sequence for frame in frames]
    receiver = make_receiver()
    for packets in packets_of(make_sender(), frames):
        feed(receiver, [packets[0], stranger, *packets[1:]], now=1002.2)
    assert [frame.sequence for frame in received(events(receiver))] == expected
    assert receiver.stats()["unknown_ssrc"] == 6


def test_a_receiver_moves_away_from_a_source_that_has_its_ssrc():
    receiver, sender = make_receiver(), make_sender()
    own = receiver._ssrc
    sender._by_track[1].ssrc = own
    for packets in packets_of(sender, [make_frame(0), make_frame(1)]):
        feed(receiver, packets, now=1002.1)
    assert receiver._ssrc != own
    assert receiver.stats()["ssrc_collisions"] == 1
    assert len(received(events(receiver))) == 2


def test_both_ends_of_one_seed_have_different_sources():
    sender = make_sender(seed=5)
    assert make_receiver(seed=5)._ssrc not in sender._own_ssrcs
    assert len(set(sender._own_ssrcs)) == 4


@pytest.mark.parametrize("seed", range(5))
def test_sequence_numbers_and_timestamps_begin_anywhere_and_wrap(seed):
    sender = make_sender(seed=seed)
    source = sender._by_track[1]
    assert 0 <= source._sequence < 2**16
    source._sequence = 65_530
    source._offset = (2**32 - packet.rtp_time(1002.1)) % 2**32
    frames = [make_frame(sequence) for sequence in range(20)]
    receiver = make_receiver()
    for packets in packets_of(sender, frames):
        feed(receiver, packets, now=1002.1)
    assert [frame.payload for frame in received(events(receiver))] == [frame.payload for frame in frames]


def test_messages_of_one_instant_are_told_apart():
    messages = [
        Frame(2, 0, i, 1002.0, True, 0, 0, None, bytes((i,)) * size) for i, size in enumerate((0, 1, 5000, 1, 1414))
    ]
    datagrams = [data for packets in packets_of(make_sender(), messages) for data in packets]
    for order in (datagrams, [datagrams[0], *reversed(datagrams[1:])]):
        receiver = make_receiver()
        feed(receiver, order, now=1002.1)
        assert sorted(received(events(receiver)), key=lambda frame: frame.sequence) == messages


def test_goodbye_ends_the_session_at_the_other_end():
    sender, receiver = make_sender(), make_receiver()
    for packets in packets_of(sender, [make_frame(0)]):
        feed(receiver, packets, now=1002.1)
    sender.close(now=1003.0)
    for datagram in sender.datagrams_to_send(now=1003.0):
        receiver.receive_datagram(datagram.data, SENDER, now=1003.1)
    assert events(receiver)[-1] == Closed(1003.1, None)
    assert receiver.get_timer() is None


def test_goodbye_of_a_stranger_ends_nothing():
    sender, receiver = make_sender(), make_receiver()
    for packets in packets_of(sender, [make_frame(0)]):
        feed(receiver, packets, now=1002.1)
    stranger = rtcp.receiver_report(99) + rtcp.goodbye([98, 97])
    receiver.receive_datagram(stranger, SENDER, now=1002.2)
    sender.receive_datagram(rtcp.receiver_report(99) + rtcp.goodbye([98]), RECEIVER, now=1002.2)
    assert not [event for event in events(receiver) + events(sender) if isinstance(event, Closed)]


def test_feedback_for_a_source_that_is_not_ours_is_counted_and_ignored():
    sender = make_sender()
    packets_of(sender, [make_frame(0)])
    sender.receive_datagram(rtcp.nack(1, 12345, [1, 2]) + rtcp.picture_loss(1, 12345), RECEIVER, now=1002.1)
    assert sender.stats()["unknown_ssrc"] == 2
    assert not sender.datagrams_to_send(now=1002.1)
    assert not [event for event in events(sender) if isinstance(event, KeyframeRequested)]


def test_reports_about_our_retransmissions_are_about_us():
    sender = make_sender()
    ours = [source.rtx_ssrc for source in sender._sources]
    blocks = [rtcp.Block(ssrc, 0, 0, 0, 0, 0, 0) for ssrc in ours]
    sender.receive_datagram(rtcp.receiver_report(1, blocks), RECEIVER, now=1002.1)
    assert sender.stats()["unknown_ssrc"] == 0


def test_what_is_too_old_too_large_or_too_much_is_dropped_with_the_reason():
    sender = make_sender()
    events(sender)
    late = Frame(1, 0, 0, 1002.0, True, 0, 1, 1002.5, make_frame(0).payload)
    sender.send_frame(late, now=1002.5)
    sender.send_frame(make_frame(1, size=9 * 2**20), now=1002.5)
    for sequence in range(2, 30):
        sender.send_frame(make_frame(sequence, size=2**20), now=1002.5)
    told = [(event.sequence, event.reason) for event in events(sender) if isinstance(event, FrameDropped)]
    assert told[:2] == [(0, "expired"), (1, "dropped")]
    assert [sequence for sequence, _ in told[2:]] == list(range(17, 30))


@pytest.mark.parametrize("payload", [b"", b"no start code"])
def test_video_that_is_not_annex_b_is_refused_in_one_sentence(payload):
    with pytest.raises(ValueError, match="track 1 frame 0: not an Annex B access unit"):
        make_sender().send_frame(Frame(1, 0, 0, 1002.0, True, 0, 1, None, payload), now=1002.0)


@given(
    st.lists(
        st.tuples(
            st.sampled_from([96, 97, 98, 99]),
            st.booleans(),
            st.integers(0, 65_535),
            st.integers(0, 5),
            st.integers(1, 3),
            st.integers(0, 2**32 - 1),
            st.booleans(),
            st.binary(max_size=30),
        ),
        max_size=60,
    )
)
@settings(max_examples=150)
def test_any_sequence_of_well_formed_packets_raises_nothing(steps):
    receiver = make_receiver()
    now = 1002.0
    for kind, marker, sequence, timestamp, ssrc, number, with_info, payload in steps:
        now += 0.01
        second = kind | (0x80 if marker else 0)
        head = packet.HEADER.pack(0x90 if with_info else 0x80, second, sequence, timestamp, ssrc)
        info = packet.frame_extension(Frame(1, 0, number, 1002.0, True, 0, 0, None, b"")) if with_info else b""
        receiver.receive_datagram(head + info + payload, SENDER, now=now)
        while (timer := receiver.get_timer()) is not None and timer <= now:
            receiver.handle_timer(now=now)
        receiver.datagrams_to_send(now=now)
    told = events(receiver)
    decided = [
        (e.frame.track, e.frame.sequence) if isinstance(e, FrameReceived) else (e.track, e.sequence)
        for e in told
        if isinstance(e, FrameReceived | FrameLost)
    ]
    assert len(decided) == len(set(decided))


@given(
    st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 60), st.binary(min_size=1, max_size=3)), max_size=80),
    st.randoms(use_true_random=False),
)
@settings(max_examples=60)
def test_mutated_packets_raise_nothing(mutations, random):
    frames = [make_frame(sequence) for sequence in range(20)]
    sender = make_sender()
    datagrams = [data for packets in packets_of(sender, frames) for data in packets]
    sender.close(now=1003.0)
    datagrams += [datagram.data for datagram in sender.datagrams_to_send(now=1003.0)]
    for place, offset, value in mutations:
        data = bytearray(datagrams[place % len(datagrams)])
        data[offset : offset + len(value)] = value
        datagrams[place % len(datagrams)] = bytes(data)
    random.shuffle(datagrams)
    receiver = make_receiver()
    for index, data in enumerate(datagrams):
        now = 1002.0 + index / 100
        receiver.receive_datagram(data, SENDER, now=now)
        sender.receive_datagram(data, RECEIVER, now=now)
        while (timer := receiver.get_timer()) is not None and timer <= now:
            receiver.handle_timer(now=now)


@pytest.mark.parametrize("payload", [bytes(1400), b"\x41\x9a" + bytes(1398)], ids=["nothing", "slices"])
def test_frames_of_others_that_never_end_are_bounded_in_bytes(payload):
    receiver = make_receiver()
    dice = np.random.default_rng(1)
    held = []
    for index in range(20_000):
        timestamp = index if index % 2 else int(dice.integers(40))
        head = packet.HEADER.pack(0x80, 96, index & 0xFFFF, timestamp, 5)
        receiver.receive_datagram(head + payload, SENDER, now=1002.0 + index * 1e-4)
        if index % 100 == 0:
            frames = receiver._states[0].frames
            held.append(frames._units.held_bytes)
            assert frames._units._unit is None or frames._units._unit.bytes <= MAX_FRAME_BYTES
    assert max(held) <= MAX_HELD_BYTES


def test_frames_of_ours_that_never_end_are_bounded_in_number_and_bytes():
    receiver = make_receiver()
    feed(receiver, packets_of(make_sender(), [make_frame(0)])[0], now=1002.0)
    frames = receiver._states[0].frames
    ssrc, first = receiver._states[0].ssrc, receiver._states[0].reception.highest + 1
    for index in range(12_000):
        head = packet.HEADER.pack(0x80, 96, (first + index) & 0xFFFF, index % 400, ssrc)
        receiver.receive_datagram(head + bytes(1400), SENDER, now=1002.0 + index * 1e-4)
        if index % 100 == 0:
            assert len(frames._building) <= _MAX_BUILDING
            assert frames._held_bytes <= MAX_HELD_BYTES
            assert frames._held_bytes == sum(building.held for building in frames._building.values())


def test_frames_that_wait_for_a_hole_are_bounded_in_number():
    """Whole frames pass, so the hole does not hold them; only what is to be told of earlier ones waits."""
    receiver = make_receiver(max_retries=100)
    sender = make_sender()
    frames = [Frame(2, 0, sequence, 1002.0, True, 0, 0, None, b"x") for sequence in range(5000)]
    datagrams = [data for packets in packets_of(sender, frames) for data in packets]
    told = []
    for data in datagrams[:1] + datagrams[2:]:
        receiver.receive_datagram(data, SENDER, now=1002.0)
        told += events(receiver)
        state = receiver._states[1].frames
        assert len(state._starts) <= 3001
        assert len(state._decided) <= 3001
    assert [event.sequence for event in told if isinstance(event, FrameLost)] == [1]
    assert len(received(told)) == 4998  # one start too far ahead had to be confirmed by the next
