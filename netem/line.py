"""What most elements share: packets leave in the order they came, each at an instant known when it is pushed."""

from collections import deque

from glassbench.netem.element import Counts
from glassbench.netem.packet import Packet


class Line:
    """Packets on their way out. A subclass fills `_leaving`, by `push`, with packets whose `at` is their departure."""

    shortest = 0.0

    def __init__(self) -> None:
        self._leaving: deque[Packet] = deque()
        self.gone: list[Packet] = []
        self._pushed = 0
        self._popped = 0

    def pop(self, now: float) -> list[Packet]:
        leaving = self._leaving
        if not leaving or leaving[0].at > now:
            return []
        if leaving[-1].at <= now:
            packets = list(leaving)
            leaving.clear()
        else:
            packets = []
            while leaving[0].at <= now:
                packets.append(leaving.popleft())
        self._popped += len(packets)
        return packets

    def get_timer(self) -> float | None:
        return self._leaving[0].at if self._leaving else None

    def counts(self) -> Counts:
        counts = Counts()
        counts.pushed, counts.popped, counts.inside = self._pushed, self._popped, len(self._leaving)
        return counts
