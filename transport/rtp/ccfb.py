"""Congestion control feedback of RFC 8888: for each packet of each SSRC whether it came, when, and with which mark.

A report names its own instant, and the age of each arrival to 1/1024 s (section 3.1).
"""

import math
import struct
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from glassbench.transport.framing import Malformed
from glassbench.transport.rtp.arrivals import AGE_UNIT, MOST_PACKETS, Arrival

_STREAM = struct.Struct("!IHH")  # SSRC, the first sequence number, how many follow with it
_TOO_OLD = 0x1FFE
_UNKNOWN = 0x1FFF


class PacketReport(NamedTuple):
    """What a report says of one packet. `age` is in seconds before the report, None if it is not known, and infinite if
    it is more than a report can say, which are 8 s."""

    sequence: int
    received: bool
    ecn: int
    age: float | None


class StreamReport(NamedTuple):
    """What a report says of one SSRC, in the order of its sequence numbers."""

    ssrc: int
    packets: tuple[PacketReport, ...]


def pack(streams: Mapping[int, Sequence[Arrival]], ntp_middle: int, *, now: float) -> bytes:
    """The body of a report on the arrivals of each SSRC, behind the SSRC of its sender; `ntp_middle` is the time of the
    report. No more than MOST_PACKETS of them are in it."""
    parts, room = [], MOST_PACKETS
    for ssrc, arrivals in streams.items():
        if room:
            first, words = _words(arrivals, room, now=now)
            room -= len(words)
            parts.append(_pack_stream(ssrc, first, words))
    return b"".join(parts) + ntp_middle.to_bytes(4, "big")


def parse(body: bytes) -> tuple[StreamReport, ...]:
    """The streams of a report's body, behind the SSRC of its sender. Raises Malformed."""
    streams = []
    at, end = 0, len(body) - 4
    while at < end:
        if at + _STREAM.size > end:
            raise Malformed("congestion feedback cut off")
        ssrc, first, count = _STREAM.unpack_from(body, at)
        at += _STREAM.size
        if at + 2 * count > end:
            raise Malformed("congestion feedback announces more packets than it has")
        words = struct.unpack_from(f"!{count}H", body, at)
        packets = [_packet_report((first + index) & 0xFFFF, word) for index, word in enumerate(words)]
        streams.append(StreamReport(ssrc, tuple(packets)))
        at += 2 * (count + count % 2)
    return tuple(streams)


def _words(arrivals: Sequence[Arrival], room: int, *, now: float) -> tuple[int, list[int]]:
    """The first sequence number, and a word for each from there to the last that came; of too long a range the end."""
    reference = arrivals[0].sequence
    by_distance = {(arrival.sequence - reference + 0x8000) & 0xFFFF: arrival for arrival in arrivals}
    last = max(by_distance)
    first = max(min(by_distance), last - room + 1)
    words = [_word(by_distance.get(distance), now=now) for distance in range(first, last + 1)]
    return (reference + first - 0x8000) & 0xFFFF, words


def _pack_stream(ssrc: int, first: int, words: Sequence[int]) -> bytes:
    return _STREAM.pack(ssrc, first, len(words)) + struct.pack(f"!{len(words)}H", *words) + bytes(2 * (len(words) % 2))


def _word(arrival: Arrival | None, *, now: float) -> int:
    if arrival is None:
        return 0
    return 0x8000 | arrival.ecn << 13 | min(round((now - arrival.at) / AGE_UNIT), _TOO_OLD)


def _packet_report(sequence: int, word: int) -> PacketReport:
    received, offset = bool(word >> 15), word & _UNKNOWN
    age = None if not received or offset == _UNKNOWN else math.inf if offset == _TOO_OLD else offset * AGE_UNIT
    return PacketReport(sequence, received, word >> 13 & 3 if received else 0, age)
