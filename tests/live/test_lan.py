"""Hosts in network namespaces, and the emulator between them: every protocol passes, and nothing that no host sent."""

import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from glassbench.netem.elements.delay import Delay
from glassbench.netem.ip_header import ecn_of, with_ecn
from glassbench.netem.link_log import LinkLog
from glassbench.netem.live.clock import LiveClock, monotonic_ns
from glassbench.netem.live.device_port import DevicePort
from glassbench.netem.live.emulator import EmulatedLink, between, emulate
from glassbench.netem.live.lab import Lab
from glassbench.netem.live.lab_plan import Family, host_address
from glassbench.netem.live.lab_plan import lan as hosts_of_a_lan
from glassbench.netem.live.namespaces import NamespacesRefused
from glassbench.netem.live.udp_socket import UdpSocket
from glassbench.netem.packet import MEDIA_PORT as PORT
from glassbench.netem.path import Path as LinkPath
from glassbench.netem.pcapng import checksum

DELAY = 0.02


@dataclass
class Running:
    sender: UdpSocket
    receiver: UdpSocket
    hosts: tuple[str, str]
    down: EmulatedLink
    ports: tuple[DevicePort, DevicePort]
    clock: LiveClock


@pytest.fixture(params=["ipv4", "ipv6"])
def lan(request: pytest.FixtureRequest) -> Iterator[Running]:
    family: Family = request.param
    if family == "ipv6" and not Path("/proc/net/if_inet6").exists():
        pytest.skip("this kernel has no IPv6")
    clock = LiveClock(monotonic_ns())
    with ExitStack() as cleanup:
        try:
            lab = Lab(hosts_of_a_lan({"sender": [PORT], "receiver": [PORT]}, family), cleanup)
        except NamespacesRefused as error:
            pytest.skip(str(error))
        ports = DevicePort(lab.ports["sender"], clock), DevicePort(lab.ports["receiver"], clock)
        paths = [LinkPath([Delay(DELAY)]) for _ in range(2)]
        down, up = (EmulatedLink(path, LinkLog(path, start_at=clock.now())) for path in paths)
        entries = between(*ports, down, up)
        over = threading.Event()
        options = {"until": clock.now() + 60, "done": over.is_set}
        thread = threading.Thread(target=emulate, args=(entries, [down, up], clock), kwargs=options)
        thread.start()
        try:
            time.sleep(0.2)  # until the kernel stamps
            sender, receiver = (UdpSocket(lab.sockets[name][0], clock) for name in ("sender", "receiver"))
            yield Running(sender, receiver, (host_address(1, family), host_address(2, family)), down, ports, clock)
        finally:
            over.set()
            thread.join()


def received(udp: UdpSocket, count: int) -> list[tuple[bytes, int, float]]:
    taken: list[tuple[bytes, int, float]] = []
    end = time.monotonic() + 10
    while len(taken) < count and time.monotonic() < end:
        udp.wait(0.1)
        taken += [(data, ecn, at) for data, _, ecn, at in udp.receive()]
    return taken


def test_packets_of_a_host_reach_the_other_after_the_delay_with_their_ecn_bits(lan: Running) -> None:
    before = lan.clock.now()
    lan.sender.send([(bytes([number]) * 1400, (lan.hosts[1], PORT), number % 4) for number in range(50)])
    taken = received(lan.receiver, 50)
    assert [(data[0], ecn) for data, ecn, _ in taken] == [(number, number % 4) for number in range(50)]
    assert min(at for _, _, at in taken) >= before + DELAY
    headers = 48 if ":" in lan.hosts[0] else 28
    assert lan.down.path.counts().pushed == 50
    assert sum(lan.down.log.table(lan.clock.now()).sent_bytes) == 50 * (1400 + headers)
    lan.receiver.send([(b"back", (lan.hosts[0], PORT), 0)])
    assert [data for data, _, _ in received(lan.sender, 1)] == [b"back"]


def test_nobody_asks_for_neighbours_and_what_is_no_unicast_packet_does_not_pass(lan: Running) -> None:
    for _ in range(10):
        lan.sender.send([(b"x", (lan.hosts[1], PORT), 0)])
    assert len(received(lan.receiver, 10)) == 10
    time.sleep(0.5)
    assert lan.down.path.counts().pushed == 10  # no question for an address, no router solicitation


def test_an_icmp_message_comes_back_over_the_link(lan: Running) -> None:
    lan.sender.send([(b"nobody listens there", (lan.hosts[1], PORT + 1), 0)])
    end = time.monotonic() + 10
    while lan.down.path.counts().popped < 1 and time.monotonic() < end:
        time.sleep(0.01)
    time.sleep(0.1)
    assert lan.sender.receive() == []  # the error that it raises is taken, not thrown
    lan.sender.send([(b"after it", (lan.hosts[1], PORT), 0)])
    assert [data for data, _, _ in received(lan.receiver, 1)] == [b"after it"]


@pytest.mark.parametrize("version", [4, 6])
def test_a_changed_ecn_field_leaves_a_packet_whole(version: int) -> None:
    if version == 4:
        plain = struct.pack("!BBHHHBBH4s4s", 0x45, 0xB9, 24, 7, 0x4000, 64, 17, 0, b"\xc6\x12\0\1", b"\xc6\x12\0\2")
        plain = plain[:10] + checksum(plain).to_bytes(2, "big") + plain[12:] + b"data"
    else:
        plain = struct.pack("!IHBB16s16s", 6 << 28 | 0xB9 << 20 | 0x12345, 4, 17, 64, bytes(16), bytes(16)) + b"data"
    assert ecn_of(plain) == 1
    for ecn in range(4):
        changed = with_ecn(plain, ecn)
        assert ecn_of(changed) == ecn
        assert with_ecn(changed, 1) == plain
        if version == 4:
            assert checksum(changed[:20]) == 0
            assert changed[1] >> 2 == 0xB9 >> 2


def test_the_hosts_have_no_way_to_anybody_else(lan: Running) -> None:
    lan.sender.send([(b"x", ("192.0.2.1" if ":" not in lan.hosts[0] else "2001:db8::1", PORT), 0)])
    assert lan.sender.unsent == 1  # network is unreachable
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as outside:
        outside.settimeout(0.3)
        outside.bind(("127.0.0.1", 0))
        if ":" not in lan.hosts[0]:
            lan.sender.send([(b"x", outside.getsockname(), 0)])
            with pytest.raises(TimeoutError):
                outside.recv(10)


def test_packets_up_to_9000_bytes_pass_whole_and_larger_ones_are_counted_and_lost(lan: Running) -> None:
    headers = 48 if ":" in lan.hosts[0] else 28
    to = (lan.hosts[1], PORT)
    lan.sender.send([(bytes(9000 - headers), to, 0), (bytes(9001 - headers), to, 0), (b"last", to, 0)])
    assert [len(data) for data, _, _ in received(lan.receiver, 2)] == [9000 - headers, 4]
    assert (lan.sender.unsent, lan.sender.too_large) == (1, 1)
    assert lan.down.path.counts().pushed == 2
