"""All schedules of one link: the least percentile of signal delay that one of them can have.

A percentile is no sum, but the captures that are seen within a limit can be counted, and the count of a schedule is a
sum over its frames. So the most captures that any schedule shows within a limit come from dynamic programming, and the
least limit that covers enough of them by bisection. Encoder and decoder are idle when a frame comes: what they cost
is a constant. `docs/oracle.md` has the proof that the schedules tried here are enough.
"""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from glassbench.experiments.account.oracle import Costs, counts_when_ready, served_newest_first, signal_delays
from glassbench.experiments.account.percentile import percentile
from glassbench.netem.supply import Supply

_PER_SECOND = 1_000_000  # captures and opportunities are at whole microseconds, so that counting is exact

Front = list[tuple[float, int]]
"""Where the link may begin with a frame, and how many captures up to it are seen in time then: later starts, more."""


class _Block(NamedTuple):
    """Frames that compete for the link: their captures, and the counts when they are ready. The captures from `first`
    on are seen with one of them. If the newest goes first, each is seen within `reached`, in microseconds."""

    first: int
    frames: list[int]
    counts: list[float]
    reached: int


class Schedules:
    """What one link can do with frames of one size. `captures` are instants in seconds that increase."""

    def __init__(self, captures: Sequence[float], supply: Supply, costs: Costs) -> None:
        self._captures = [round(at * _PER_SECOND) for at in captures]
        self._supply = supply
        self._needed = supply.needed(costs.size_bytes)
        self._arrivals: dict[float, int] = {}
        counts = counts_when_ready(captures, supply, costs)
        shown = np.full(len(counts), np.inf)
        for frame, end in served_newest_first(counts, self._needed):
            shown[frame] = self._arrival(end - self._needed)
        self._reached = signal_delays(self._captures, shown)
        self._least = np.array([self._arrival(count) for count in counts]) - np.array(self._captures, dtype=np.float64)
        alone, self._blocks = self._blocks_of(counts)
        self._alone = np.sort(self._least[alone])

    def percentile(self, share: float) -> float:
        """The least that this percentile of the signal delay can be, in seconds from a capture to the end of the
        link."""
        wanted = max(1, math.ceil(share * len(self._captures) - 1e-9))
        low, high = round(percentile(self._least, share)), round(percentile(self._reached, share))
        while low < high:
            limit = (low + high) // 2
            if self._within(limit) >= wanted:
                high = limit
            else:
                low = limit + 1
        return low / _PER_SECOND

    def _within(self, limit: int) -> int:
        """The most captures that one schedule shows within a limit in microseconds."""
        return int(np.searchsorted(self._alone, limit, side="right")) + sum(
            self._within_block(block, limit) for block in self._blocks
        )

    def _within_block(self, block: _Block, limit: int) -> int:
        if block.reached <= limit:
            return block.frames[-1] + 1 - block.first
        fronts: list[Front] = [[] for _ in block.frames]
        self._go_on(block, fronts, -1, -math.inf, 0, limit=limit)
        for place in range(len(block.frames) - 1):
            for start, seen in _pruned(fronts[place]):
                self._go_on(block, fronts, place, start + self._needed, seen, limit=limit)
        return max(seen for _, seen in fronts[-1])

    def _go_on(self, block: _Block, fronts: list[Front], last: int, free: float, seen: int, *, limit: int) -> None:
        """Add what can follow when the link becomes free behind the frame at place `last`: the newest that is there,
        or one that comes before another frame would be through."""
        counts, frames = block.counts, block.frames
        before = frames[last] if last >= 0 else block.first - 1
        place = max(last + 1, bisect_right(counts, free, last + 1) - 1)
        end = max(free, counts[place]) + self._needed
        while place < len(frames) and counts[place] < end:
            start = max(free, counts[place])
            frame = frames[place]
            soon = bisect_left(self._captures, self._arrival(start) - limit, before + 1, frame + 1)
            fronts[place].append((start, seen + frame + 1 - soon))
            place += 1

    def _arrival(self, start: float) -> int:
        """When a frame is through with which the link begins at this count, in microseconds."""
        if start not in self._arrivals:
            self._arrivals[start] = round(self._supply.instant(start + self._needed) * _PER_SECOND)
        return self._arrivals[start]

    def _blocks_of(self, counts: Sequence[float]) -> tuple[list[int], list[_Block]]:
        """The captures whose frames need not compete, and the others in blocks between which the link is idle whatever
        is sent. Of frames that are ready at the same count the newest stands for all."""
        newest = [frame for frame, (count, later) in enumerate(pairwise([*counts, math.inf])) if count < later]
        edges = [
            place for place in range(1, len(newest)) if self._apart(counts[newest[place - 1]], counts[newest[place]])
        ]
        alone: list[int] = []
        blocks: list[_Block] = []
        first = 0
        for begin, end in pairwise([0, *edges, len(newest)]):
            frames = newest[begin:end]
            seen = range(first, frames[-1] + 1)
            first = seen.stop
            if len(frames) == 1:
                alone += seen
            else:
                reached = int(self._reached[seen.start : seen.stop].max())
                blocks.append(_Block(seen.start, frames, [counts[frame] for frame in frames], reached))
        return alone, blocks

    def _apart(self, count: float, later: float) -> bool:
        """Whether two frames never compete: each frame begins before another would be through, so that the second one
        meets an idle link."""
        return later - count >= 2 * self._needed


def _pruned(front: Front) -> Front:
    """Without those that begin later and have not seen more."""
    kept: Front = []
    for start, seen in sorted(front, key=lambda each: (each[0], -each[1])):
        if not kept or seen > kept[-1][1]:
            kept.append((start, seen))
    return kept
