"""How large a datagram the path carries: DPLPMTUD (RFC 8899) as RFC 9000 section 14.3 wants it. Sans-IO.

Nobody tells a sender the size that fits: ICMP may be filtered, and the network may not fragment. A connection begins
with the base, 1200 bytes, which every path has to carry, and asks for more by *probes*: packets of PING and PADDING
whose loss is no congestion and costs no data.

- *Search*: the largest size of this end first, which most paths carry; then halving what is left of the range, until
  the answer is known to 16 bytes. A size is too large when three probes of it are lost, on a path that is alive.
- *Black hole*: a path may carry less from some instant on (a handover, a tunnel). It is found by ordinary packets: of
  the large ones several are lost, before and after a smaller one that is acknowledged, and none is acknowledged. The
  outage of a link loses small ones too, and a full queue lets some large ones pass. Then the size is the base again,
  and is searched for anew, from the size that was in use.
- A size below the largest is questioned again every 600 s (PMTU_RAISE_TIMER).

All sizes are bytes of UDP payload.
"""

import math
from collections.abc import Iterable
from typing import NamedTuple

BASE_BYTES = 1200  # RFC 9000 section 14; aioquic accepts no less

_MAX_PROBES = 3  # RFC 8899 section 5.1.2
_RAISE_INTERVAL = 600.0  # RFC 8899 section 5.1.1, in seconds
_RESOLUTION = 16
_MIN_SUSPECTS = 3
_MAX_SUSPECTS = 64


class SentSize(NamedTuple):
    """A packet that was acknowledged or lost: its number and its size."""

    number: int
    size: int


class PathMtu:
    """One direction of one connection, from the handshake on. `size_bytes` is what a datagram may have at most."""

    def __init__(self, most_bytes: int) -> None:
        self.size_bytes = BASE_BYTES
        self.probes = 0
        self.black_holes = 0
        self._most = most_bytes
        self._ceiling = most_bytes  # of the search that is on
        self._too_large = math.inf  # the least size that did not pass in this search
        self._searched_until = math.inf  # when the search that has ended is begun again
        self._probe: SentSize | None = None  # in flight
        self._lost_probes = 0  # in a row, of one size
        self._alive = True  # a packet was acknowledged since the last probe was lost
        self._passed: dict[int, int] = {}  # by size over the base: the newest packet that was acknowledged
        self._suspects: list[SentSize] = []  # lost, and none of their size or more was acknowledged after them
        self._witness: int | None = None  # a smaller packet, acknowledged, after the first suspects

    def probe_bytes(self, *, now: float) -> int | None:
        """The size of the probe that should be sent now; None if there is nothing to ask."""
        if now >= self._searched_until:
            self._search(self._most)
        if self._probe is not None or not self._alive or self._searched_until < math.inf:
            return None
        return self._next()

    def on_probe_sent(self, number: int, size: int) -> None:
        """The packet of this number is the probe that was asked for."""
        self.probes += 1
        self._probe = SentSize(number, size)

    def is_probe(self, number: int) -> bool:
        """Whether the packet of this number is the probe in flight."""
        return self._probe is not None and self._probe.number == number

    def on_packets(self, acked: Iterable[SentSize], lost: Iterable[SentSize], *, now: float) -> None:
        """What an ACK or a timer settled, each packet once."""
        for packet in lost:
            if self.is_probe(packet.number):
                self._on_probe_lost(now=now)
            elif BASE_BYTES < packet.size <= self.size_bytes and not self._passed_after(packet):
                self._suspects = [*self._suspects[1 - _MAX_SUSPECTS :], packet]
        newest = -1
        for packet in acked:
            newest = max(newest, packet.number)
            if packet.size > BASE_BYTES:
                self._passed[packet.size] = packet.number
            if self.is_probe(packet.number):
                self._on_probe_acked(packet.size, now=now)
        if newest >= 0:
            self._alive = True
            if self._suspects:
                self._judge(newest)

    def _judge(self, newest: int) -> None:
        """A packet was acknowledged while larger ones are missing: is it by their size?"""
        self._suspects = [packet for packet in self._suspects if not self._passed_after(packet)]
        if not self._suspects:
            self._witness = None
        elif self._witness is None:
            if self._suspects[0].number < newest:
                self._witness = newest
        elif len(self._suspects) >= _MIN_SUSPECTS and self._witness < self._suspects[-1].number < newest:
            self.black_holes += 1
            ceiling, self.size_bytes = self.size_bytes, BASE_BYTES
            self._search(ceiling)

    def _passed_after(self, lost: SentSize) -> bool:
        return any(size >= lost.size and number > lost.number for size, number in self._passed.items())

    def _search(self, ceiling: int) -> None:
        self._ceiling = ceiling
        self._too_large = self._searched_until = math.inf
        self._lost_probes = 0
        self._probe = None
        self._passed.clear()
        self._suspects.clear()
        self._witness = None

    def _next(self) -> int | None:
        """The size to ask for next; None when the search is over."""
        if self._too_large == math.inf:
            return self._ceiling if self._ceiling > self.size_bytes else None
        between = (self.size_bytes + int(self._too_large)) // 2
        return between if between - self.size_bytes >= _RESOLUTION / 2 else None

    def _on_probe_acked(self, size: int, *, now: float) -> None:
        self._probe = None
        self._lost_probes = 0
        self.size_bytes = max(self.size_bytes, size)
        self._end_search(now=now)

    def _on_probe_lost(self, *, now: float) -> None:
        assert self._probe is not None
        size, self._probe = self._probe.size, None
        self._alive = False
        self._lost_probes += 1
        if self._lost_probes >= _MAX_PROBES:
            self._lost_probes = 0
            self._too_large = size
            self._end_search(now=now)

    def _end_search(self, *, now: float) -> None:
        if self._next() is None:
            self._searched_until = math.inf if self.size_bytes >= self._most else now + _RAISE_INTERVAL
            self._ceiling = self.size_bytes
            self._too_large = math.inf
