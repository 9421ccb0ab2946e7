"""What became of the packets that left, as congestion control feedback tells it: each is settled once.

A packet is lost if a report had it missing, a report of 10 ms later does not have it either, and one that left three
packets later has come. So neither the end of a frame makes a late packet a lost one, nor does it matter whether the
later report goes back so far. What no report tells of is lost after a second. A loss whose packet comes within another
second was none.
"""

from collections.abc import Collection, Iterable
from operator import attrgetter
from typing import NamedTuple

from glassbench.transport.congestion.suspects import Suspects
from glassbench.transport.framing import Malformed
from glassbench.transport.rtp.arrivals import AGE_UNIT, CE

GIVE_UP = 1.0  # seconds after which a packet of which no report tells counts as lost
_REORDERING = 3  # packets that left later and came; RFC 9002's kPacketThreshold
_LATENESS = 0.01  # seconds for which a missing packet may be a late one: twice what a receiver waits before it asks


class Arrived(NamedTuple):
    """A packet that came, by its number. `age` is in seconds before the report, None if it is not known."""

    number: int
    age: float | None
    ecn: int = 0


class ArrivalReport(NamedTuple):
    """What one report says, in whatever format it came. It tells of the numbers in `told`: those that are not in
    `arrived` are missing. `at` is its instant in ticks of the peer's clock, which has 32 bits."""

    arrived: list[Arrived]
    told: Collection[int]
    at: int


class Settled(NamedTuple):
    """What one report says of packets of which nothing was known, by their numbers.

    `rtt`: seconds that the newest of the arrived took there and its report back, None if that is not to be had.
    `received_at`: seconds of the receiver's clock. `late` packets had been declared lost; if there is a
    `spurious_since`, all that were from then on have come.
    """

    arrived: list[int]
    lost: list[int]
    rtt: float | None
    ce_packets: int
    received_at: dict[int, float]
    late: int = 0
    spurious_since: float | None = None


class Books:
    """Packets of all streams in one row, numbered as they left. The clock of reports has `clock_hz` ticks a second."""

    def __init__(self, clock_hz: int) -> None:
        self._clock_hz = clock_hz
        self._count = 0
        self._open: dict[int, float] = {}  # when they left, in that order
        self._missing: dict[int, float] = {}  # of the open ones: the time of the first report that had them missing
        self._suspects = Suspects()
        self._newest = -1  # the number of the newest packet that arrived
        self._report_ticks: int | None = None  # the time of the last report, which does not wrap

    def on_sent(self, *, now: float) -> int:
        """A packet leaves: its number, which is the count of those before it."""
        number = self._count
        self._count += 1
        self._open[number] = now
        return number

    def settle(self, report: ArrivalReport, *, now: float) -> Settled:
        """Take a report. Raises Malformed, without any change, if it says that a packet came before it left."""
        self._refuse_impossible(report.arrived, now=now)
        late, spurious_since = self._take_late(report.arrived, now=now)
        reported_at = self._unwrap(report.at) / self._clock_hz
        arrived: list[int] = []
        received_at: dict[int, float] = {}
        rtt, ce_packets = None, 0
        for number, age, ecn in sorted(report.arrived, key=attrgetter("number")):
            sent_at = self._close(number)
            if sent_at is not None:
                arrived.append(number)
                ce_packets += ecn == CE
                if age is not None:
                    received_at[number] = reported_at - age
                    rtt = max(now - sent_at - age, AGE_UNIT)  # not less than the unit of the ages can tell
        self._newest = max([self._newest, *arrived])
        for number in self._still_open(report.told):
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
        for number, sent_at in self._open.items():
            if sent_at + GIVE_UP > now:
                break
            lost.append(number)
        for number in lost:
            self._declare_lost(number, now=now)
        return lost

    def give_up_at(self) -> float | None:
        """When `give_up` has something to say, if no report comes before."""
        for sent_at in self._open.values():
            return sent_at + GIVE_UP
        return None

    def _still_open(self, told: Collection[int]) -> list[int]:
        """Those that are not settled. A report may tell of far more packets than have left."""
        if len(told) > len(self._open):
            return [number for number in self._open if number in told]
        return [number for number in told if number in self._open]

    def _refuse_impossible(self, arrived: Iterable[Arrived], *, now: float) -> None:
        for number, age, _ in arrived:
            sent_at = self._open.get(number)
            if sent_at is not None and age is not None and now - age < sent_at - AGE_UNIT:
                raise Malformed(f"packet {number} came before it left")

    def _take_late(self, arrived: Iterable[Arrived], *, now: float) -> tuple[int, float | None]:
        """How many packets came that had been declared lost, and since when all of these losses were none."""
        self._suspects.forget(until=now - GIVE_UP)
        numbers = {number for number, _, _ in arrived if number in self._suspects}
        late = self._suspects.take(range(number, number + 1) for number in sorted(numbers))
        return len(late), self._suspects.episode_at if late and not self._suspects else None

    def _declare_lost(self, number: int, *, now: float) -> None:
        sent_at = self._close(number)
        if sent_at is not None:
            self._suspects.add(number, sent_at, now=now)

    def _close(self, number: int) -> float | None:
        """Settle a packet: when it left. None if it is settled, as a report may name it twice."""
        self._missing.pop(number, None)
        return self._open.pop(number, None)

    def _unwrap(self, ticks: int) -> int:
        """The time of a report in ticks that go on where 32 bits end. Reports may overtake each other."""
        before = self._report_ticks
        if before is None:
            before = ticks
        self._report_ticks = before + ((ticks - before + 2**31) & 0xFFFF_FFFF) - 2**31
        return self._report_ticks
