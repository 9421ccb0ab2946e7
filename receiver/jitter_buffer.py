"""The jitter buffer puts frames in order of sequence and holds each until its playout instant. Its wait for a missing
frame is bounded.

It waits for a missing frame until the transport calls that frame lost. Then the reference chain is broken, and frames
are undecodable until the next keyframe. As soon as a complete keyframe is there, the buffer jumps to it: what lies
before it could not be decoded anyway. A deadline that passes breaks nothing, since others refer to the late frame; but
a keyframe is asked for, and jumped to once it is complete. Order and playout are the only reasons to hold a frame here.
"""

import bisect
import math
from collections.abc import Callable
from typing import NamedTuple

from glassbench.receiver.playout import Playout
from glassbench.transport.contract import Frame, FrameReceived

_MAX_GAP = 4096


class Released(NamedTuple):
    """A frame that left the buffer: to be decoded, or given up because its reference is missing."""

    frame: Frame
    decodable: bool


class JitterBuffer:
    """Buffer of one video track.

    `lead(frame)` is the time from release to display (the decode cost). `deadline` is the track's, seconds from
    capture to display. At most `max_frames` are held: in a full buffer the head waits no longer, neither for a missing
    frame nor for its playout instant.
    """

    def __init__(
        self,
        playout: Playout,
        lead: Callable[[Frame], float],
        *,
        deadline: float | None,
        max_frames: int = 512,
    ) -> None:
        self._playout = playout
        self._lead = lead
        self._deadline = deadline
        self._max_frames = max_frames
        self._frames: dict[int, Frame] = {}
        self._keyframes = 0  # in `_frames`
        self._order: list[int] = []  # the sequences in `_frames`, sorted
        self._lost: set[int] = set()  # only ever asked for membership
        self._next = 0
        self._before: tuple[int, float] | None = None  # sequence and capture of the latest frame that left
        self._broken = True
        self._overdue: int | None = None  # the missing frame, once its deadline has passed

    @property
    def needs_keyframe(self) -> bool:
        """Whether a recovery point should be asked for: the reference chain is broken, or waits for a late frame."""
        return (self._broken and self._next > 0) or self._overdue == self._next

    @property
    def misses_head(self) -> bool:
        """Whether the next frame in sequence is not there."""
        return self._next not in self._frames

    def insert(self, received: FrameReceived) -> bool:
        """Take a frame. False if it is too late: it, or a later one, has left already."""
        frame = received.frame
        self._playout.observe(received.at - frame.captured_at + self._lead(frame))
        if frame.sequence < self._next or frame.sequence in self._frames:
            return False
        self._frames[frame.sequence] = frame
        self._keyframes += frame.keyframe
        bisect.insort(self._order, frame.sequence)
        self._lost.discard(frame.sequence)
        return True

    def lost(self, sequence: int) -> None:
        """The transport will not deliver this frame."""
        if self._next <= sequence <= self._next + _MAX_GAP and sequence not in self._frames:
            self._lost.add(sequence)

    def break_chain(self) -> None:
        """The decoder failed on the frame that left last: nothing is decodable until a keyframe."""
        self._broken = True

    def pop(self, *, now: float) -> Released | None:
        """The next frame that leaves at `now`, or None. To be called until None."""
        while self._order or self._lost:
            if self._broken:
                self._jump_to_keyframe()
            if self._order and self._order[0] < self._next:
                return self._leave(decodable=False)
            head = self._frames.get(self._next)
            if head is None:
                if not self._gives_up_missing(now):
                    if now >= self._missing_until():
                        self._overdue = self._next
                    return None
                self._skip_missing()
            elif self._broken and not head.keyframe:
                return self._leave(decodable=False)
            elif now >= self._release_at(head) or self._full:
                self._broken = False
                return self._leave(decodable=True)
            else:
                return None
        return None

    def get_timer(self) -> float | None:
        """When `pop` has something to do if nothing else comes, or None."""
        head = self._frames.get(self._next)
        if head is None:
            at = math.inf if self._overdue == self._next else self._missing_until()
        else:
            at = self._release_at(head)
        return None if at == math.inf else at

    @property
    def _full(self) -> bool:
        return len(self._order) > self._max_frames

    def _leave(self, *, decodable: bool) -> Released:
        sequence = self._order.pop(0)
        frame = self._frames.pop(sequence)
        self._keyframes -= frame.keyframe
        self._next = max(self._next, sequence + 1)
        self._before = (sequence, frame.captured_at)
        return Released(frame, decodable)

    def _jump_to_keyframe(self) -> None:
        """Frames before the jump stay in `_order` below `_next`, and leave as undecodable."""
        for sequence in self._order:
            if sequence >= self._next and self._frames[sequence].keyframe:
                self._next = sequence
                self._broken = False
                self._lost = {lost for lost in self._lost if lost > sequence}
                return

    def _release_at(self, frame: Frame) -> float:
        if self._broken and not frame.keyframe:
            return -math.inf
        return self._playout.display_at(frame.captured_at) - self._lead(frame)

    def _gives_up_missing(self, now: float) -> bool:
        late = bool(self._keyframes) and now >= self._missing_until()
        return self._next in self._lost or late or self._full

    def _missing_until(self) -> float:
        """The deadline of the missing head; its capture is interpolated between its neighbours'."""
        if self._next in self._lost:
            return -math.inf
        if not self._order or self._deadline is None:
            return math.inf
        later = self._frames[self._order[0]]
        if self._before is None:
            return later.captured_at + self._deadline
        sequence, captured_at = self._before
        share = (self._next - sequence) / (later.sequence - sequence)
        return captured_at + share * (later.captured_at - captured_at) + self._deadline

    def _skip_missing(self) -> None:
        self._broken = True
        self._lost.discard(self._next)
        self._next += 1
        if self._order and self._order[0] - self._next > _MAX_GAP:
            self._next = self._order[0]
            self._lost.clear()
