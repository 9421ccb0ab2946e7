"""Frames in the RTP streams of other senders: boundaries from the packets themselves, time from the media clock.

Some cameras set the marker bit where no picture ends, and give parameter sets a timestamp of their own or that of the
picture before. So the packets are read in order of sequence, and a new access unit begins where the old one has its
picture already and

- the timestamp changes, or
- a payload says that it can only stand before a picture, such as a parameter set of H.264.

A marker bit ends a unit at once if the unit has its picture. A sender that marks every slice is recognized at the
second one, and its markers are not believed any more.
"""

from glassbench.transport.framing import MAX_FRAME_BYTES
from glassbench.transport.rtp.packet import CLOCK_RATE, RtpPacket
from glassbench.transport.rtp.payload_format import PayloadFormat, Position

MAX_HELD_BYTES = 4 * MAX_FRAME_BYTES
PACKET_OVERHEAD_BYTES = 128  # a packet and its place in a dict: empty packets are not free


class AccessUnit:
    """What packets of one picture, or of one message, have brought so far. `whole`: nothing of it is missing yet."""

    __slots__ = (
        "arrived_at",
        "bytes",
        "first_arrival_at",
        "follows_loss",
        "has_picture",
        "is_keyframe",
        "payloads",
        "timestamp",
        "whole",
    )

    def __init__(self, packet: RtpPacket, arrived_at: float, *, whole: bool) -> None:
        self.timestamp = packet.timestamp
        self.whole = whole
        self.payloads: list[bytes] = []
        self.bytes = 0
        self.has_picture = self.is_keyframe = False
        self.first_arrival_at = self.arrived_at = arrived_at
        self.follows_loss = False

    def add(self, packet: RtpPacket, position: Position, arrived_at: float) -> None:
        """Take the next packet."""
        self.timestamp = packet.timestamp  # the picture's is the last one
        self.has_picture = self.has_picture or position.holds_picture
        self.is_keyframe = self.is_keyframe or position.is_keyframe
        self.first_arrival_at = min(self.first_arrival_at, arrived_at)
        self.arrived_at = max(self.arrived_at, arrived_at)
        self.bytes += len(packet.payload) + PACKET_OVERHEAD_BYTES
        self.payloads.append(packet.payload)
        self.whole = self.whole and self.bytes <= MAX_FRAME_BYTES
        if not self.whole:
            self.payloads.clear()
            self.bytes = 0


class AccessUnits:
    """Cuts the packets of one source into access units. `add` takes them in any order, `settle` reads in theirs."""

    def __init__(self, payload_format: PayloadFormat) -> None:
        self._format = payload_format
        self._held: dict[int, tuple[RtpPacket, float]] = {}  # by extended sequence number, with the arrival
        self.held_bytes = 0
        self._cursor: int | None = None  # all before it was read
        self._unit: AccessUnit | None = None
        self._is_after_gap = True  # what came before the next packet is not known
        self._has_lost = False  # something that was not delivered since the last unit that was
        self._delivers = False  # one was delivered
        self._trusts_marker = True
        self._ended: int | None = None  # timestamp of the unit that a marker has just ended
        self._over: int | None = None  # timestamp of a unit that ended too early: its rest is nothing

    @property
    def first(self) -> int:
        """The lowest sequence number that is held."""
        return min(self._held)

    def add(self, sequence: int, packet: RtpPacket, *, now: float) -> None:
        """Hold a packet until all before it are settled."""
        if self._cursor is not None and sequence < self._cursor:
            return
        self._held[sequence] = packet, now
        self.held_bytes += len(packet.payload) + PACKET_OVERHEAD_BYTES
        while self.held_bytes > MAX_HELD_BYTES:
            self._drop(next(iter(self._held)))

    def turns_at(self, sequence: int) -> bool:
        """Whether the timestamp changes right before or right after this packet."""
        timestamp = self._held[sequence][0].timestamp if sequence in self._held else None
        return any(
            neighbour in self._held and self._held[neighbour][0].timestamp != timestamp
            for neighbour in (sequence - 1, sequence + 1)
        )

    def settle(self, frontier: int) -> list[AccessUnit]:
        """Read on, since all packets below `frontier` arrived or were given up. The answer: units that are whole."""
        if self._cursor is None:
            if not self._held:
                return []
            self._cursor = self.first
        whole_units: list[AccessUnit] = []
        if frontier - self._cursor > len(self._held):  # a long gap is not walked through
            present = sorted(sequence for sequence in self._held if sequence < frontier)
        else:
            present = [sequence for sequence in range(self._cursor, frontier) if sequence in self._held]
        for sequence in present:
            if sequence != self._cursor:
                self._miss()
            packet, arrived_at = self._held[sequence]
            self._drop(sequence)
            self._cursor = sequence + 1
            if packet.payload:  # one of padding alone carries nothing, and its marker means nothing
                self._read(packet, arrived_at, whole_units)
                self._is_after_gap = False
        if frontier > self._cursor:
            self._cursor = frontier
            self._miss()
        return whole_units

    def _drop(self, sequence: int) -> None:
        packet, _ = self._held.pop(sequence)
        self.held_bytes -= len(packet.payload) + PACKET_OVERHEAD_BYTES

    def _miss(self) -> None:
        """Packets before the next one are lost."""
        self._is_after_gap = True
        self._has_lost = True
        if self._unit is not None:
            self._unit.whole = False

    def _read(self, packet: RtpPacket, arrived_at: float, whole_units: list[AccessUnit]) -> None:
        position = self._format.position(packet.payload)
        if self._is_rest(packet, position):
            return
        if self._unit is not None and _begins_next(self._unit, packet, position):
            self._end(self._unit, whole_units)
        unit = self._unit
        if unit is None:
            whole = not self._is_after_gap or position.begins_frame
            unit = self._unit = AccessUnit(packet, arrived_at, whole=whole)
        unit.add(packet, position, arrived_at)
        if packet.marker and unit.has_picture and self._trusts_marker:
            self._ended = unit.timestamp
            self._end(unit, whole_units)

    def _is_rest(self, packet: RtpPacket, position: Position) -> bool:
        """Whether the packet goes on with a picture that a marker has ended already."""
        is_next = packet.timestamp == self._ended and not self._is_after_gap
        if is_next and position.continues_picture:
            self._trusts_marker = False
            self._over = self._ended
        self._ended = None
        if self._over is not None and packet.timestamp != self._over:
            self._over = None
        return self._over is not None

    def _end(self, unit: AccessUnit, whole_units: list[AccessUnit]) -> None:
        self._unit = None
        if not unit.whole:
            self._has_lost = True
            return
        unit.follows_loss = self._has_lost and self._delivers
        self._has_lost = False
        self._delivers = True
        whole_units.append(unit)


def _begins_next(unit: AccessUnit, packet: RtpPacket, position: Position) -> bool:
    """Whether the packet is the first of another unit."""
    if packet.timestamp != unit.timestamp:
        return unit.has_picture or (not unit.whole and position.begins_frame)
    return unit.has_picture and position.precedes_picture


class MediaClock:
    """Capture times from RTP timestamps alone: they count from the arrival of the first frame, so only their
    differences mean something."""

    def __init__(self) -> None:
        self._instant: float | None = None
        self._timestamp = 0

    def instant(self, timestamp: int, arrival_at: float) -> float:
        """Seconds, a whole number of microseconds, for the next frame in order."""
        if self._instant is None:
            self._instant = arrival_at
        else:
            step = (timestamp - self._timestamp) & 0xFFFF_FFFF
            self._instant += (step - 2**32 if step >= 2**31 else step) / CLOCK_RATE
        self._timestamp = timestamp
        return round(self._instant * 1e6) / 1e6
