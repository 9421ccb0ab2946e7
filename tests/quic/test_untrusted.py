"""What comes from the network cannot crash an end or make it grow: bare bytes, and a peer that shook hands."""

import pytest
from aioquic.buffer import encode_uint_var
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from glassbench.transport.contract import Closed, Connected, Frame, FrameReceived
from glassbench.transport.framing import RECORD_HEADER_BYTES, record, split_frame
from glassbench.transport.quic import certificate, end, observed
from glassbench.transport.quic import receiver as receiver_module

SENDER, RECEIVER = ("10.0.0.1", 4000), ("10.0.0.2", 4433)
few = settings(max_examples=40, deadline=None)


def frame(sequence, size=100, track=1):
    return Frame(track, 0, sequence, 1000.0, True, 0, 2, None, bytes(size))


@pytest.mark.parametrize("arm", ["quic-datagram", "webtransport-stream-per-frame"])
@few
@given(st.lists(st.binary(max_size=1400), max_size=20), st.integers(0, 12))
def test_garbage_at_any_time_of_the_handshake_changes_nothing(new_end, pair, events, arm, garbage, steps):
    caller, listener = new_end(arm, calls=True), new_end(arm, calls=False)
    pair = pair(caller, listener)
    for data in garbage:
        listener.receive_datagram(data, ("10.9.9.9", 9), now=pair.now)
    caller.connect(now=pair.now)
    pair.step(steps)
    for data in garbage:
        listener.receive_datagram(data, SENDER, now=pair.now)
        caller.receive_datagram(data, RECEIVER, now=pair.now)
    pair.step(30)
    assert [type(event) for event in events(caller)] == [Connected]
    assert listener.stats()["datagrams_received"] >= 2 * len(garbage)


@pytest.mark.sampled(2)
@pytest.mark.parametrize("arm", ["quic-stream", "webtransport-datagram"])
@few
@given(st.data())
def test_mutated_datagrams_of_a_handshake_raise_nothing(new_end, pair, arm, data):
    donor = pair(new_end(arm, calls=True), new_end(arm, calls=False))
    donor.ends[0].connect(now=donor.now)
    donor.step(20)
    for index, (wire, calls) in enumerate(((donor.wires[0], False), (donor.wires[1], True))):
        fresh = new_end(arm, calls=calls)
        fresh.connect(now=1000.0)
        fresh.datagrams_to_send(now=1000.0)
        for number in range(12):
            mutated = bytearray(data.draw(st.sampled_from(wire)))
            for place, value in data.draw(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 255)), max_size=3)):
                mutated[place % len(mutated)] = value
            fresh.receive_datagram(bytes(mutated), (SENDER, RECEIVER)[index], now=1000.0 + number / 100)
            fresh.datagrams_to_send(now=1000.0 + number / 100)
            assert fresh.get_timer() is None or fresh.get_timer() > 999


@pytest.mark.parametrize("alpn", ["glassbench", "h3"])
@few
@given(
    st.lists(st.tuples(st.sampled_from(["stream", "bidi", "datagram", "reset"]), st.binary(max_size=300)), max_size=12)
)
def test_a_peer_that_sends_nonsense_is_counted_or_closed(hostile, events, alpn, acts):
    hostile = hostile(alpn)
    for kind, data in acts:
        if kind == "stream":
            hostile.stream(data)
        elif kind == "bidi":
            hostile.quic.send_stream_data(hostile.quic.get_next_available_stream_id(), data, end_stream=True)
        elif kind == "datagram":
            hostile.quic.send_datagram_frame(data)
        else:
            hostile.quic.reset_stream(hostile.stream(data + b"x", end=False), 7)
    hostile.pair.step(30)
    assert not any(isinstance(event, FrameReceived) for event in events(hostile.listener))


@few
@given(st.data())
def test_mutated_records_and_fragments_are_counted(hostile, events, data):
    hostile = hostile()
    for sequence in range(6):
        mutated = bytearray(record(frame(sequence)))
        mutated[data.draw(st.integers(0, RECORD_HEADER_BYTES - 1))] = data.draw(st.integers(0, 255))
        hostile.stream(bytes(mutated), end=data.draw(st.booleans()))
        fragment = bytearray(split_frame(frame(sequence + 10), 1200)[0])
        fragment[data.draw(st.integers(0, 27))] = data.draw(st.integers(0, 255))
        hostile.quic.send_datagram_frame(bytes(fragment))
    hostile.stream(record(frame(2**32 - 1)))  # whatever sequence number was believed, this is a later one, or a copy
    hostile.pair.step(30)
    told = events(hostile.listener)
    assert not any(isinstance(event, Closed) for event in told)
    assert any(isinstance(event, FrameReceived) and event.frame.sequence == 2**32 - 1 for event in told)


def test_unfinished_records_on_many_streams_are_held_up_to_a_cap(hostile, events, monkeypatch):
    cap = 300_000
    monkeypatch.setattr(receiver_module, "MAX_BUFFERED_BYTES", cap)
    hostile = hostile()
    held = []
    for sequence in range(60):
        hostile.stream(record(frame(sequence, size=100_000))[:20_000], end=False)
        hostile.pair.step(40)
        held.append(sum(len(stream.reader) for stream in hostile.listener._streams.values()))
    assert cap / 2 < max(held) <= cap
    assert hostile.listener.stats()["evicted"] > 10
    hostile.quic.send_datagram_frame(split_frame(frame(900), 1200)[0])
    hostile.pair.step(40)
    assert any(isinstance(event, FrameReceived) and event.frame.sequence == 900 for event in events(hostile.listener))


def test_a_gap_of_megabytes_in_a_stream_ends_the_connection(hostile, events, monkeypatch):
    monkeypatch.setattr(observed, "MAX_BUFFERED_BYTES", 100_000)
    hostile = hostile()
    stream_id = hostile.stream(b"x", end=False)
    hostile.pair.step(5)
    sender = hostile.quic._streams[stream_id].sender
    sender.write(bytes(900_000))
    sender._pending.subtract(1, 880_000)  # only the end is sent
    hostile.pair.step(40)
    (closed,) = [event for event in events(hostile.listener) if isinstance(event, Closed)]
    assert "out of order" in closed.error


def test_a_header_block_without_end_is_not_collected(hostile, events):
    hostile = hostile("h3")
    request = hostile.quic.get_next_available_stream_id()
    hostile.quic.send_stream_data(request, encode_uint_var(1) + encode_uint_var(2**30) + bytes(500_000))
    hostile.pair.step(600)
    (closed,) = [event for event in events(hostile.listener) if isinstance(event, Closed)]
    assert "too large" in closed.error


def test_another_certificate_is_refused(new_end, pair, events, monkeypatch):
    genuine = certificate.certificate()
    other = Ed25519PrivateKey.from_private_bytes(bytes(32))
    monkeypatch.setattr(certificate, "private_key", lambda: other)
    forged = certificate.certificate.__wrapped__()
    caller, listener = new_end("quic-stream", calls=True), new_end("quic-stream", calls=False)
    listener._configuration.certificate, listener._configuration.private_key = forged, other
    assert end.certificate() == genuine
    pair = pair(caller, listener)
    caller.connect(now=pair.now)
    pair.step(30)
    (closed,) = events(caller)
    assert isinstance(closed, Closed)
    assert "certificate" in closed.error


def test_copies_and_old_sequence_numbers_are_delivered_once(hostile, events):
    hostile = hostile()
    for sequence in (0, 1, 1, 5, 0, 5):
        hostile.stream(record(frame(sequence)))
    hostile.pair.step(30)
    received = [event.frame.sequence for event in events(hostile.listener) if isinstance(event, FrameReceived)]
    assert received == [0, 1, 5]
    assert hostile.listener.stats()["late"] == 3
