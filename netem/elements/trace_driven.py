"""A link whose capacity follows a trace."""

from glassbench.netem.element import Counts
from glassbench.netem.elements.bottleneck import Bottleneck
from glassbench.netem.line import Line
from glassbench.netem.packet import Packet
from glassbench.netem.queues.queue import Queue
from glassbench.netem.replay import ReplayedOpportunities, ReplayedRates
from glassbench.netem.schedule import OPPORTUNITY_BYTES


def trace_driven(capacity: ReplayedRates | ReplayedOpportunities, queue: Queue) -> "FluidLink | OpportunityLink":
    """The bottleneck with this capacity."""
    if isinstance(capacity, ReplayedRates):
        return FluidLink(capacity, queue)
    return OpportunityLink(capacity, queue)


class FluidLink(Bottleneck):
    """Serialises at the rate of a schedule."""

    def __init__(self, rates: ReplayedRates, queue: Queue) -> None:
        super().__init__(queue)
        self._rates = rates

    def departure(self, start: float, size_bytes: int) -> float:
        return self._rates.departure(start, size_bytes)


class OpportunityLink(Line):
    """Delivers at the opportunities of a schedule, as mahimahi's mm-link does (Netravali et al., USENIX ATC 2015).

    An opportunity carries up to 1504 bytes: several small packets, or a part of one, which leaves with the opportunity
    that carries its last byte. What an opportunity cannot fill is lost. At one instant opportunities come before
    arrivals, so that a packet waits for the next one even if the link is idle.
    """

    def __init__(self, opportunities: ReplayedOpportunities, queue: Queue) -> None:
        super().__init__()
        self.queue = queue
        self.gone = queue.gone
        self._opportunities = opportunities
        self._next = 0  # index of the first opportunity not yet spent or lost
        self._next_at = opportunities.opportunity_at(0)
        self._wire: Packet | None = None  # partly carried
        self._bytes_left = 0  # of the packet on the wire

    def push(self, packet: Packet) -> None:
        self._pushed += 1
        if self._next_at <= packet.at:
            self._spend_until(packet.at)
        self.queue.push(packet)

    def pop(self, now: float) -> list[Packet]:
        if self._next_at <= now:
            self._spend_until(now)
        return super().pop(now)

    def get_timer(self) -> float | None:
        if self._leaving:
            return self._leaving[0].at
        return self._next_at if self._wire is not None or len(self.queue) else None

    def counts(self) -> Counts:
        counts = super().counts()
        counts.dropped = self.queue.dropped
        counts.inside += len(self.queue) + (self._wire is not None)
        return counts

    def _spend_until(self, now: float) -> None:
        while self._next_at <= now and (self._wire is not None or len(self.queue)):
            self._spend(self._next_at)
            self._go_to(self._next + 1)
        if self._next_at <= now:  # nothing to send: all opportunities up to now are lost
            self._go_to(max(self._next, self._opportunities.passed(now)))
            while self._next_at <= now:  # moving to the time of the trace may have rounded one away
                self._go_to(self._next + 1)

    def _spend(self, at: float) -> None:
        room = OPPORTUNITY_BYTES
        while room:
            if self._wire is None:
                self._wire = self.queue.pop(at)
                if self._wire is None:
                    return
                self._bytes_left = self._wire.size_bytes
            carried = min(room, self._bytes_left)
            room -= carried
            self._bytes_left -= carried
            if not self._bytes_left:
                self._wire.at = at
                self._leaving.append(self._wire)
                self._wire = None

    def _go_to(self, index: int) -> None:
        self._next = index
        self._next_at = self._opportunities.opportunity_at(index)
