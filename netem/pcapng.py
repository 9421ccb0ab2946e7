"""A pcapng file, block by block (draft-ietf-opsawg-pcapng): the packets of links as Wireshark and tshark read them.

Where packets are UDP payloads, their IPv4 and UDP headers are made for the file, with correct checksums and the ECN
bits of the packet; whole IPv4 packets are written as they are. Every call of `write` is handed a whole block, and
nothing is kept: a file that ends between two blocks is readable. The same calls give the same bytes.
"""

import struct
from collections.abc import Callable
from functools import cache
from ipaddress import IPv4Address

from glassbench.netem.ip_header import checksum, with_ecn
from glassbench.netem.packet import IP_UDP_HEADER_BYTES, Packet

MAX_PAYLOAD_BYTES = 65535 - IP_UDP_HEADER_BYTES

_SECTION_HEADER = 0x0A0D0D0A
_INTERFACE_DESCRIPTION = 1
_ENHANCED_PACKET = 6
_DECRYPTION_SECRETS = 10

_BYTE_ORDER_MAGIC = 0x1A2B3C4D
_UNKNOWN_LENGTH = -1
_LINKTYPE_IPV4 = 228
_TLS_KEY_LOG = 0x544C534B
_NANOSECONDS = b"\x09"  # if_tsresol: a negative power of ten

_NO_MORE_OPTIONS = bytes(4)
_COMMENT = 1
_SHB_USERAPPL = 4
_IF_NAME = 2
_IF_TSRESOL = 9
_EPB_PACKETID = 5

_UDP = 17
_DONT_FRAGMENT = 0x4000
_TIME_TO_LIVE = 64

_IPV4 = struct.Struct("!BBHHHBBH4s4s")
_UDP_HEADER = struct.Struct("!HHHH")
_PACKET_HEAD = struct.Struct("<IIIIIII")  # type, length, interface, time (high, low), captured and original length
_PACKET_ID = struct.Struct("<HHQ")
_LENGTH = struct.Struct("<I")


class Pcapng:
    """One section of one file. `write` takes bytes that belong together."""

    def __init__(self, write: Callable[[bytes], object], *, application: str, comment: str) -> None:
        self._write = write
        self._interfaces = 0
        head = struct.pack("<IHHq", _BYTE_ORDER_MAGIC, 1, 0, _UNKNOWN_LENGTH)
        options = _option(_COMMENT, comment.encode()) + _option(_SHB_USERAPPL, application.encode())
        self._block(_SECTION_HEADER, head + options + _NO_MORE_OPTIONS)

    def add_interface(self, name: str) -> int:
        """A point at which packets are seen; its number is an argument of `add_packet`."""
        options = _option(_IF_NAME, name.encode()) + _option(_IF_TSRESOL, _NANOSECONDS) + _NO_MORE_OPTIONS
        self._block(_INTERFACE_DESCRIPTION, struct.pack("<HHI", _LINKTYPE_IPV4, 0, 0) + options)
        self._interfaces += 1
        return self._interfaces - 1

    def add_packet(self, interface: int, packet: Packet, packet_id: int, *, now: float, comment: str = "") -> None:
        """A packet seen at `now`. The same packet has the same `packet_id` at every interface."""
        data = ip_packet(packet)
        options = _PACKET_ID.pack(_EPB_PACKETID, 8, packet_id) + _NO_MORE_OPTIONS
        if comment:
            options = _option(_COMMENT, comment.encode()) + options
        padding = -len(data) % 4
        length = _PACKET_HEAD.size + len(data) + padding + len(options) + _LENGTH.size
        nanoseconds = round(now * 1e9)
        head = _PACKET_HEAD.pack(
            _ENHANCED_PACKET, length, interface, nanoseconds >> 32, nanoseconds & 0xFFFFFFFF, len(data), len(data)
        )
        self._write(b"".join((head, data, bytes(padding), options, _LENGTH.pack(length))))

    def add_secrets(self, lines: str) -> None:
        """Lines of the NSS key log format, ahead of the first packet that needs them to be decrypted."""
        self._write(secrets_block(lines))

    def _block(self, kind: int, body: bytes) -> None:
        self._write(_block(kind, body))


def secrets_block(lines: str, *, room: int = 0) -> bytes:
    """The block of lines of the NSS key log format. What they leave of `room` bytes is empty lines."""
    data = lines.encode().ljust(room, b"\n")
    body = struct.pack("<II", _TLS_KEY_LOG, len(data)) + data + bytes(-len(data) % 4)
    return _block(_DECRYPTION_SECRETS, body)


def _block(kind: int, body: bytes) -> bytes:
    length = _LENGTH.pack(len(body) + 12)
    return _LENGTH.pack(kind) + length + body + length


def ip_packet(packet: Packet) -> bytes:
    """The IPv4 packet around a UDP payload of at most MAX_PAYLOAD_BYTES. One without addresses is a whole one.

    The identification is the number of the packet, which RFC 6864 leaves free where fragmentation is forbidden.
    """
    if not packet.source[0]:
        return with_ecn(packet.data, packet.ecn)
    source, destination = _host(packet.source[0]), _host(packet.destination[0])
    udp_length = _UDP_HEADER.size + len(packet.data)

    def ip_header(checksum: int) -> bytes:
        return _IPV4.pack(
            0x45,
            packet.ecn,
            _IPV4.size + udp_length,
            packet.number & 0xFFFF,
            _DONT_FRAGMENT,
            _TIME_TO_LIVE,
            _UDP,
            checksum,
            source,
            destination,
        )

    def udp_header(checksum: int) -> bytes:
        return _UDP_HEADER.pack(packet.source[1], packet.destination[1], udp_length, checksum)

    pseudo_header = source + destination + struct.pack("!HH", _UDP, udp_length)
    udp_checksum = checksum(pseudo_header + udp_header(0) + packet.data) or 0xFFFF  # RFC 768: 0 would mean "none"
    return ip_header(checksum(ip_header(0))) + udp_header(udp_checksum) + packet.data


@cache
def _host(address: str) -> bytes:
    return IPv4Address(address).packed


def _option(code: int, value: bytes) -> bytes:
    return struct.pack("<HH", code, len(value)) + value + bytes(-len(value) % 4)
