"""The pcapng writer: its blocks, and the headers that it makes, read by somebody else."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glassbench.netem.capture import LinkCapture
from glassbench.netem.elements.delay import Delay
from glassbench.netem.ip_header import checksum
from glassbench.netem.packet import Packet
from glassbench.netem.path import Path
from glassbench.netem.pcapng import MAX_PAYLOAD_BYTES, Pcapng, ip_packet
from glassbench.netem.simulator import Simulator

A, B = ("192.0.2.1", 5004), ("198.51.100.200", 65535)

Read = Callable[[bytes], Any]


def make(data: bytes, *, ecn: int = 0, number: int = 0) -> Packet:
    return Packet(data, A, B, ecn, len(data) + 28, number, 0.0, 0.0)


def test_a_packet_comes_back_with_its_time_place_and_headers(read_capture: Read) -> None:
    blocks: list[bytes] = []
    pcapng = Pcapng(blocks.append, application="Glassbench", comment="ä comment")
    first, second = pcapng.add_interface("down, sent"), pcapng.add_interface("up")
    pcapng.add_packet(second, make(b"odd", ecn=3, number=65537), 2**48 + 65537, now=1002.123456789)
    pcapng.add_packet(first, make(b""), 7, now=0.0, comment="not sent")
    pcapng.add_secrets("CLIENT_TRAFFIC_SECRET_0 00 11\n")
    capture = read_capture(b"".join(blocks))
    assert (capture.comment, capture.application) == ("ä comment", "Glassbench")
    assert capture.interfaces == ["down, sent", "up"]
    assert capture.secrets == ["CLIENT_TRAFFIC_SECRET_0 00 11"]
    packet, empty = capture.packets
    assert (packet.interface, packet.nanoseconds, packet.packet_id) == ("up", 1002_123_456_789, 2**48 + 65537)
    assert (packet.source, packet.destination, packet.payload) == (A, B, b"odd")
    assert (packet.ecn, packet.identification, packet.ip_bytes, packet.comment) == (3, 1, 31, "")
    assert (empty.interface, empty.nanoseconds, empty.payload, empty.comment) == ("down, sent", 0, b"", "not sent")


def test_every_write_is_one_whole_block(read_capture: Read) -> None:
    blocks: list[bytes] = []
    pcapng = Pcapng(blocks.append, application="a", comment="b")
    interface = pcapng.add_interface("i")
    for size in range(9):
        pcapng.add_packet(interface, make(bytes(size)), size, now=1000.0)
    assert len(blocks) == 11
    for count in range(1, len(blocks) + 1):
        read_capture(b"".join(blocks[:count]))


@given(data=st.binary(max_size=1472), ecn=st.integers(0, 3), number=st.integers(0, 2**40))
def test_any_payload_has_correct_checksums(read_capture: Read, data: bytes, ecn: int, number: int) -> None:
    blocks: list[bytes] = []
    pcapng = Pcapng(blocks.append, application="a", comment="b")
    pcapng.add_packet(pcapng.add_interface("i"), make(data, ecn=ecn, number=number), number, now=1.0)
    (packet,) = read_capture(b"".join(blocks)).packets
    assert (packet.payload, packet.ecn, packet.identification) == (data, ecn, number % 2**16)


def test_a_udp_checksum_of_zero_is_sent_as_ones(read_capture: Read) -> None:
    """RFC 768: zero would say that there is none."""
    plain = ip_packet(make(bytes(2)))[26:28]
    blocks: list[bytes] = []
    pcapng = Pcapng(blocks.append, application="a", comment="b")
    pcapng.add_packet(pcapng.add_interface("i"), make(plain), 0, now=1.0)
    (packet,) = read_capture(b"".join(blocks)).packets
    assert packet.payload == plain
    assert ip_packet(make(plain))[26:28] == b"\xff\xff"


def test_the_checksum_of_the_rfc() -> None:
    """RFC 1071 section 3: the words 0001, f203, f4f5, f6f7 add up to ddf2."""
    assert checksum(bytes.fromhex("0001f203f4f5f6f7")) == 0xDDF2 ^ 0xFFFF
    assert checksum(b"") == 0


def test_the_largest_payload_of_ipv4_fits(read_capture: Read) -> None:
    blocks: list[bytes] = []
    pcapng = Pcapng(blocks.append, application="a", comment="b")
    pcapng.add_packet(pcapng.add_interface("i"), make(bytes(MAX_PAYLOAD_BYTES)), 0, now=1.0)
    assert read_capture(b"".join(blocks)).packets[0].ip_bytes == 65535


class Talker:
    """Sends a packet with ECT(0) now and a lost one a second later."""

    def __init__(self) -> None:
        self.plan = [1000.0, 1001.0]

    def receive_datagram(self, data: bytes, peer: tuple[str, int], ecn: int, *, now: float) -> None:
        pass

    def datagrams_to_send(self, *, now: float) -> list[tuple[bytes, tuple[str, int], int]]:
        if self.plan and self.plan[0] <= now:
            return [(f"at {self.plan.pop(0):.0f}".encode(), B, 2)]
        return []

    def get_timer(self) -> float | None:
        return self.plan[0] if self.plan else None

    def handle_timer(self, *, now: float) -> None:
        pass


class MarkThenLose(Delay):
    """Marks the first packet in place, and never lets a second one out."""

    def push(self, packet: Packet) -> None:
        packet.ecn = 3
        if not packet.number:
            super().push(packet)


@pytest.mark.parametrize("index", [0, 1])
def test_a_link_is_seen_where_packets_enter_and_where_they_leave(read_capture: Read, index: int) -> None:
    blocks: list[bytes] = []
    pcapng = Pcapng(blocks.append, application="a", comment="b")
    simulator = Simulator()
    simulator.add_node("a", A, Talker())
    simulator.add_node("b", B, Talker())
    link = LinkCapture(pcapng, "down", index=index)
    simulator.add_route(A, B, [simulator.add_link(Path([MarkThenLose(0.25)]), capture=link)])
    simulator.run(until=1005.0)
    capture = read_capture(b"".join(blocks))
    assert capture.interfaces == ["down, sent", "down, delivered"]
    sent, delivered, lost = sorted(capture.packets, key=lambda packet: (packet.packet_id, packet.nanoseconds))
    assert [sent.interface, delivered.interface, lost.interface] == ["down, sent", "down, delivered", "down, sent"]
    assert sent.packet_id == delivered.packet_id == index << 48
    assert (sent.ecn, delivered.ecn) == (2, 3)
    assert (sent.nanoseconds, delivered.nanoseconds) == (1000 * 10**9, 1000_250_000_000)
    assert (lost.packet_id, lost.payload) == ((index << 48) + 1, b"at 1001")
