"""Frames in the RTP streams of other senders: boundaries from the timestamps, time from the media clock."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from transport.rtp import h264
from transport.rtp.packet import CLOCK_RATE

if TYPE_CHECKING:
    from transport.rtp.frames import Building

_MAX_NEIGHBOURS = 8192


class Boundaries:
    """Finds where frames begin and end: where the timestamp changes between neighbouring sequence numbers."""

    def __init__(self) -> None:
        self._timestamps: dict[int, int] = {}  # by extended sequence number

    def note(self, building: "Building", sequence: int, others: Mapping[int, "Building"]) -> bool:
        """A packet of `building` arrived. True if it shows that this packet, or the one after it, begins a frame."""
        timestamps = self._timestamps
        timestamps[sequence] = building.timestamp
        if len(timestamps) > _MAX_NEIGHBOURS:
            del timestamps[next(iter(timestamps))]
        before, after = timestamps.get(sequence - 1), timestamps.get(sequence + 1)
        found = False
        if before is not None and before != building.timestamp:
            found = True
            building.first = sequence
            if before in others:
                others[before].last = sequence - 1
        elif sequence == building.lowest and h264.begins_access_unit(building.packets[sequence]):
            building.first = sequence
        if after is not None and after != building.timestamp:
            found = True
            building.last = sequence
            if after in others:
                others[after].first = sequence + 1
        return found

    def forget_before(self, sequence: int) -> None:
        """No packet below `sequence` will arrive."""
        for old in [s for s in self._timestamps if s < sequence]:
            del self._timestamps[old]


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
