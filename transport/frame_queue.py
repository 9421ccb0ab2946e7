"""Frames that wait to be sent: strict priorities, deadlines, a bound."""

import math
from bisect import insort
from collections.abc import Callable
from itertools import count

from glassbench.transport.contract import Frame
from glassbench.transport.layers import needs, overtakes

_MAX_FRAMES = 1024  # tiny messages would otherwise be many before they are large


class FrameQueue:
    """Served by priority, then in order of arrival. Holds at most `max_bytes` of payload, or one frame of any size."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._entries: list[tuple[int, int, Frame]] = []
        self._numbers = count()
        self._earliest = math.inf  # no frame expires before this
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    def push(self, frame: Frame) -> list[Frame]:
        """Add a frame; returns those that had to go for lack of room: the least important, and of these the newest."""
        insort(self._entries, (frame.priority, next(self._numbers), frame))
        self.bytes += len(frame.payload)
        if frame.expires_at is not None:
            self._earliest = min(self._earliest, frame.expires_at)
        victims = []
        while len(self._entries) > 1 and (self.bytes > self._max_bytes or len(self._entries) > _MAX_FRAMES):
            victim = self._entries.pop()[2]
            self.bytes -= len(victim.payload)
            victims.append(victim)
        return victims

    def first(self) -> Frame:
        """The frame to be sent next. Raises IndexError when empty."""
        return self._entries[0][2]

    def pop(self) -> Frame:
        """Take that frame out."""
        frame = self._entries.pop(0)[2]
        self.bytes -= len(frame.payload)
        return frame

    def expire(self, *, now: float) -> list[Frame]:
        """Take out the frames whose deadline has passed."""
        if now < self._earliest:
            return []
        expired = self._take_out(lambda frame: _deadline(frame) <= now)
        self._earliest = min((_deadline(entry[2]) for entry in self._entries), default=math.inf)
        return expired

    def skip_after(self, dropped: Frame, *, layers: int) -> list[Frame]:
        """Take out the video that is not worth sending once `dropped` is given up; its track has so many `layers`.

        What needs it cannot be decoded. And if it was of the base layer, there is more than the link can carry in time:
        to go on frame by frame would keep the queue one deadline long. So everything before the newest keyframe that
        waits is skipped.
        """
        newest = max((entry[2].sequence for entry in self._entries if _is_keyframe_of(entry[2], dropped)), default=0)
        return self._take_out(
            lambda frame: (
                needs(frame, dropped, layers)
                or (dropped.layer == 0 and frame.track == dropped.track and dropped.sequence < frame.sequence < newest)
            )
        )

    def overtaken(self, by: Frame) -> list[Frame]:
        """Take out the frames that one which leaves now goes ahead of, and that are of no use after it."""
        return self._take_out(lambda frame: overtakes(by, frame))

    def has_rival(self, frame: Frame) -> bool:
        """Whether another frame waits that is not of a higher layer of the same track."""
        return any(entry[2].track != frame.track or entry[2].layer <= frame.layer for entry in self._entries)

    def expires_at(self) -> float:
        """No frame expires before this instant; infinite when none can."""
        return self._earliest if self._entries else math.inf

    def _take_out(self, is_meant: Callable[[Frame], bool]) -> list[Frame]:
        taken = [entry[2] for entry in self._entries if is_meant(entry[2])]
        if taken:
            self._entries = [entry for entry in self._entries if not is_meant(entry[2])]
            self.bytes -= sum(len(frame.payload) for frame in taken)
        return taken


def _deadline(frame: Frame) -> float:
    return frame.expires_at if frame.expires_at is not None else math.inf


def _is_keyframe_of(frame: Frame, dropped: Frame) -> bool:
    return frame.keyframe and frame.track == dropped.track and frame.sequence > dropped.sequence
