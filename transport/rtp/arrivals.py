"""Which packets came, when, and with which ECN mark: the feedback of RFC 8888, by which a sender can be steered.

It is sent every 50 ms while packets arrive (section 5 has 50 to 200 ms), and sooner if a report is full. Under
congestion control it is sent every 10 ms, so that a controller that plans each of 60 frames a second hears of something
new for each. Each arrival is then in two reports, so that a lost report takes nothing away; and the range of a
stream begins where that of its last report ended, so that all that is missing is in one.
"""

import math
import struct
from collections.abc import Sequence
from typing import NamedTuple

from glassbench.transport.framing import Malformed

INTERVAL = 0.05  # seconds
CONTROL_INTERVAL = 0.01  # seconds
CE = 3  # codepoint of RFC 3168
AGE_UNIT = 1 / 1024  # seconds
MOST_PACKETS = 128  # in one report, so that it fits the smallest datagram
MOST_STREAMS = 8

_STREAM = struct.Struct("!IHH")  # SSRC, the first sequence number, how many follow with it
_TOO_OLD = 0x1FFE
_UNKNOWN = 0x1FFF


class Arrival(NamedTuple):
    """A packet that came: its 16-bit sequence number, the instant, and the ECN codepoint of RFC 3168."""

    sequence: int
    at: float
    ecn: int


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


class Arrivals:
    """What came since the last report, by SSRC; with `twice` a report repeats what the one before it said first."""

    def __init__(self, interval: float = INTERVAL, *, twice: bool = False) -> None:
        self.report_at: float | None = None
        self._interval = interval
        self._full = MOST_PACKETS // 2 if twice else MOST_PACKETS
        self._twice = twice
        self._by_ssrc: dict[int, list[Arrival]] = {}
        self._said: dict[int, list[Arrival]] = {}  # what the next report repeats
        self._ends: dict[int, Arrival] = {}  # the last ones in the last reports of streams, the newest stream last

    def add(self, ssrc: int, arrival: Arrival) -> None:
        """A packet came. More streams than `MOST_STREAMS` in one report are left out."""
        if ssrc not in self._by_ssrc and len(self._by_ssrc.keys() | self._said.keys()) >= MOST_STREAMS:
            return
        arrivals = self._by_ssrc.setdefault(ssrc, [])
        arrivals.append(arrival)
        if self.report_at is None:
            self.report_at = arrival.at + self._interval
        if sum(map(len, self._by_ssrc.values())) >= self._full:
            self.report_at = arrival.at

    def take(self, ntp_middle: int, *, now: float) -> bytes:
        """The body of a report on all of them, which begin anew; `ntp_middle` is the time of the report."""
        new, self._by_ssrc, self.report_at = self._by_ssrc, {}, None
        streams = {ssrc: self._again(ssrc) + new.get(ssrc, []) for ssrc in self._said | new}
        if self._twice:
            self._remember(new)
        parts, room = [], MOST_PACKETS
        for ssrc, arrivals in streams.items():
            if room:
                first, words = _words(arrivals, room, now=now)
                room -= len(words)
                parts.append(_pack_stream(ssrc, first, words))
        return b"".join(parts) + ntp_middle.to_bytes(4, "big")

    def _again(self, ssrc: int) -> list[Arrival]:
        """What a report says of a stream that an earlier one has said."""
        return self._said.get(ssrc) or ([self._ends[ssrc]] if ssrc in self._ends else [])

    def _remember(self, said: dict[int, list[Arrival]]) -> None:
        self._said = said
        for ssrc, arrivals in said.items():
            self._ends.pop(ssrc, None)
            self._ends[ssrc] = arrivals[-1]
        while len(self._ends) > MOST_STREAMS:
            del self._ends[next(iter(self._ends))]


def parse_streams(body: bytes) -> tuple[StreamReport, ...]:
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
