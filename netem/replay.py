"""A replay puts a schedule, which knows only the time of its trace, onto instants of a run.

The media begin at the instant `begins_at`, and the trace is replayed from its `start` on then. For `lead` seconds
before that it is replayed from the same `start`: a connection that begins ahead of the media meets the network as it is
where the trace begins, and not what stands before that or at the end of the trace. An interval is (start, end].
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from glassbench.netem.schedule import OpportunitySchedule, RateSchedule


@dataclass(frozen=True, slots=True)
class Replay:
    """`begins_at` is an instant, `start` is in seconds from the start of the trace, `lead` in seconds."""

    begins_at: float
    start: float = 0.0
    lead: float = 0.0

    def position(self, at: float) -> float:
        """Where the trace is at an instant, in seconds from its start. A trace that repeats does not begin at 0
        again."""
        since = at - self.begins_at
        return self.start + (since if since >= 0 else since + self.lead)

    def positions(self, start: float, end: float) -> Iterator[tuple[float, float]]:
        """The parts of the trace that are replayed in (start, end], one before and one after the jump back at
        `begins_at`.

        They are rounded, so that an opportunity at a whole millisecond is on the same side of an edge for both its
        neighbours.
        """
        for first, last, behind in ((start, min(end, self.begins_at), self.lead), (max(start, self.begins_at), end, 0)):
            if first < last:
                moved = self.start - self.begins_at + behind
                yield round(first + moved, 9), round(last + moved, 9)


@dataclass(frozen=True, slots=True)
class ReplayedRates:
    """The rate of a schedule, over instants of the run."""

    schedule: RateSchedule
    replay: Replay

    def departure(self, start: float, size_bytes: float) -> float:
        """When the last bit of a packet has left, if its serialisation starts at the instant `start`."""
        departure, begins_at = self._departure(start, size_bytes), self.replay.begins_at
        if start >= begins_at or departure <= begins_at:
            return departure
        return self._departure(begins_at, max(0.0, size_bytes - self.capacity_bytes(start, begins_at)))

    def capacity_bytes(self, start: float, end: float) -> float:
        """Bytes the link can carry in (start, end]."""
        return sum(self.schedule.capacity_bytes(t0, t1) for t0, t1 in self.replay.positions(start, end))

    def _departure(self, start: float, size_bytes: float) -> float:
        position = self.replay.position(start)
        # Never before `start`, whatever moving to the time of the trace and back rounds away.
        return max(start, start + (self.schedule.departure(position, size_bytes) - position))


@dataclass(frozen=True, slots=True)
class ReplayedOpportunities:
    """The opportunities of a schedule, over instants of the run. They are counted from the first one after the lead
    began."""

    schedule: OpportunitySchedule
    replay: Replay
    _first: int = field(init=False, repr=False)  # of the schedule
    _in_lead: int = field(init=False, repr=False)

    def __post_init__(self) -> None:
        first = self.schedule.passed(self.replay.start)
        object.__setattr__(self, "_first", first)
        in_lead = self.schedule.passed(self.replay.start + self.replay.lead) - first
        object.__setattr__(self, "_in_lead", in_lead)

    def opportunity_at(self, index: int) -> float:
        """The instant of the opportunity with this index."""
        replay = self.replay
        if index < self._in_lead:
            return replay.begins_at - replay.lead + (self.schedule.opportunity_at(self._first + index) - replay.start)
        index += self._first - self._in_lead
        return replay.begins_at + (self.schedule.opportunity_at(index) - replay.start)

    def passed(self, at: float) -> int:
        """How many opportunities are at or before an instant."""
        index = self.schedule.passed(self.replay.position(at)) - self._first
        return index if at < self.replay.begins_at else index + self._in_lead

    def capacity_bytes(self, start: float, end: float) -> float:
        """Bytes of all opportunities in (start, end]."""
        return sum(self.schedule.capacity_bytes(t0, t1) for t0, t1 in self.replay.positions(start, end))


def replayed(schedule: RateSchedule | OpportunitySchedule, replay: Replay) -> ReplayedRates | ReplayedOpportunities:
    """The capacity of a schedule over instants of the run."""
    if isinstance(schedule, RateSchedule):
        return ReplayedRates(schedule, replay)
    return ReplayedOpportunities(schedule, replay)
