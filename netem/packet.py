"""The packet: what moves through a path, carrying its own logical time."""

from dataclasses import dataclass

Address = tuple[str, int]

IP_UDP_HEADER_BYTES = 28  # IPv4 20 + UDP 8
MEDIA_PORT = 5004  # RTP's (RFC 3551); it names no protocol to Wireshark, which guesses by port before it looks


@dataclass(slots=True)
class Packet:
    """One IP packet on its way.

    `at` is the logical instant of the packet at the element that holds it, in seconds; every element moves it forward,
    never a clock, so late wake-ups of a driver do not add up. `size_bytes` is the size on the wire, IP and UDP headers
    included. Without addresses `data` is a whole IP packet, else a UDP payload. `number` counts the packets of one flow
    in one direction from 0 (duplicates share it); `flow` is the flow that they belong to, by its place in the network.
    """

    data: bytes
    source: Address
    destination: Address
    ecn: int
    size_bytes: int
    number: int
    sent_at: float
    at: float
    flow: int = 0
