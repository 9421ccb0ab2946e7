"""Which frames a receiver waits for, and when it knows that waiting is in vain."""

import math
from collections.abc import Iterable

from glassbench.transport.contract import Track
from glassbench.transport.framing import FrameHeader

_MAX_AWAITED = 3000  # frames of a track; RFC 3550 A.1 calls it MAX_DROPOUT


class MissingFrames:
    """Per track: a frame is awaited from the sight of it, or of a later one, until it is received or given up.

    Without repair (`reorder_window` not None) it is given up as soon as a later frame has been in sight for that long,
    for only reordering could still bring it.
    """

    def __init__(self, tracks: Iterable[Track], *, reorder_window: float | None) -> None:
        self._states = {track.id: _TrackState() for track in tracks}
        self._reorder_window = reorder_window

    def seen(self, header: FrameHeader, *, now: float) -> list[tuple[int, int]]:
        """A part of a frame is here: all before it that did not come are awaited. Returns those given up for room."""
        state = self._states[header.track]
        if header.sequence < state.next:
            return []
        overtaken_until = math.inf if self._reorder_window is None else now + self._reorder_window
        if overtaken_until < math.inf:
            for sequence, at in state.awaited.items():
                if at > overtaken_until:
                    state.awaited[sequence] = overtaken_until
        for sequence in range(max(state.next, header.sequence - _MAX_AWAITED), header.sequence):
            if sequence not in state.dropped:
                state.awaited[sequence] = overtaken_until
        state.dropped = {sequence for sequence in state.dropped if sequence > header.sequence}
        state.awaited[header.sequence] = math.inf
        state.next = header.sequence + 1
        lost = []
        while len(state.awaited) > _MAX_AWAITED:
            lost.append((header.track, next(iter(state.awaited))))
            del state.awaited[lost[-1][1]]
        return lost

    def dropped(self, track: int, sequence: int) -> bool:
        """The sender says that a frame will not come. Its word may overtake frames before that one. Returns whether
        this is new."""
        state = self._states[track]
        if sequence < state.next:
            return self.settle(track, sequence)
        if sequence in state.dropped or sequence >= state.next + _MAX_AWAITED:
            return False
        state.dropped.add(sequence)
        return True

    def settle(self, track: int, sequence: int) -> bool:
        """A frame was received, or is known to be lost. Returns whether it was awaited; if not, it is late or a
        copy."""
        return self._states[track].awaited.pop(sequence, None) is not None

    def between(self, track: int, start: int, stop: int) -> list[int]:
        """The awaited frames from `start` to before `stop`."""
        return [sequence for sequence in self._states[track].awaited if start <= sequence < stop]

    def due(self, *, now: float) -> list[tuple[int, int]]:
        """The frames given up at `now`, which are awaited no longer."""
        given_up = []
        for track, state in self._states.items():
            while state.awaited and state.awaited[first := next(iter(state.awaited))] <= now:
                del state.awaited[first]
                given_up.append((track, first))
        return given_up

    def due_at(self) -> float:
        """When `due` has something to say; infinite if never. Frames of a track are given up in order."""
        return min(
            (next(iter(state.awaited.values())) for state in self._states.values() if state.awaited), default=math.inf
        )


class _TrackState:
    __slots__ = ("awaited", "dropped", "next")

    def __init__(self) -> None:
        self.next = 0  # all before it were seen, received or given up
        self.awaited: dict[int, float] = {}  # sequence -> when to give it up; ascending
        self.dropped: set[int] = set()  # from `next` on
