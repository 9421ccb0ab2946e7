"""The formats of congestion control feedback, one line each in `FORMATS`: what the receiver reports, how packets are
named in it, and what the session description says.

`rfc8888` names packets by SSRC and sequence number, as they are on the wire. `twcc` names them by a number that a
header extension carries: all packets that leave have one row, whatever their SSRC.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from glassbench.transport.framing import Malformed
from glassbench.transport.rtp import ccfb, rtcp, twcc
from glassbench.transport.rtp.arrivals import Arrival, Arrivals
from glassbench.transport.rtp.books import GIVE_UP, ArrivalReport, Arrived
from glassbench.transport.rtp.packet import (
    HEADER,
    TRANSPORT_SEQUENCE_BYTES,
    TRANSPORT_SEQUENCE_ID,
    TRANSPORT_SEQUENCE_URI,
    RtpPacket,
    ntp,
    parse_transport_sequence,
    with_transport_sequence,
)

FormatName = Literal["rfc8888", "twcc"]
DEFAULT_FORMAT: FormatName = "rfc8888"

_HALF_SPACE = 2**15  # of sequence numbers: what is further away is ahead
_ALL = 0  # the one row of all packets, among the streams of arrivals


class ReportMaker(ABC):
    """The receiver's half: it hears of packets and makes reports."""

    def __init__(self, arrivals: Arrivals) -> None:
        self._arrivals = arrivals

    @property
    def report_at(self) -> float | None:
        """When a report is due, None if there is nothing to tell."""
        return self._arrivals.report_at

    @abstractmethod
    def add(self, packet: RtpPacket, ecn: int, *, now: float) -> None:
        """A packet of the session came."""

    @abstractmethod
    def take(self, ssrc: int, media: int, *, now: float) -> bytes:
        """The RTCP packet that is due, of the sender `ssrc`, about the source `media`."""


class PacketNames(Protocol):
    """The sender's half: packets are numbered from 0 as they leave, and reports give them names of their own."""

    def send(self, packet: bytes, number: int, *, now: float) -> bytes:
        """The packet of this number as it leaves."""

    def read(self, item: rtcp.Item) -> ArrivalReport | None:
        """What a report says, None if it is not one of this format on packets of ours. Raises Malformed if it says that
        a packet came which never left."""


@dataclass(frozen=True, slots=True)
class FeedbackFormat:
    """One format. `overhead_bytes` is what it adds to a packet at most, `clock_hz` the ticks a second in which a report
    has its instant. `has_marks`: it tells of ECN marks. `sdp` has the attributes of a media description."""

    make_reports: Callable[[Arrivals], ReportMaker]
    make_names: Callable[[], PacketNames]
    overhead_bytes: int
    clock_hz: int
    has_marks: bool
    sdp: tuple[str, ...]


class StreamReportMaker(ReportMaker):
    """RFC 8888 at the receiver."""

    def add(self, packet: RtpPacket, ecn: int, *, now: float) -> None:
        self._arrivals.add(packet.ssrc, Arrival(packet.sequence, now, ecn))

    def take(self, ssrc: int, media: int, *, now: float) -> bytes:
        body = ccfb.pack(self._arrivals.take(), rtcp.middle(ntp(now)), now=now)
        return rtcp.congestion_feedback(ssrc, body)


class TransportReportMaker(ReportMaker):
    """TWCC at the receiver. A packet without the header extension is not told of."""

    def __init__(self, arrivals: Arrivals) -> None:
        super().__init__(arrivals)
        self._count = 0

    def add(self, packet: RtpPacket, ecn: int, *, now: float) -> None:
        sequence = parse_transport_sequence(packet.extension)
        if sequence is not None:
            self._arrivals.add(_ALL, Arrival(sequence, now, 0))

    def take(self, ssrc: int, media: int, *, now: float) -> bytes:
        body = twcc.pack(self._arrivals.take()[_ALL], self._count)
        self._count += 1
        return rtcp.transport_feedback(ssrc, media, body)


class StreamNames:
    """RFC 8888 at the sender: retransmissions have SSRC and sequence numbers of their own (RFC 4588), so they are named
    as media are."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[int, int], tuple[int, float]] = {}  # with when it left, in that order
        self._streams: dict[int, tuple[int, int]] = {}  # by SSRC: the newest sequence number, and how many have left

    def send(self, packet: bytes, number: int, *, now: float) -> bytes:
        _, _, sequence, _, ssrc = HEADER.unpack_from(packet)
        self._numbers.pop((ssrc, sequence), None)
        self._numbers[ssrc, sequence] = number, now
        self._streams[ssrc] = sequence, self._streams.get(ssrc, (0, 0))[1] + 1
        self._forget(now - 2 * GIVE_UP)
        return packet

    def read(self, item: rtcp.Item) -> ArrivalReport | None:
        if not isinstance(item, rtcp.CongestionFeedback):
            return None
        arrived, told, is_ours = [], set(), False
        for stream in item.streams:
            if stream.ssrc not in self._streams:
                continue
            newest, count = self._streams[stream.ssrc]
            for packet in stream.packets:
                is_ours = True
                if packet.received and not _has_left(packet.sequence, newest, count):
                    raise Malformed(f"SSRC {stream.ssrc}: packet {packet.sequence} came and never left")
                number, _ = self._numbers.get((stream.ssrc, packet.sequence), (None, 0.0))
                if number is not None:
                    told.add(number)
                    if packet.received:
                        arrived.append(Arrived(number, packet.age, packet.ecn))
        return ArrivalReport(arrived, told, item.at) if is_ours else None

    def _forget(self, before: float) -> None:
        """What left before that instant is settled for good."""
        while self._numbers:
            name, (_, sent_at) = next(iter(self._numbers.items()))
            if sent_at >= before:
                break
            del self._numbers[name]


class TransportNames:
    """TWCC at the sender: the number of a packet, modulo 2**16, is its transport-wide sequence number."""

    def __init__(self) -> None:
        self._newest = -1

    def send(self, packet: bytes, number: int, *, now: float) -> bytes:
        self._newest = number
        return with_transport_sequence(packet, number & 0xFFFF)

    def read(self, item: rtcp.Item) -> ArrivalReport | None:
        """The instant of a report is not in it: that of its newest arrival stands for it, and the ages count from
        there. So the round trip of that packet holds the time for which the report waited, as libwebrtc's does."""
        if not isinstance(item, rtcp.TransportFeedback):
            return None
        report, count = item.report, self._newest + 1
        first = self._number(report.base)
        arrived = []
        newest = max([_ahead(tick, report.reference) for _, tick in report.arrived], default=0)
        for place, tick in report.arrived:
            sequence = (report.base + place) & 0xFFFF
            if not _has_left(sequence, self._newest, count):
                raise Malformed(f"packet {sequence} of the transport came and never left")
            age = (newest - _ahead(tick, report.reference)) / twcc.TICKS
            arrived.append(Arrived(self._number(sequence), age))
        told = range(first, first + report.statuses)
        return ArrivalReport(arrived, told, (report.reference + newest) & 0xFFFF_FFFF)

    def _number(self, sequence: int) -> int:
        """The newest number that this may be."""
        return self._newest - ((self._newest - sequence) & 0xFFFF)


def _has_left(sequence: int, newest: int, count: int) -> bool:
    """Whether a sequence number is one of the last of `count` packets."""
    return (newest - sequence) & 0xFFFF < min(count, _HALF_SPACE)


def _ahead(tick: int, reference: int) -> int:
    """How far an instant of 32 bits is from another."""
    return (tick - reference + 2**31 & 0xFFFF_FFFF) - 2**31


FORMATS: dict[FormatName, FeedbackFormat] = {
    "rfc8888": FeedbackFormat(
        *(StreamReportMaker, StreamNames, 0, 65536),
        has_marks=True,
        sdp=("rtcp-fb:* ack ccfb",),  # section 6: for all payload types, or none
    ),
    "twcc": FeedbackFormat(
        *(TransportReportMaker, TransportNames, TRANSPORT_SEQUENCE_BYTES, twcc.TICKS),
        has_marks=False,
        sdp=(f"extmap:{TRANSPORT_SEQUENCE_ID} {TRANSPORT_SEQUENCE_URI}", "rtcp-fb:* transport-cc"),
    ),
}
