"""The jitter buffer puts frames in order of sequence and holds each until its playout instant. Its wait for a missing
frame is bounded.

It waits for a missing frame until the transport calls that frame lost. Then the reference chain is broken, and frames
are undecodable until the next keyframe. With temporal layers, only a frame of the base layer breaks it: others take
with them what refers to them, and are not waited for once a frame that needs none of them is due. As soon as a complete
keyframe is there, the buffer jumps to it: what lies before it could not be decoded anyway. A deadline that passes
breaks nothing, since others refer to the late frame; but a keyframe is asked for, and jumped to once it is complete.
Order and playout are the only reasons to hold a frame here.
"""

import bisect
import math
from collections.abc import Callable
from typing import NamedTuple

from glassbench.receiver.playout import Playout
from glassbench.receiver.references import References
from glassbench.transport.contract import Frame, FrameReceived
from glassbench.transport.layers import period

_MAX_GAP = 4096


class Released(NamedTuple):
    """A frame that left the buffer: to be decoded, or given up because its reference is missing."""

    frame: Frame
    decodable: bool


class JitterBuffer:
    """Buffer of one video track.

    `lead(frame)` is the time from release to display (the decode cost). `deadline` is the track's, seconds from capture
    to display, and so are its temporal `layers`. At most `max_frames` are held: in a full buffer the head waits no
    longer, neither for a missing frame nor for its playout instant.
    """

    def __init__(
        self,
        playout: Playout,
        lead: Callable[[Frame], float],
        *,
        deadline: float | None,
        layers: int = 1,
        max_frames: int = 512,
    ) -> None:
        self._playout = playout
        self._lead = lead
        self._deadline = deadline
        self._layers = layers
        self._references = References(layers)
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
        self._references.clear()

    def pop(self, *, now: float) -> Released | None:
        """The next frame that leaves at `now`, or None. To be called until None."""
        while self._order or self._lost:
            if self._broken:
                self._jump_to_keyframe()
            if self._order and self._order[0] < self._next:
                return self._leave(decodable=False)
            head = self._frames.get(self._next)
            if head is None:
                if (ready := self._without_missing()) is not None and now >= self._release_at(ready):
                    self._skip_to(ready.sequence)
                    continue
                if not self._gives_up_missing(now):
                    if now >= self._missing_until():
                        self._overdue = self._next
                    return None
                self._skip_missing()
            elif not self._references.can_decode(head):
                self._broken |= self._references.breaks(head)
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
            if (ready := self._without_missing()) is not None:
                at = min(at, self._release_at(ready))
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
        if decodable:
            self._references.decoded(frame)
        return Released(frame, decodable)

    def _jump_to_keyframe(self) -> None:
        for sequence in self._order:
            if sequence >= self._next and self._frames[sequence].keyframe:
                self._skip_to(sequence)
                self._broken = False
                return

    def _skip_to(self, sequence: int) -> None:
        """Frames before that one stay in `_order` below `_next`, and leave as undecodable."""
        self._next = sequence
        self._lost = {lost for lost in self._lost if lost > sequence}

    def _without_missing(self) -> Frame | None:
        """The first frame that can be decoded though the head is missing, if those that are missing before it are of
        higher layers."""
        if self._layers == 1 or self._broken:
            return None
        for sequence in self._order[: period(self._layers)]:
            frame = self._frames[sequence]
            if sequence - self._next < period(self._layers) and self._references.can_decode(frame):
                skipped = range(self._next, sequence)
                return frame if all(self._references.layer_of(each) > 0 for each in skipped) else None
        return None

    def _release_at(self, frame: Frame) -> float:
        if self._broken and not frame.keyframe:
            return -math.inf
        return self._playout.display_at(frame.captured_at) - self._lead(frame)

    def _gives_up_missing(self, now: float) -> bool:
        may_go_on = bool(self._keyframes) or self._references.layer_of(self._next) > 0
        late = may_go_on and now >= self._missing_until()
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
        self._broken |= self._references.layer_of(self._next) == 0
        self._lost.discard(self._next)
        self._next += 1
        if self._order and self._order[0] - self._next > _MAX_GAP:
            self._broken = True
            self._next = self._order[0]
            self._lost.clear()
