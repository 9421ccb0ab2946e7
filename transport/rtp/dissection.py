"""Nothing in a packet of RTP says what it is. A session description (RFC 8866) in an announcement (SAP, RFC 2974) names
port and payload types to Wireshark, as it would between strangers."""

import struct
from ipaddress import IPv4Address

from glassbench.transport.contract import Address, TransportConfig
from glassbench.transport.dissection import DissectionHint
from glassbench.transport.rtp.sdp import sdp

_SAP: Address = ("224.2.127.254", 9875)
_SAP_HEAD = struct.Struct("!BBH4s")  # version and type, length of authentication, message id, source
_SAP_VERSION_1 = 0x20


def announcement(sender: TransportConfig) -> DissectionHint:
    """A packet of SAP. Without a payload type it holds a session description (RFC 2974 section 6), and Wireshark finds
    nothing odd."""
    head = _SAP_HEAD.pack(_SAP_VERSION_1, 0, 1, IPv4Address(sender.local[0]).packed)
    return DissectionHint(
        head + sdp(sender).encode(), sender.local, _SAP, "Not sent: tells Wireshark which RTP this is"
    )
