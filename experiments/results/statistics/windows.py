"""How far runs that replay windows of one recorded trace are independent: windows that overlap share their network."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Overlap:
    """Of `runs` runs, `overlapping` share a part of the trace with another one. Each run takes `length` seconds of a
    trace that repeats after `period`, in which `room` such windows have room side by side."""

    runs: int
    overlapping: int
    room: int
    length: float
    period: float

    @property
    def sentence(self) -> str:
        """A sentence about it; empty if no window overlaps another."""
        if not self.overlapping:
            return ""
        said = f"{self.overlapping} of {self.runs} runs share a part of the recorded trace with another run"
        return f"{said} ({self.length:g} s each, of {self.period:g} s)"

    @property
    def dependent(self) -> str:
        """Why so many runs cannot be independent; empty if they can."""
        if self.runs <= self.room:
            return ""
        if self.room == 1:
            return f"the {self.runs} runs replay one window of the recorded trace, so they are one drive"
        return (
            f"the recorded trace of {self.period:g} s is too short for {self.runs} independent windows of "
            f"{self.length:g} s: it holds {self.room}"
        )


def overlap(starts: Sequence[float], *, length: float, period: float) -> Overlap:
    """The overlap of windows that start at these places of a trace (seconds), one per run. Raises ValueError without
    any."""
    if not starts:
        raise ValueError("an overlap is of one window at least")
    ordered = sorted(start % period for start in starts)
    # From each window to the next one, around the end of the trace. What is apart by its length is apart.
    gaps = [after - before for before, after in zip(ordered, [*ordered[1:], ordered[0] + period], strict=True)]
    near = [gap < length - 1e-9 for gap in gaps]
    overlapping = sum(ahead or behind for ahead, behind in zip(near, [near[-1], *near[:-1]], strict=True))
    one_place = ordered[0] == ordered[-1]
    room = 1 if one_place else max(1, int(period / length + 1e-9))
    return Overlap(len(ordered), overlapping if len(ordered) > 1 else 0, room, length, period)
