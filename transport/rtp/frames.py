"""Packets back into frames at the RTP receiver: when a frame is whole, which frames will never be.

Packets of one frame share a timestamp. Our own senders give the first packet the frame's identity and the last the
marker bit, so a frame is whole when all between them is there, whatever came in between. Streams of other senders
have no identity: `transport/rtp/foreign.py` finds their boundaries, and they are delivered in order and numbered here.
"""

from bisect import insort
from collections import Counter, deque

from glassbench.transport.contract import Event, Frame, FrameLost, FrameReceived
from glassbench.transport.framing import Malformed
from glassbench.transport.rtp.foreign import MAX_HELD_BYTES, PACKET_OVERHEAD_BYTES, AccessUnit, AccessUnits, MediaClock
from glassbench.transport.rtp.packet import FrameInfo, RtpPacket
from glassbench.transport.rtp.session import TrackTypes

_MAX_BUILDING = 256  # frames begun and not whole
_MAX_GAP = 3000  # frames ahead that are believed at once, and reported lost at once


class Building:
    """A frame that has begun to arrive. `first` and `last` are set once its boundaries are known.

    A dead one stays for a while, so that the rest of its packets does not look like a new frame.
    """

    __slots__ = (
        "dead", "first", "first_arrival_at", "held", "highest", "info", "last", "last_arrival_at", "lowest", "packets",
        "timestamp",
    )  # fmt: skip

    def __init__(self, timestamp: int, sequence: int, now: float) -> None:
        self.timestamp = timestamp
        self.first: int | None = None
        self.last: int | None = None
        self.lowest = sequence
        self.highest = sequence
        self.info: FrameInfo | None = None
        self.packets: dict[int, bytes] = {}
        self.held = 0
        self.first_arrival_at = now
        self.last_arrival_at = now
        self.dead = False


class Frames:
    """The frames of one track. `add` takes placed packets; `settle` and `give_up` what became of the missing ones.

    A frame is lost as soon as a packet that it is known to need is given up, else when all packets before the first of
    a later frame are settled and it is not whole. Every frame is delivered or lost once.
    """

    def __init__(self, types: TrackTypes, events: deque[Event], stats: Counter[str]) -> None:
        self._track = types.track
        self._format = types.payload_format
        self._events = events
        self._stats = stats
        self._next = 0  # all frames before this one are delivered or lost
        self._decided: dict[int, None] = {}  # so are these after it
        self._jump = -1
        self._is_identified: bool | None = None  # whether the sender is one of ours; not known at first
        self._group = -1  # of a foreign stream
        self.began_at: int | None = None  # first packet of the stream once it is known; taken by the owner
        self.captured_at: float | None = None  # of the newest frame that began, if its sender says
        self.restart()

    def restart(self) -> None:
        """The source changed: its sequence numbers and timestamps have nothing to do with those before."""
        self._building: dict[int, Building] = {}  # by timestamp, oldest first
        self._unidentified: dict[int, Building] = {}  # those whose first packet is not here
        self._held_bytes = 0
        self._starts: list[tuple[int, int]] = []  # first packet and sequence of frames with unsettled packets before
        self._units = AccessUnits(self._format)  # of a stream that is not ours, or may be
        self._clock = MediaClock()

    def add(self, sequence: int, packet: RtpPacket, info: FrameInfo | None, frontier: int, *, now: float) -> None:
        """A new packet at its extended sequence number. All below `frontier` is settled."""
        if self._is_identified is False:
            self._stats["malformed"] += info is not None
            self._units.add(sequence, packet, now=now)
        else:
            self._add_ours(sequence, packet, info, now=now)
        self.settle(frontier, now=now)

    def _add_ours(self, sequence: int, packet: RtpPacket, info: FrameInfo | None, *, now: float) -> None:
        """A packet of a sender that is one of ours, or may be."""
        building = self._building.get(packet.timestamp)
        if building is None:
            building = self._begin(packet.timestamp, sequence, now=now)
        elif sequence > building.highest:
            building.highest = sequence
        elif sequence < building.lowest:
            building.lowest = sequence
        if info is not None and not self._identify(building, sequence, info):
            self._stats["malformed"] += 1
            if building.info is None and not building.dead:
                self._kill(building)
        if building.dead:
            return
        size = len(packet.payload) + PACKET_OVERHEAD_BYTES
        building.packets[sequence] = packet.payload
        building.held += size
        building.last_arrival_at = now
        self._held_bytes += size
        if packet.marker:
            building.last = sequence
        if self._is_identified is None:
            self._ask_whose(sequence, packet, now=now)
        elif building.last is not None and building.info is not None and _is_whole(building):
            self._discard(building)
            parts = [building.packets[i] for i in range(building.lowest, building.highest + 1)]
            self._deliver(building.info, parts, building.first_arrival_at, building.last_arrival_at, now=now)
        while self._held_bytes > MAX_HELD_BYTES:
            self._discard(next(iter(self._building.values())))

    def give_up(self, sequences: list[int], *, now: float) -> None:
        """These packets will not come: the frames that are known to need them are lost now."""
        for building in self._building.values():
            if building.info is None or building.first is None:
                continue
            if not building.dead and any(building.first < s <= building.highest for s in sequences):
                self._kill(building)
                self._lose(building.info.sequence, now=now)

    def settle(self, frontier: int, *, now: float) -> None:
        """All packets below `frontier` arrived or were given up."""
        if self._is_identified is False:
            self._settle_foreign(frontier, now=now)
        while self._starts and (self._starts[0][0] <= frontier or len(self._starts) > _MAX_GAP):
            start, sequence = self._starts.pop(0)
            for earlier in range(max(self._next, sequence - _MAX_GAP), sequence):
                self._lose(earlier, now=now)
            self._advance(sequence)
            for building in [b for b in self._building.values() if b.highest < start]:
                self._discard(building)
        if self._unidentified and self._is_identified:
            # The first packet of such a frame will not come once all before it is settled. Which frame it is does not
            # matter: the first undecided one is either this or before it, so that one is lost.
            for building in [b for b in self._unidentified.values() if b.lowest <= frontier]:
                self._kill(building)
                self._lose(self._next, now=now)

    def _begin(self, timestamp: int, sequence: int, *, now: float) -> Building:
        if len(self._building) >= _MAX_BUILDING:
            self._discard(next(iter(self._building.values())))
        building = self._building[timestamp] = self._unidentified[timestamp] = Building(timestamp, sequence, now)
        return building

    def _discard(self, building: Building) -> None:
        del self._building[building.timestamp]
        self._unidentified.pop(building.timestamp, None)
        self._held_bytes -= building.held

    def _kill(self, building: Building) -> None:
        self._unidentified.pop(building.timestamp, None)
        self._held_bytes -= building.held
        building.dead = True
        building.held = 0
        building.packets = {}

    def _identify(self, building: Building, sequence: int, info: FrameInfo) -> bool:
        """Take what a first packet says of its frame; False if that cannot be."""
        if self._is_identified is False or building.info is not None or building.dead:
            return False
        if info.sequence < self._next or info.sequence in self._decided:
            return False
        if info.sequence - self._next > _MAX_GAP and info.sequence != self._jump:
            self._jump = info.sequence + 1  # believed when the next frame confirms it, as in RFC 3550 A.1
            return False
        if self._is_identified is None:
            self._is_identified = True
            self._units = AccessUnits(self._format)
        building.first = sequence
        building.info = info
        del self._unidentified[building.timestamp]
        if self.captured_at is None or info.captured_at > self.captured_at:  # a repaired frame is an older one
            self.captured_at = info.captured_at
        insort(self._starts, (sequence, info.sequence))
        if info.sequence == 0:
            self.began_at = sequence
        return True

    def _deliver(
        self, info: FrameInfo, parts: list[bytes], first_arrival_at: float, complete_at: float, *, now: float
    ) -> None:
        try:
            payload = self._format.depacketize(parts)
        except Malformed:
            self._stats["malformed"] += 1
            self._lose(info.sequence, now=now)
            return
        if info.sequence < self._next or info.sequence in self._decided:
            return
        self._decide(info.sequence)
        self._stats["frames_received"] += 1
        self._events.append(FrameReceived(self._frame(info, payload), first_arrival_at, complete_at, now))

    def _frame(self, info: FrameInfo, payload: bytes) -> Frame:
        track = self._track
        return Frame(
            track=track.id,
            group=info.group,
            sequence=info.sequence,
            captured_at=info.captured_at,
            keyframe=info.keyframe,
            layer=info.layer,
            priority=track.priority + info.layer,
            expires_at=None if track.deadline is None else info.captured_at + track.deadline,
            payload=payload,
        )

    def _lose(self, sequence: int, *, now: float) -> None:
        if sequence >= self._next and sequence not in self._decided:
            self._decide(sequence)
            self._stats["frames_lost"] += 1
            self._events.append(FrameLost(self._track.id, sequence, now))

    def _decide(self, sequence: int) -> None:
        if sequence == self._next:
            self._advance(sequence + 1)
        else:
            self._decided[sequence] = None

    def _advance(self, sequence: int) -> None:
        """All frames before `sequence` are decided; and those after it that were decided already."""
        self._next = max(self._next, sequence)
        if self._decided:
            for decided in [s for s in self._decided if s < self._next]:
                del self._decided[decided]
            while self._next in self._decided:
                del self._decided[self._next]
                self._next += 1

    def _ask_whose(self, sequence: int, packet: RtpPacket, *, now: float) -> None:
        """Nothing has said yet whose sender this is. Where one frame begins next to another, a sender of ours would
        have said it."""
        self._units.add(sequence, packet, now=now)
        if self._units.turns_at(sequence):
            self._is_identified = False
            self.began_at = self._units.first
            self._building.clear()
            self._unidentified.clear()
            self._held_bytes = 0

    def _settle_foreign(self, frontier: int, *, now: float) -> None:
        """Deliver in order what is whole; a run of lost packets costs one number, however many frames it held."""
        for unit in self._units.settle(frontier):
            if unit.follows_loss:
                self._lose(self._next, now=now)
            self._deliver(self._numbered(unit), unit.payloads, unit.first_arrival_at, unit.arrived_at, now=now)

    def _numbered(self, unit: AccessUnit) -> FrameInfo:
        self._group += unit.is_keyframe or self._group < 0
        captured_at = self._clock.instant(unit.timestamp, unit.first_arrival_at)
        return FrameInfo(self._next, self._group, unit.is_keyframe, 0, captured_at)


def _is_whole(building: Building) -> bool:
    return (
        building.first == building.lowest
        and building.last == building.highest
        and len(building.packets) == building.highest - building.lowest + 1
    )
