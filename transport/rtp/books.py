"""What became of the packets that left, as the reports of RFC 8888 tell it: each is settled once.

A packet is lost if a report had it missing, a report of 10 ms later does not have it either, and one that left three
packets later has come. So neither the end of a frame makes a late packet a lost one, nor does it matter whether the
later report goes back so far. What no report tells of is lost after a second. A loss whose packet comes within another
second was none.
"""

from collections.abc import Iterator
from operator import itemgetter
from typing import NamedTuple

from glassbench.transport.congestion.suspects import Suspects
from glassbench.transport.framing import Malformed
from glassbench.transport.rtp.arrivals import AGE_UNIT, CE, PacketReport
from glassbench.transport.rtp.rtcp import CongestionFeedback

GIVE_UP = 1.0  # seconds after which a packet of which no report tells counts as lost
_REORDERING = 3  # packets that left later and came; RFC 9002's kPacketThreshold
_LATENESS = 0.01  # seconds for which a missing packet may be a late one: twice what a receiver waits before it asks
_TICKS = 65536  # a second, of the middle of an NTP time
_HALF_SPACE = 2**15  # of sequence numbers: what is further away is ahead


class Settled(NamedTuple):
    """What one report says of packets of which nothing was known, by their numbers.

    `rtt`: seconds that the newest of the arrived took there and its report back, None if that is not to be had.
    `received_at`: seconds of the receiver's clock, to 1/1024 s. `late` packets had been declared lost; if there is a
    `spurious_since`, all that were from then on have come.
    """

    arrived: list[int]
    lost: list[int]
    rtt: float | None
    ce_packets: int
    received_at: dict[int, float]
    late: int = 0
    spurious_since: float | None = None


class _Sent(NamedTuple):
    ssrc: int
    sequence: int
    at: float


class Books:
    """Packets of all streams in one row, numbered as they left. A report names them by SSRC and sequence number, so
    retransmissions, which have both of their own (RFC 4588), are in the books as media are."""

    def __init__(self) -> None:
        self._count = 0
        self._open: dict[int, _Sent] = {}  # in the order in which they left
        self._numbers: dict[tuple[int, int], int] = {}  # of those, by SSRC and sequence number
        self._streams: dict[int, tuple[int, int]] = {}  # by SSRC: the newest sequence number, and how many have left
        self._missing: dict[int, float] = {}  # of the open ones: the time of the first report that had them missing
        self._suspects = Suspects()
        self._lost: dict[tuple[int, int], int] = {}  # numbers of the suspects, in the order of their declaration
        self._newest = -1  # the number of the newest packet that arrived
        self._report_ticks: int | None = None  # the time of the last report, which does not wrap

    def on_sent(self, ssrc: int, sequence: int, *, now: float) -> int:
        """A packet leaves: its number."""
        number = self._count
        self._count += 1
        self._open[number] = _Sent(ssrc, sequence, now)
        self._numbers[ssrc, sequence] = number
        self._streams[ssrc] = sequence, self._streams.get(ssrc, (0, 0))[1] + 1
        return number

    def settle(self, feedback: CongestionFeedback, *, now: float) -> Settled:
        """Take a report. Streams that are not ours are ignored. Raises Malformed, without any change, if it says that a
        packet came which never left, or that one came before it left."""
        reports = [
            (stream.ssrc, packet)
            for stream in feedback.streams
            for packet in stream.packets
            if stream.ssrc in self._streams
        ]
        self._refuse_impossible(reports, now=now)
        if not reports:
            return Settled([], [], None, 0, {})
        late, spurious_since = self._take_late(reports, now=now)
        reported_at = self._unwrap(feedback.at) / _TICKS
        arrived: list[int] = []
        received_at: dict[int, float] = {}
        rtt, ce_packets = None, 0
        for number, sent, packet in sorted(self._still_open(reports, received=True), key=itemgetter(0)):
            if self._close(number):
                arrived.append(number)
                ce_packets += packet.ecn == CE
                if packet.age is not None:
                    received_at[number] = reported_at - packet.age
                    rtt = max(now - sent.at - packet.age, AGE_UNIT)  # not less than the unit of the ages can tell
        self._newest = max([self._newest, *arrived])
        for number, _, _ in self._still_open(reports, received=False):
            self._missing.setdefault(number, reported_at)
        lost = sorted(
            number
            for number, since in self._missing.items()
            if number + _REORDERING <= self._newest and reported_at >= since + _LATENESS
        )
        for number in lost:
            self._declare_lost(number, now=now)
        return Settled(arrived, lost, rtt, ce_packets, received_at, late, spurious_since)

    def give_up(self, *, now: float) -> list[int]:
        """Packets that left too long ago to be told of, because reports got lost or nothing arrives any more."""
        lost = []
        for number, sent in self._open.items():
            if sent.at + GIVE_UP > now:
                break
            lost.append(number)
        for number in lost:
            self._declare_lost(number, now=now)
        return lost

    def give_up_at(self) -> float | None:
        """When `give_up` has something to say, if no report comes before."""
        for sent in self._open.values():
            return sent.at + GIVE_UP
        return None

    def _still_open(
        self, reports: list[tuple[int, PacketReport]], *, received: bool
    ) -> Iterator[tuple[int, _Sent, PacketReport]]:
        for ssrc, packet in reports:
            number = self._numbers.get((ssrc, packet.sequence))
            if number is not None and packet.received == received:
                yield number, self._open[number], packet

    def _refuse_impossible(self, reports: list[tuple[int, PacketReport]], *, now: float) -> None:
        for ssrc, packet in reports:
            if packet.received and not self._has_left(ssrc, packet.sequence):
                raise Malformed(f"SSRC {ssrc}: packet {packet.sequence} came and never left")
        for _, sent, packet in self._still_open(reports, received=True):
            if packet.age is not None and now - packet.age < sent.at - AGE_UNIT:
                raise Malformed(f"SSRC {sent.ssrc}: packet {packet.sequence} came before it left")

    def _take_late(self, reports: list[tuple[int, PacketReport]], *, now: float) -> tuple[int, float | None]:
        """How many packets came that had been declared lost, and since when all of these losses were none."""
        self._suspects.forget(until=now - GIVE_UP)
        self._prune_lost()
        came = {(ssrc, packet.sequence) for ssrc, packet in reports if packet.received}
        numbers = [self._lost.pop(name) for name in came & self._lost.keys()]
        late = self._suspects.take(range(number, number + 1) for number in numbers)
        return len(late), self._suspects.episode_at if late and not self._suspects else None

    def _declare_lost(self, number: int, *, now: float) -> None:
        sent = self._open[number]
        self._suspects.add(number, sent.at, now=now)
        self._lost[sent.ssrc, sent.sequence] = number
        self._prune_lost()
        self._close(number)

    def _prune_lost(self) -> None:
        while self._lost and next(iter(self._lost.values())) not in self._suspects:
            del self._lost[next(iter(self._lost))]

    def _close(self, number: int) -> bool:
        """Settle a packet, unless it is settled: a report may name it twice."""
        self._missing.pop(number, None)
        sent = self._open.pop(number, None)
        if sent is None:
            return False
        if self._numbers.get((sent.ssrc, sent.sequence)) == number:
            del self._numbers[sent.ssrc, sent.sequence]
        return True

    def _has_left(self, ssrc: int, sequence: int) -> bool:
        newest, count = self._streams[ssrc]
        return (newest - sequence) & 0xFFFF < min(count, _HALF_SPACE)

    def _unwrap(self, ticks: int) -> int:
        """The time of a report in ticks that go on where 32 bits end. Reports may overtake each other."""
        before = self._report_ticks
        if before is None:
            before = ticks
        self._report_ticks = before + ((ticks - before + 2**31) & 0xFFFF_FFFF) - 2**31
        return self._report_ticks
