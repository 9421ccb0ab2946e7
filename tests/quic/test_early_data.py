"""0-RTT: frames in the caller's first flight, and what happens if the listener does not take them."""

import dataclasses
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glassbench.netem.elements.delay import Delay
from glassbench.transport.contract import (
    Closed,
    Connected,
    Frame,
    FrameReceived,
    FrameSent,
    FrameStarted,
    Track,
    TransportConfig,
    Unsupported,
)
from glassbench.transport.quic import end
from glassbench.transport.quic.ticket import ticket
from glassbench.transport.registry import get, validate_options

CALLER, LISTENER = ("10.0.0.1", 4000), ("10.0.0.2", 4433)
VIDEO = Track(id=1, name="video", media="h264", priority=2)
START_AT, DELAY = 1000.0, 0.02
STOCK_RENO = {"stack": "stock", "control": "reno"}
STOCK_CUBIC = {"stack": "stock", "control": "cubic"}
ARMS = ["quic-stream", "quic-stream-per-gop", "quic-stream-per-frame", "quic-datagram"]
STACKS = [{}, STOCK_RENO, STOCK_CUBIC]

every_arm = pytest.mark.parametrize("arm", ARMS)
every_stack = pytest.mark.parametrize("options", STACKS)


@pytest.fixture
def early(call, video):
    """`early(arm, ...)` runs a call whose first frame is sent at the instant of the connect."""

    def run(arm, *, frames=10, size=6_000, until=1002.0, options=None, listener_options=None, **fields):
        session = call(arm, options={"zero_rtt": True, **(options or {})}, rate_bps=1e9, delay=DELAY, **fields)
        session.make(video(frames, size, at=START_AT))
        if listener_options is not None:
            config = TransportConfig(
                LISTENER, CALLER, 2, session.tracks, options=validate_options(arm, listener_options)
            )
            session.receiver.transport = get(arm).make_receiver(config)
        session.simulator.run(until=until)
        return session

    return run


def configured(name, *, calls):
    local, peer = (CALLER, LISTENER) if calls else (LISTENER, CALLER)
    return TransportConfig(local, peer, 1, (VIDEO,), options=validate_options(name, {"zero_rtt": True}))


def with_another_ticket(monkeypatch, change):
    """The caller holds another ticket than the listener."""

    def another(configuration, server_name):
        real_ticket = ticket(configuration, server_name)
        return change(real_ticket) if configuration.is_client else real_ticket

    monkeypatch.setattr(end, "ticket", another)


@pytest.mark.sampled(4)
@every_arm
@every_stack
@pytest.mark.parametrize("size", [600, 1_390, 6_000, 10_000])
def test_frames_of_the_first_window_arrive_after_half_a_round_trip(early, arm, options, size):
    session = early(arm, size=size, options=options)
    received = session.received()
    assert len(received) == 10
    assert received[0].complete_at == pytest.approx(START_AT + DELAY, abs=2e-4)  # serialised at 1 Gbit/s
    assert not session.of(Closed)


@every_arm
def test_without_it_they_arrive_after_one_and_a_half(early, arm):
    received = early(arm, size=600, options={"zero_rtt": False}).received()
    assert received[0].complete_at == pytest.approx(START_AT + 3 * DELAY, abs=2e-4)


@every_arm
def test_the_sender_may_send_at_once_and_the_events_are_told_once(early, arm):
    session = early(arm)
    assert [event.at for event in session.sender.events if isinstance(event, Connected)] == [START_AT]
    assert len([event for event in session.receiver.events if isinstance(event, Connected)]) == 1
    for kind in (FrameStarted, FrameSent):
        assert len(session.of(kind)) == 10


@pytest.mark.sampled(2)
@every_arm
@every_stack
def test_a_keyframe_larger_than_the_first_window_arrives_with_the_next_ones(early, arm, options):
    session = early(arm, frames=1, size=60_000, options=options)
    assert session.received()[0].frame.payload == bytes(60_000)


@every_arm
@every_stack
def test_a_listener_that_knows_no_ticket_gets_a_full_handshake_and_the_frames_again(early, arm, options):
    session = early(arm, options=options, listener_options={"zero_rtt": False, **options})
    received = session.received()
    refused = 2 if arm == "quic-datagram" and options else 0  # aioquic repeats no DATAGRAM
    assert sorted(received) == list(range(refused, 10))
    first = received[refused]
    assert max(first.frame.captured_at + DELAY, START_AT + 3 * DELAY) <= first.complete_at < START_AT + 0.1
    assert not session.of(Closed)


@every_arm
def test_a_ticket_that_the_listener_has_forgotten_falls_back_to_a_full_handshake(early, monkeypatch, arm):
    with_another_ticket(monkeypatch, lambda known: dataclasses.replace(known, ticket=bytes(48)))
    session = early(arm)
    assert sorted(session.received()) == list(range(10))
    assert session.received()[0].complete_at >= START_AT + 3 * DELAY


def test_what_was_refused_is_sent_again_at_once_and_does_not_count_as_loss(early):
    session = early("quic-datagram", listener_options={"zero_rtt": False})
    stats = session.sender.transport.stats()
    assert stats["repaired"] == 10  # five fragments of each of the two frames before the answer
    assert stats["lost_packets"] == 0


def test_a_caller_that_is_refused_checks_the_certificate_as_ever(early, monkeypatch):
    session = early("quic-stream", listener_options={"zero_rtt": False}, until=START_AT)
    monkeypatch.setattr(end, "certificate", lambda: "another one")
    session.simulator.run(until=1001.0)
    (closed,) = [event for event in session.sender.events if isinstance(event, Closed)]
    assert "pinned" in closed.error
    assert not session.received()


def test_a_ticket_with_another_secret_ends_the_connection(early, monkeypatch):
    """The binder proves that the caller knows the secret (RFC 8446 section 4.2.11.2): a forger gets an alert."""
    with_another_ticket(monkeypatch, lambda known: dataclasses.replace(known, resumption_secret=bytes(48)))
    session = early("quic-stream")
    assert not session.received()
    assert all("PSK validation failed" in event.error for event in session.of(Closed))
    assert session.of(Closed)


@every_arm
def test_the_limits_remembered_are_those_of_the_listener(early, arm):
    """RFC 9000 section 7.4.1: a listener must not lower what a ticket promised."""
    session = early(arm, until=START_AT)
    stack = session.sender.transport._stack
    names = [name for name in vars(stack) if name.startswith("_remote_max_") and not name.endswith("_used")]
    remembered = {name: getattr(stack, name) for name in names}
    session.simulator.run(until=START_AT + 0.05)
    assert stack.resumed and len(names) >= 7
    assert {name: getattr(stack, name) for name in names} == remembered


@pytest.mark.sampled(2)
@every_arm
@every_stack
def test_early_data_survives_loss_of_every_single_packet_of_the_start(early, drop, arm, options):
    for lost in range(8):
        packets = itertools.count()
        path = [drop(lambda packet, packets=packets, lost=lost: next(packets) == lost), Delay(DELAY)]
        session = early(arm, options=options, forward=path, until=1004.0)
        received = session.received()
        missing = set(range(10)) - set(received)
        assert not missing or (arm == "quic-datagram" and options), f"packet {lost}"
        assert not session.of(Closed), f"packet {lost}"


@every_arm
def test_two_runs_are_equal_byte_by_byte(early, drop, arm):
    def run():
        wire = []
        path = [drop(lambda packet: wire.append(packet.data)), Delay(DELAY)]
        session = early(arm, forward=path)
        return wire, session.sender.events, session.receiver.events

    first = run()
    assert len(first[0]) > 10
    assert run() == first


@pytest.fixture(scope="module")
def first_flight():
    """The datagrams of a caller's first flight with frames in it."""
    caller = get("quic-datagram").make_sender(configured("quic-datagram", calls=True))
    caller.connect(now=START_AT)
    caller.send_frame(Frame(1, 0, 0, START_AT, True, 0, 1, None, bytes(5_000)), now=START_AT)
    return [datagram.data for datagram in caller.datagrams_to_send(now=START_AT)]


def test_the_first_flight_has_the_whole_frame(first_flight):
    listener = get("quic-datagram").make_receiver(configured("quic-datagram", calls=False))
    for data in first_flight:
        listener.receive_datagram(data, CALLER, now=START_AT)
    assert [type(event) for event in iter(listener.next_event, None)] == [FrameReceived]


@given(st.data())
def test_a_mutated_first_flight_raises_nothing_and_delivers_nothing_false(first_flight, data):
    listener = get("quic-datagram").make_receiver(configured("quic-datagram", calls=False))
    for original in data.draw(st.permutations(first_flight)):
        changed = bytearray(original)
        for place, value in data.draw(
            st.dictionaries(st.integers(0, len(changed) - 1), st.integers(0, 255), max_size=3)
        ).items():
            changed[place] = value
        listener.receive_datagram(bytes(changed[: data.draw(st.integers(0, len(changed)))]), CALLER, now=START_AT)
        listener.receive_datagram(original, CALLER, now=START_AT)
        listener.datagrams_to_send(now=START_AT)
    frames = [event for event in iter(listener.next_event, None) if isinstance(event, FrameReceived)]
    assert len(frames) <= 1
    assert all(event.frame.payload == bytes(5_000) for event in frames)


def test_early_data_without_its_initial_packet_is_counted_and_ignored(first_flight):
    listener = get("quic-datagram").make_receiver(configured("quic-datagram", calls=False))
    for data in first_flight[1:] * 100:
        listener.receive_datagram(data, CALLER, now=START_AT)
    assert listener.stats()["malformed"] == 100 * len(first_flight[1:])
    assert listener.datagrams_to_send(now=START_AT) == []


def test_webtransport_answers_that_it_cannot():
    for name in ("webtransport-datagram", "webtransport-stream-per-frame"):
        for calls, make in ((True, get(name).make_sender), (False, get(name).make_receiver)):
            with pytest.raises(Unsupported, match="WebTransport has no 0-RTT"):
                make(configured(name, calls=calls))
