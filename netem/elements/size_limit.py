"""A smaller MTU somewhere on the path, of which nobody is told: from an instant on, larger packets are dropped."""

import math

from glassbench.netem.checks import positive
from glassbench.netem.element import Counts
from glassbench.netem.line import Line
from glassbench.netem.packet import Packet


class SizeLimit(Line):
    """Drops packets of more than `largest_bytes`, headers included, that reach it at `start_at` or later.

    A black hole as of RFC 4821: with fragmentation forbidden and ICMP filtered, the sender only sees its loss.
    """

    def __init__(self, largest_bytes: float, start_at: float = -math.inf) -> None:
        super().__init__()
        self._largest_bytes = positive("SizeLimit.largest_bytes", largest_bytes)
        self._start_at = start_at
        self._dropped = 0

    def push(self, packet: Packet) -> None:
        self._pushed += 1
        if packet.at >= self._start_at and packet.size_bytes > self._largest_bytes:
            self._dropped += 1
            self.gone.append(packet)
        else:
            self._leaving.append(packet)

    def counts(self) -> Counts:
        counts = super().counts()
        counts.dropped = self._dropped
        return counts
