"""Slow start after an outage. Sans-IO.

When a link comes back, all that waited for it arrives at once. That looks like a fast link, and may be one short burst
between two outages: on a recorded drive, pictures that were sent on the strength of it waited for up to fourteen
seconds. So little leaves at first, and twice as much each round trip, as a window restarts after idle (RFC 5681 section
4.1).
"""

import math

from glassbench.transport.congestion.controller import SentPacket

_OUTAGE = 0.300  # seconds: a link that works is sooner done with a packet
_FIRST_BYTES = 4400  # two small pictures


class SlowRestart:
    """`room_bytes` is how much may be in flight: infinite, unless there was an outage."""

    def __init__(self) -> None:
        self.room_bytes = math.inf
        self._since = -math.inf

    def on_arrival(self, packet: SentPacket, *, waited: float, enough_bytes: float, now: float) -> None:
        """A packet arrived that was the next one at the link for `waited` seconds. Slow start ends when `enough_bytes`
        may be in flight: what the link is believed to carry in a round trip."""
        if _OUTAGE < waited < math.inf:
            self.room_bytes = _FIRST_BYTES
            self._since = now
        elif packet.at >= self._since:
            self.room_bytes += packet.size_bytes
            if self.room_bytes > enough_bytes:
                self.room_bytes = math.inf
