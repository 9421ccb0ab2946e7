"""What Wireshark cannot tell from the packets of a link alone, said in its own terms by a packet ahead of them.

- RTP looks like anything: a session description (RFC 8866) in an announcement (SAP, RFC 2974) names port and payload
  types, as it would between strangers.
- SRT calls in version 4, as UDT does, and Wireshark asks for UDT first: a handshake of version 5 is SRT's alone.

QUIC and RTCP are recognised as they are, and `udp` is nobody's protocol.
"""

import struct
from ipaddress import IPv4Address
from typing import NamedTuple

from glassbench.netem.packet import IP_UDP_HEADER_BYTES, Packet
from glassbench.transport.contract import Address, TransportConfig
from glassbench.transport.rtp.sdp import sdp
from glassbench.transport.srt import handshake_packet

_SAP: Address = ("224.2.127.254", 9875)
_SAP_HEAD = struct.Struct("!BBH4s")  # version and type, length of authentication, message id, source
_SAP_VERSION_1 = 0x20


class Hint(NamedTuple):
    """A packet that was never sent, and what it is for."""

    packet: Packet
    comment: str


def hint(transport: str, sender: TransportConfig) -> Hint | None:
    """What the capture of an arm begins with, by the name of its transport."""
    if transport == "rtp":
        return Hint(_packet(sender.local, _SAP, _announcement(sender)), "Not sent: tells Wireshark which RTP this is")
    if transport == "srt":
        return Hint(_packet(sender.peer, sender.local, _version_5()), "Not sent: tells Wireshark SRT from UDT")
    return None


def _announcement(sender: TransportConfig) -> bytes:
    """Without a payload type it is a session description (RFC 2974 section 6), and Wireshark finds nothing odd."""
    return _SAP_HEAD.pack(_SAP_VERSION_1, 0, 1, IPv4Address(sender.local[0]).packed) + sdp(sender).encode()


def _version_5() -> bytes:
    """What a listener answers to a call (draft-sharabayko-srt 4.3.1.1)."""
    answer = handshake_packet.Handshake(
        version=5,
        field=handshake_packet.MAGIC,
        sequence=0,
        mtu=1500,
        window=8192,
        kind=handshake_packet.INDUCTION,
        socket=0,
        cookie=0,
    )
    return handshake_packet.pack(answer, timestamp=0, destination=0)


def _packet(source: Address, destination: Address, data: bytes) -> Packet:
    return Packet(data, source, destination, 0, len(data) + IP_UDP_HEADER_BYTES, 0, 0.0, 0.0)
