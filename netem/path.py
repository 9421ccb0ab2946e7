"""A path: elements in a row. It is an element itself."""

from collections.abc import Sequence
from math import inf
from operator import add

from glassbench.netem.element import Counts, Element
from glassbench.netem.line import Line
from glassbench.netem.packet import Packet


class Path(Line):
    """Moves packets from element to element: what leaves one at an instant reaches the next at that instant.

    Drive it like any element, in the order of time. `push` carries a packet as far as it gets at `packet.at`, so a path
    may be driven late: departures keep their logical times. That is used to wake up less often: `get_timer` is not the
    next change inside, but the earliest instant at which a packet can reach a queue or the end of the path.
    """

    def __init__(self, elements: Sequence[Element]) -> None:
        super().__init__()
        self.elements = tuple(elements)
        self._verbs = [(element.push, element.pop, element.get_timer) for element in self.elements]
        self._timers = [inf] * len(self.elements)
        self._beyond = [_beyond(self.elements[index + 1 :]) for index in range(len(self.elements))]
        self._next_at = inf
        self._gone = [element.gone for element in self.elements]
        self.shortest = sum(each.shortest for each in self.elements)

    def push(self, packet: Packet) -> None:
        self.push_all([packet])

    def push_all(self, packets: list[Packet]) -> None:
        """Packets that reach the path at one instant."""
        self._pushed += len(packets)
        self._carry(packets, packets[0].at)

    def pop(self, now: float) -> list[Packet]:
        if self._next_at <= now:
            self._carry([], now)
        return super().pop(now) if self._leaving else []

    def catch_up(self, now: float) -> None:
        """Bring the inside to `now`, for somebody who wants to look at it."""
        if min(self._timers, default=inf) <= now:
            self._carry([], now)

    def get_timer(self) -> float | None:
        if self._leaving:
            return self._leaving[0].at
        return None if self._next_at == inf else self._next_at

    def counts(self) -> Counts:
        """Of the whole path: pushed into it, popped out of it, and the sum of what its elements did in between."""
        counts = super().counts()
        for element in self.elements:
            part = element.counts()
            counts.dropped += part.dropped
            counts.lost += part.lost
            counts.duplicated += part.duplicated
            counts.inside += part.inside
        return counts

    def _carry(self, packets: list[Packet], now: float) -> None:
        timers = self._timers
        for index, (push, pop, get_timer) in enumerate(self._verbs):
            if packets:
                for packet in packets:
                    push(packet)
            elif timers[index] > now:
                continue
            packets = pop(now)
            timer = get_timer()
            timers[index] = inf if timer is None else timer
        if packets:
            self._leaving.extend(packets)
        if any(self._gone):
            for gone in self._gone:
                self.gone.extend(gone)
                gone.clear()
        self._next_at = min(map(add, timers, self._beyond), default=inf)


def _beyond(elements: Sequence[Element]) -> float:
    """The least time that a packet needs through `elements`. It is 0 if one of them has a queue, which the packet
    changes."""
    if any(hasattr(element, "queue") for element in elements):
        return 0.0
    return sum(element.shortest for element in elements)
