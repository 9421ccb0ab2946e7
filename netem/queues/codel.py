"""CoDel: drops by the time packets have waited (RFC 8289)."""

import math
from typing import NamedTuple

from glassbench.netem.checks import positive
from glassbench.netem.packet import Packet
from glassbench.netem.queues.drop_tail import DropTail

NOT_ECT, CE = 0, 3  # RFC 3168

_MAX_PACKET_BYTES = 1500  # no drop while less than this waits (RFC 8289, section 5.4)


class _Head(NamedTuple):
    packet: Packet | None
    may_drop: bool  # the sojourn time has been above the target for at least an interval


class CoDel:
    """Keeps the standing queue near `target` seconds, measured over `interval` seconds (RFC 8289, section 5).

    With `ecn` an ECN-capable packet is marked CE and sent where another would be dropped (section 3.1 of RFC 8290 and
    RFC 3168). A packet that would make the queue longer than `limit_bytes` is dropped at the tail. `dropped` counts
    both kinds of drops, `marked` the CE marks.
    """

    def __init__(self, *, limit_bytes: int, target: float = 0.005, interval: float = 0.1, ecn: bool = False) -> None:
        self._fifo = DropTail(limit_bytes=limit_bytes)
        self.gone = self._fifo.gone
        self._target = positive("CoDel.target", target)
        self._interval = positive("CoDel.interval", interval)
        self._ecn = ecn
        self._dropping = False
        self._above_until: float | None = None  # the instant from which it may drop, None while below the target
        self._drop_next_at = 0.0
        self._count = 0  # drops since this dropping state began
        self._last_count = 0
        self._dropped = 0
        self.marked = 0

    @property
    def bytes(self) -> int:
        return self._fifo.bytes

    @property
    def dropped(self) -> int:
        return self._fifo.dropped + self._dropped

    def push(self, packet: Packet) -> None:
        self._fifo.push(packet)

    def pop(self, now: float) -> Packet | None:
        head = self._head(now)
        if self._dropping:
            self._dropping = head.may_drop
            while self._dropping and now >= self._drop_next_at:
                self._count += 1
                if self._mark(head.packet):
                    self._drop_next_at = self._control_law(self._drop_next_at)
                    break
                self._drop(head.packet)
                head = self._head(now)
                self._dropping = head.may_drop
                if self._dropping:
                    self._drop_next_at = self._control_law(self._drop_next_at)
        elif head.may_drop:
            if not self._mark(head.packet):
                self._drop(head.packet)
                head = self._head(now)
            self._dropping = True
            # Soon after the last dropping state, start near the drop rate that held the queue then.
            recent = now - self._drop_next_at < 16 * self._interval
            since_last = self._count - self._last_count
            self._count = since_last if since_last > 1 and recent else 1
            self._last_count = self._count
            self._drop_next_at = self._control_law(now)
        return head.packet

    def __len__(self) -> int:
        return len(self._fifo)

    def _head(self, now: float) -> _Head:
        """The next packet, and whether it may be dropped, because the queue has stood above the target for long
        enough."""
        packet = self._fifo.pop(now)
        if packet is None or now - packet.at < self._target or self._fifo.bytes <= _MAX_PACKET_BYTES:
            self._above_until = None
            return _Head(packet, False)
        if self._above_until is None:
            self._above_until = now + self._interval
            return _Head(packet, False)
        return _Head(packet, now >= self._above_until)

    def _drop(self, packet: Packet | None) -> None:
        self._dropped += 1
        if packet is not None:
            self.gone.append(packet)

    def _mark(self, packet: Packet | None) -> bool:
        if packet is None or not self._ecn or packet.ecn == NOT_ECT:
            return False
        packet.ecn = CE
        self.marked += 1
        return True

    def _control_law(self, at: float) -> float:
        return at + self._interval / math.sqrt(self._count)
