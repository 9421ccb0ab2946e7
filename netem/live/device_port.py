"""A port of the emulator that is a network device: whole IP packets of any protocol (packet(7), RFC 791, RFC 8200)."""

import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass

from glassbench.netem.ip_header import ecn_of, with_ecn
from glassbench.netem.live.clock import LiveClock
from glassbench.netem.live.udp_socket import SO_RXQ_OVFL, SO_TIMESTAMPNS, read_stamp
from glassbench.netem.packet import Packet

_PACKET_IGNORE_OUTGOING, _SOL_PACKET = 23, 263
_PACKET_OTHERHOST = 3  # unicast to an address that is not the device's own: the other end's
_ALL_PROTOCOLS = 0x0003
_VERSIONS = {0x0800: 4, 0x86DD: 6}  # EtherType: version of IP
_BUFFER_BYTES = 8 * 2**20
_ETHERNET_BYTES = 14
_LEAST_IP_BYTES = 20
_IPV6_HEADER_BYTES = 40
_UDP = 17
_MAX_FRAME = 65_535 + _ETHERNET_BYTES
_AT_ONCE = 1024
_UNSIGNED = struct.Struct("@I")
_NOWHERE = ("", 0)


@dataclass(frozen=True)
class OpenPort:
    """A socket of `open_port`, the name of its device, and the hardware address of the end behind that."""

    plain: socket.socket
    device: str
    hardware: str


class DevicePort:
    """The port around an OpenPort. It does not block.

    `overflows` counts what the kernel dropped for lack of room, `unsent` what it would not take, and `foreign` what is
    no unicast IP packet: that does not pass a link between two hosts. `flows` are the flows by the UDP port to which
    they send; a packet to another port is foreign. Without `flows` all packets are of flow 0.
    """

    def __init__(self, port: OpenPort, clock: LiveClock, flows: Mapping[int, int] | None = None) -> None:
        self.overflows = 0
        self.unsent = 0
        self.foreign = 0
        self._socket = port.plain
        self._clock = clock
        self._flows = flows
        to_end = bytes.fromhex(port.hardware.replace(":", "")) + bytes(6)
        self._headers = {version: to_end + kind.to_bytes(2, "big") for kind, version in _VERSIONS.items()}

    def fileno(self) -> int:
        return self._socket.fileno()

    def receive(self) -> list[Packet]:
        packets: list[Packet] = []
        arrival = self._clock.arrivals()
        for _ in range(_AT_ONCE):
            try:
                frame, ancillary, _, (_, protocol, kind, _, _) = self._socket.recvmsg(_MAX_FRAME, 256)
            except OSError:  # nothing more, or the namespace of the end is gone, and its device with it
                break
            at = None
            for level, option, value in ancillary:
                if level == socket.SOL_SOCKET and option == SO_TIMESTAMPNS:
                    at = arrival(read_stamp(value))
                elif level == socket.SOL_SOCKET and option == SO_RXQ_OVFL:
                    self.overflows = _UNSIGNED.unpack_from(value)[0]
            data = frame[_ETHERNET_BYTES:]
            if kind != _PACKET_OTHERHOST or len(data) < _LEAST_IP_BYTES or _VERSIONS.get(protocol) != data[0] >> 4:
                self.foreign += 1
                continue
            at = self._clock.now() if at is None else at
            flow = 0 if self._flows is None else self._flows.get(_destination_port(data), -1)
            if flow < 0:
                self.foreign += 1
                continue
            packets.append(Packet(data, _NOWHERE, _NOWHERE, ecn_of(data), len(data), 0, at, at, flow))
        return packets

    def send(self, packet: Packet) -> None:
        data = with_ecn(packet.data, packet.ecn)
        try:
            self._socket.send(self._headers[data[0] >> 4] + data)  # "sendto" would look the device up each time
        except OSError:
            self.unsent += 1


def _destination_port(data: bytes) -> int:
    """The port of the UDP datagram in an IP packet that is no fragment and has no extension header; -1 for anything
    else."""
    is_four = data[0] >> 4 == 4
    start = (data[0] & 0x0F) * 4 if is_four else _IPV6_HEADER_BYTES
    if data[9 if is_four else 6] != _UDP or len(data) < start + 4:
        return -1
    return int.from_bytes(data[start + 2 : start + 4], "big")


def open_port(device: str) -> socket.socket:
    """A packet socket on a device of this thread's network namespace. Raises OSError; needs CAP_NET_RAW there."""
    plain = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    try:
        plain.setblocking(False)
        plain.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        plain.setsockopt(socket.SOL_SOCKET, SO_RXQ_OVFL, 1)
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES)
        plain.setsockopt(_SOL_PACKET, _PACKET_IGNORE_OUTGOING, 1)
        plain.bind((device, _ALL_PROTOCOLS))
    except OSError:
        plain.close()
        raise
    return plain
