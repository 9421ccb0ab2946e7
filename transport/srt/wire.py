"""Packets of SRT and its modular numbers (draft-sharabayko-srt, section 3): bytes in, numbers out, no state.

Handshake packets have a file of their own, `handshake_packet.py`. Numbers travel in network byte order.
"""

import struct
from typing import NamedTuple

from glassbench.transport.framing import Malformed

HEADER = struct.Struct("!IIII")  # type or sequence, type-specific or message, timestamp, destination socket
HEADER_BYTES = HEADER.size
IP_UDP_HEADER_BYTES = 28  # what SRT takes off an MTU, for IPv4
MAX_PAYLOAD_BYTES = 1456  # 1500 - 28 - 16: the largest live message of libsrt (SRT_LIVE_MAX_PLSIZE)

CONTROL_BIT = 0x8000_0000
HANDSHAKE, KEEPALIVE, ACK, NAK, _CONGESTION_WARNING, SHUTDOWN, ACKACK, DROPREQ = range(8)

# Second word of a data packet (3.1): position, order, encryption, retransmitted, message number.
SOLO_IN_ORDER = 0b111 << 29
ENCRYPTED_BITS = 0b11 << 27
RETRANSMITTED_BIT = 1 << 26
MESSAGE_NUMBER_MASK = RETRANSMITTED_BIT - 1

SEQUENCE_MASK = 0x7FFF_FFFF
TIMESTAMP_MASK = 0xFFFF_FFFF
_HALF_CIRCLE = 0x4000_0000

_FULL_ACK = struct.Struct("!IIIIIII")
_NO_CONTENT = bytes(4)
_ONE_WORD = struct.Struct("!I")
_TWO_WORDS = struct.Struct("!II")

Range = tuple[int, int]  # first and last sequence number, both included


class FullAck(NamedTuple):
    """The CIF of a full ACK (3.2.4). Times in microseconds, rates in packets or bytes per second, buffer in packets."""

    sequence: int  # the first one not received, or not given up
    rtt_us: int
    rtt_variance_us: int
    free_packets: int
    packet_rate: int
    capacity: int
    byte_rate: int


def sequence_distance(start: int, end: int) -> int:
    """How far `end` lies ahead of `start` on the circle of 31 bits; negative when it lies behind."""
    return ((end - start + _HALF_CIRCLE) & SEQUENCE_MASK) - _HALF_CIRCLE


def timestamp_us(since_start: float) -> int:
    """The 32-bit timestamp of an instant: microseconds since the start of this end, wrapping every 71.6 minutes."""
    return int(since_start * 1e6 + 0.5) & TIMESTAMP_MASK


def control(kind: int, *, timestamp: int, destination: int, info: int = 0, cif: bytes = b"") -> bytes:
    """A control packet. `info` is the type-specific word, `cif` the control information field.

    A packet without one gets four zero bytes, which the draft does not ask for: libsrt sends them with keep-alive,
    shutdown and ACKACK, and Wireshark calls such a packet malformed without.
    """
    return HEADER.pack(CONTROL_BIT | kind << 16, info, timestamp, destination) + (cif or _NO_CONTENT)


def control_kind(first_word: int) -> int:
    """The control type in the first word of a control packet."""
    return first_word >> 16 & 0x7FFF


def retransmission(datagram: bytes) -> bytes:
    """The same data packet with its R flag set: number, message and timestamp are those of the first transmission."""
    (word,) = _ONE_WORD.unpack_from(datagram, 4)
    return datagram[:4] + _ONE_WORD.pack(word | RETRANSMITTED_BIT) + datagram[8:]


def pack_full_ack(ack: FullAck) -> bytes:
    """The CIF of a full ACK."""
    return _FULL_ACK.pack(*ack)


def pack_light_ack(sequence: int) -> bytes:
    """The CIF of a light ACK: only the position."""
    return _ONE_WORD.pack(sequence)


def parse_ack(cif: bytes) -> FullAck:
    """The CIF of an ACK: light (4 bytes), small (16) or full (28); what it lacks is 0. Raises Malformed."""
    words = len(cif) // 4
    if words != 1 and words < 4:
        raise Malformed(f"ACK of {len(cif)} bytes")
    fields = struct.unpack_from(f"!{min(words, 7)}I", cif)
    if fields[0] > SEQUENCE_MASK:
        raise Malformed("ACK of a sequence number over 31 bits")
    return FullAck(*fields, *[0] * (7 - len(fields)))


def pack_loss_list(ranges: list[Range], max_bytes: int) -> bytes:
    """Lost packets as in a NAK (appendix A): single numbers, or a first number with bit 31 and a last one.

    What does not fit in `max_bytes` is left to the next periodic NAK.
    """
    words: list[int] = []
    for first, last in ranges:
        if 4 * (len(words) + 2) > max_bytes:
            break
        if first == last:
            words.append(first)
        else:
            words += (first | CONTROL_BIT, last)
    return struct.pack(f"!{len(words)}I", *words)


def parse_loss_list(cif: bytes) -> list[Range]:
    """The ranges of a NAK. Raises Malformed for a broken or backward range."""
    ranges: list[Range] = []
    words = iter(struct.unpack_from(f"!{len(cif) // 4}I", cif))
    for word in words:
        first = last = word & SEQUENCE_MASK
        if word & CONTROL_BIT:
            last = next(words, CONTROL_BIT)
            if last & CONTROL_BIT or sequence_distance(first, last) < 0:
                raise Malformed("NAK with a broken range")
        ranges.append((first, last))
    return ranges


def pack_range(first: int, last: int) -> bytes:
    """The CIF of a DROPREQ (3.2.9)."""
    return _TWO_WORDS.pack(first, last)


def parse_range(cif: bytes) -> Range:
    """The range of a DROPREQ. Raises Malformed."""
    if len(cif) < _TWO_WORDS.size:
        raise Malformed(f"DROPREQ of {len(cif)} bytes")
    first, last = _TWO_WORDS.unpack_from(cif)
    if first > SEQUENCE_MASK or last > SEQUENCE_MASK or sequence_distance(first, last) < 0:
        raise Malformed("DROPREQ with a broken range")
    return first, last
