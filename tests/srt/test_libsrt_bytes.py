"""Datagrams recorded from srt-live-transmit (libsrt 1.5.1): what the other side really sends."""

from dataclasses import replace

import pytest

from glassbench.transport.contract import Address
from glassbench.transport.srt import handshake_packet, wire
from glassbench.transport.srt.handshake import Caller, Listener, Offer

PEER: Address = ("127.0.0.1", 9202)
OFFER = Offer(0x3DABDFAC, 0x6923E906, mtu=1480, window=8192, receive_latency_ms=0, send_latency_ms=120)
ADDRESS = "0100007f" + 12 * "00"  # 127.0.0.1 with its bytes swapped

CALLER_INDUCTION = "00000004000000020faa6f4c000005dc00002000000000013fca5ac600000000" + ADDRESS
# A caller with latency=200 and streamid=hello: HSREQ and SID.
CALLER_CONCLUSION = (
    "00000005000000050faa6f4c000005dc00002000ffffffff3fca5ac6021140a6"
    + ADDRESS
    + "0001000300010501000000bf00c800c8"
    + "000500026c6c65680000006f"
)
LISTENER_INDUCTION = "0000000500004a176923e906000005c800002000000000013dabdfac7683936a" + ADDRESS
LISTENER_CONCLUSION = (
    "00000005000000016923e906000005c800002000ffffffff32666fb67683936a" + ADDRESS + "0002000300010501000000bf00c800c8"
)
DATA = "0faa6f4cc0000001000f2fe306c148b96162636465666768"
FIRST_ACK = "6923e907000186a00000c35000001ffe00000002000003e8000005af"
NAK_OF_ONE = "6923e907"
ACKACK = "8006000000000001000f4c8306c148b900000000"  # with four bytes that writev wants and the draft does not know


def test_our_listener_understands_the_caller_of_libsrt() -> None:
    listener = Listener(OFFER, b"secret", now=1000.0)
    answer, _ = listener.receive(handshake_packet.parse(bytes.fromhex(CALLER_INDUCTION)), 0, PEER, now=1000.0)
    assert answer is not None
    cookie = handshake_packet.parse(answer[wire.HEADER_BYTES :]).cookie
    request = handshake_packet.parse(bytes.fromhex(CALLER_CONCLUSION))
    assert request.extensions[1] == (5, b"lleh\0\0\0o")
    answer, agreed = listener.receive(replace(request, cookie=cookie), 0x1A4, PEER, now=1000.0)
    assert answer is not None and agreed is not None
    assert (agreed.receive_latency, agreed.send_latency) == (0.2, 0.2)
    assert agreed.peer_drops_late and agreed.max_payload_bytes == 1436


def test_our_caller_understands_the_listener_of_libsrt() -> None:
    caller = Caller(OFFER, PEER, now=1000.0)
    assert caller.take(now=1000.0)[wire.HEADER_BYTES :][32:].hex() == ADDRESS
    assert caller.receive(handshake_packet.parse(bytes.fromhex(LISTENER_INDUCTION)), 0, now=1000.0) is None
    assert handshake_packet.parse(caller.take(now=1000.0)[wire.HEADER_BYTES :]).cookie == 0x7683936A
    agreed = caller.receive(handshake_packet.parse(bytes.fromhex(LISTENER_CONCLUSION)), 0x12F, now=1000.0)
    assert agreed is not None
    assert (agreed.peer_socket, agreed.receive_sequence, agreed.peer_window) == (0x32666FB6, 0x6923E906, 8192)
    assert (agreed.receive_latency, agreed.send_latency) == (0.2, 0.2)
    assert agreed.peer_clock.instant(0x12F, now=1000.0) == pytest.approx(1000.0)


def test_data_and_reports_of_libsrt_have_our_layout() -> None:
    first, second, timestamp, destination = wire.HEADER.unpack_from(bytes.fromhex(DATA))
    assert (first, second & wire.MESSAGE_NUMBER_MASK, destination) == (0x0FAA6F4C, 1, 0x06C148B9)
    assert timestamp == 0x000F2FE3 and not second & wire.ENCRYPTED_BITS
    ack = wire.parse_ack(bytes.fromhex(FIRST_ACK))
    assert (ack.sequence, ack.rtt_us, ack.rtt_variance_us, ack.free_packets) == (0x6923E907, 100_000, 50_000, 8190)
    assert wire.parse_loss_list(bytes.fromhex(NAK_OF_ONE)) == [(0x6923E907, 0x6923E907)]
    ours = wire.control(wire.ACKACK, timestamp=0x000F4C83, destination=0x06C148B9, info=1)
    assert bytes.fromhex(ACKACK) == ours
