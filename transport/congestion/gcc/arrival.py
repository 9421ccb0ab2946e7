"""Packets by groups: how much longer the path took for one group than for the one before it.

draft-ietf-rmcat-gcc-02 section 5.2 (pre-filtering) and libwebrtc's `inter_arrival_delta.cc`: packets that left within 5
ms are a group, and so are packets that arrived within 5 ms because something on the path had held them back.
"""

from dataclasses import dataclass
from typing import NamedTuple

_GROUP = 0.005  # seconds, of departures
_BURST_GAP = 0.005  # between arrivals
_LONGEST_BURST = 0.1
_CLOCK_STEP = 3.0  # the peer's clock was set if arrivals move by so much against our time
_MOST_REORDERED = 3


class GroupDelta(NamedTuple):
    """From one group to the next, by their last packets: how much later it left and arrived, and when it arrived."""

    sent_in: float
    received_in: float
    received_at: float


@dataclass(slots=True)
class _Group:
    first_sent_at: float
    sent_at: float
    first_received_at: float
    received_at: float
    heard_at: float


class ArrivalGroups:
    """Makes groups of packets in the order of their arrival. All times are in seconds; arrivals are on the peer's
    clock."""

    def __init__(self) -> None:
        self._group: _Group | None = None
        self._last: _Group | None = None
        self._reordered = 0

    def add(self, *, sent_at: float, received_at: float, now: float) -> GroupDelta | None:
        """A packet arrived. Says how the group that it ends differs from the one before, if there are two."""
        group = self._group
        if group is None:
            self._group = _Group(sent_at, sent_at, received_at, received_at, now)
            return None
        if sent_at < group.first_sent_at:
            return None
        if self._belongs(group, sent_at, received_at):
            group.sent_at = max(group.sent_at, sent_at)
            group.received_at = received_at
            group.heard_at = now
            return None
        last, self._last = self._last, group
        self._group = _Group(sent_at, sent_at, received_at, received_at, now)
        return None if last is None else self._difference(last, group)

    def _difference(self, last: _Group, group: _Group) -> GroupDelta | None:
        delta = GroupDelta(group.sent_at - last.sent_at, group.received_at - last.received_at, group.received_at)
        if delta.received_in - (group.heard_at - last.heard_at) >= _CLOCK_STEP:
            self._group = self._last = None
            return None
        if delta.received_in >= 0:
            self._reordered = 0
            return delta
        self._last = last
        self._reordered += 1
        if self._reordered >= _MOST_REORDERED:
            self._group = self._last = None
            self._reordered = 0
        return None

    def _belongs(self, group: _Group, sent_at: float, received_at: float) -> bool:
        if sent_at - group.first_sent_at <= _GROUP:
            return True
        gap = received_at - group.received_at
        held_back = gap < sent_at - group.sent_at
        return held_back and gap <= _BURST_GAP and received_at - group.first_received_at < _LONGEST_BURST
