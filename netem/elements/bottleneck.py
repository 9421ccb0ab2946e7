"""The bottleneck: one packet at a time on the wire, the others in a queue."""

from glassbench.netem.element import Counts
from glassbench.netem.line import Line
from glassbench.netem.packet import Packet
from glassbench.netem.queues.queue import Queue


class Bottleneck(Line):
    """Serialises packets, which it pulls from its queue whenever the wire is free.

    A subclass says how long a packet takes. At one instant the end of a packet comes before the arrival of another, so
    that the latter finds the place in the queue free. A packet that leaves has been serialised completely: propagation
    is another element.
    """

    def __init__(self, queue: Queue) -> None:
        super().__init__()
        self.queue = queue
        self.gone = queue.gone
        self._wire: Packet | None = None  # its `at` is the end of its serialisation

    def departure(self, start: float, size_bytes: int) -> float:
        """When the last bit has left, if the first leaves at `start`."""
        raise NotImplementedError

    def push(self, packet: Packet) -> None:
        self._pushed += 1
        if self._wire is not None and self._wire.at <= packet.at:
            self._serialise(packet.at)
        self.queue.push(packet)
        if self._wire is None:
            self._pull(packet.at)

    def pop(self, now: float) -> list[Packet]:
        if self._wire is not None and self._wire.at <= now:
            self._serialise(now)
        return super().pop(now)

    def get_timer(self) -> float | None:
        if self._leaving:
            return self._leaving[0].at
        return None if self._wire is None else self._wire.at

    def counts(self) -> Counts:
        counts = super().counts()
        counts.dropped = self.queue.dropped
        counts.inside += len(self.queue) + (self._wire is not None)
        return counts

    def _serialise(self, now: float) -> None:
        while self._wire is not None and self._wire.at <= now:
            free_at = self._wire.at
            self._leaving.append(self._wire)
            self._pull(free_at)

    def _pull(self, start: float) -> None:
        packet = self._wire = self.queue.pop(start)
        if packet is not None:
            packet.at = self.departure(start, packet.size_bytes)
