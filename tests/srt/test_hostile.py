"""Bytes from anybody: no exception, no growth, and a connection that lives on wherever it can."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glassbench.netem.elements.delay import Delay
from glassbench.netem.line import Line
from glassbench.netem.packet import Packet
from glassbench.transport.contract import Address, Datagram, Frame, FrameReceived, Track, TransportConfig
from glassbench.transport.srt import SrtReceiver, SrtSender, wire
from glassbench.transport.srt.receiving import CAPACITY

SENDER: Address = ("10.0.0.1", 9000)
RECEIVER: Address = ("10.0.0.2", 9000)
VIDEO = Track(1, "video", "h264", 0)

DATAGRAMS = st.one_of(
    st.binary(max_size=200),
    # The shape of each control type, with anything behind it.
    st.builds(
        lambda kind, info, cif: wire.control(kind, timestamp=1, destination=0, info=info, cif=cif),
        st.integers(0, 0x7FFF) | st.integers(0, 8),
        st.integers(0, 2**32 - 1),
        st.binary(max_size=120),
    ),
    # Data of any sequence number.
    st.builds(
        lambda seq, word, stamp, payload: wire.HEADER.pack(seq, word, stamp, 0) + payload,
        st.integers(0, wire.SEQUENCE_MASK),
        st.integers(0, 2**32 - 1),
        st.integers(0, 2**32 - 1),
        st.binary(max_size=60),
    ),
)


def addressed(data: bytes, socket: int) -> bytes:
    """The same datagram for a socket: the attacker has read the connection's traffic."""
    return data[:12] + socket.to_bytes(4, "big") + data[16:]


class Pair:
    """Two ends joined without delay; `pump` exchanges what they have to say."""

    def __init__(self) -> None:
        self.sender = SrtSender(TransportConfig(SENDER, RECEIVER, 1, (VIDEO,)))
        self.receiver = SrtReceiver(TransportConfig(RECEIVER, SENDER, 1, (VIDEO,)))
        self.now = 1000.0
        self.delivered = 0
        for end in (self.sender, self.receiver):
            end.connect(now=self.now)
        self.pump()

    def pump(self) -> None:
        for _ in range(4):
            for end, peer, address in (
                (self.sender, self.receiver, SENDER),
                (self.receiver, self.sender, RECEIVER),
            ):
                datagrams: list[Datagram] = end.datagrams_to_send(now=self.now)
                for datagram in datagrams:
                    if datagram.peer in (SENDER, RECEIVER):
                        peer.receive_datagram(datagram.data, address, now=self.now)
        for end in (self.sender, self.receiver):
            while (event := end.next_event()) is not None:
                self.delivered += isinstance(event, FrameReceived)

    def advance(self, duration: float) -> None:
        until = self.now + duration
        while self.now < until:
            timers = [t for t in (self.sender.get_timer(), self.receiver.get_timer()) if t is not None]
            self.now = min([until, *(max(t, self.now) for t in timers)])
            for end in (self.sender, self.receiver):
                end.handle_timer(now=self.now)
            self.pump()

    def send(self, sequence: int) -> None:
        at = round(self.now * 1e6) / 1e6
        self.sender.send_frame(Frame(1, 0, sequence, at, False, 0, 0, None, bytes(3000)), now=self.now)
        self.pump()


def assert_bounded(end: SrtSender | SrtReceiver) -> None:
    connection = end._connection
    assert len(connection._control) <= 512
    if connection._receive_buffer is not None and connection._send_buffer is not None:
        assert len(connection._receive_buffer._missing) <= CAPACITY
        assert len(connection._receive_buffer._slots) == CAPACITY
        assert len(connection._send_buffer._requested) <= CAPACITY
        assert connection._acknowledger is not None and len(connection._acknowledger._unanswered) <= 1024


@settings(max_examples=120)
@given(st.lists(DATAGRAMS, max_size=30), st.booleans())
def test_bytes_of_a_stranger_neither_crash_nor_disturb(datagrams: list[bytes], early: bool) -> None:
    pair = Pair()
    if early:  # before there is a connection
        pair = Pair.__new__(Pair)
        pair.sender = SrtSender(TransportConfig(SENDER, RECEIVER, 1, (VIDEO,)))
        pair.receiver = SrtReceiver(TransportConfig(RECEIVER, SENDER, 1, (VIDEO,)))
        pair.now, pair.delivered = 1000.0, 0
    for data in datagrams:
        for end in (pair.sender, pair.receiver):
            end.receive_datagram(data, ("10.6.6.6", 666), now=pair.now)
            assert_bounded(end)
    if early:
        pair.sender.connect(now=pair.now)
        pair.pump()
    pair.send(0)
    pair.advance(0.5)
    assert pair.delivered == 1


@settings(max_examples=150)
@given(st.lists(DATAGRAMS, max_size=30))
def test_bytes_with_the_right_address_and_socket_neither_crash_nor_grow(datagrams: list[bytes]) -> None:
    pair = Pair()
    sockets = {end: end._connection._offer.socket for end in (pair.sender, pair.receiver)}
    for sequence, data in enumerate(datagrams):
        pair.send(sequence)
        for end, peer in ((pair.sender, RECEIVER), (pair.receiver, SENDER)):
            end.receive_datagram(addressed(data, sockets[end]) if len(data) >= 16 else data, peer, now=pair.now)
            assert_bounded(end)
        pair.advance(0.03)
    pair.advance(1.0)


class Mutation(Line):
    """Changes up to three of the first 60 bytes of some packets, and cuts some."""

    def __init__(self, probability: float, rng: np.random.Generator) -> None:
        super().__init__()
        self._probability = probability
        self._rng = rng

    def push(self, packet: Packet) -> None:
        self._pushed += 1
        rng = self._rng
        if packet.sent_at > 1002.0 and rng.random() < self._probability:
            data = bytearray(packet.data)
            for _ in range(int(rng.integers(1, 4))):
                data[int(rng.integers(0, min(len(data), 60)))] = int(rng.integers(0, 256))
            if rng.random() < 0.2:
                del data[int(rng.integers(0, len(data))) :]
            packet.data = bytes(data)
        self._leaving.append(packet)


@pytest.mark.parametrize("seed", range(8))
def test_packets_mutated_on_the_way_neither_crash_nor_grow(make_call: Any, seed: int) -> None:
    call = make_call(
        there=[Mutation(0.02, np.random.default_rng(seed)), Delay(0.02)],
        back=[Mutation(0.02, np.random.default_rng(seed + 100)), Delay(0.02)],
        latency_ms=200,
    )
    call.run(1002.0)
    call.stream(150, 1 / 30, 12_000)
    call.run(1010.0)
    assert_bounded(call.sender.transport)
    assert_bounded(call.receiver.transport)
    received, lost = set(call.received()), set(call.lost())
    assert len(call.receiver.of(FrameReceived)) == len(received)
    assert received and not received & lost
    assert sum(call.receiver.transport.stats()[name] for name in ("malformed", "foreign", "undecryptable")) > 0
