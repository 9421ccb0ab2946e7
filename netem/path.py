"""A path: elements in a row, itself an element."""

from collections.abc import Sequence
from math import inf

from netem.element import Counts, Element
from netem.line import Line
from netem.packet import Packet


class Path(Line):
    """Moves packets from element to element: what leaves one at an instant reaches the next at that instant.

    Drive it like any element, in the order of time. `push` carries a packet as far as it gets at `packet.at`, so a path
    may be driven late: departures keep their logical times.
    """

    def __init__(self, elements: Sequence[Element]) -> None:
        super().__init__()
        self.elements = tuple(elements)
        self._verbs = [(element.push, element.pop, element.get_timer) for element in self.elements]
        self._timers = [inf] * len(self.elements)
        self._next_at = inf

    def push(self, packet: Packet) -> None:
        self._pushed += 1
        self._carry([packet], packet.at)

    def pop(self, now: float) -> list[Packet]:
        if self._next_at <= now:
            self._carry([], now)
        return super().pop(now) if self._leaving else []

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
        self._leaving.extend(packets)
        self._next_at = min(timers, default=inf)
