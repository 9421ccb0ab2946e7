"""What a receiver has shown, slice by slice of the media, for whoever watches an arm while it runs.

It is a view of the way, and no result: it reads what the receiver wrote down, and changes nothing.
"""

import json
import math
from collections.abc import Callable
from itertools import islice
from typing import NamedTuple

from glassbench.experiments.scenario.session_time import MEDIA_START
from glassbench.experiments.scenario.tracks import VIDEO_TRACK
from glassbench.experiments.worlds.ends import Ends
from glassbench.receiver.record import ReceivedRecord
from glassbench.sender.pipeline import capture_count

MOST_SLICES = 240
"""How many slices the media of an arm have at most."""

SHORTEST = 0.5  # seconds of a slice
_LOOKED_AT = 4000  # newest records: the network thread of a live receiver has no time for all of a long run


class ShownSlice(NamedTuple):
    """A slice of an arm that ends `at` seconds after the first capture could be. `captured` and `shown` count the video
    frames until then; `p50_ms` and `p95_ms` are the times from capture to display of those that were shown in it, None
    if none was."""

    at: float
    captured: int
    shown: int
    p50_ms: float | None
    p95_ms: float | None

    @classmethod
    def parse(cls, line: str) -> "ShownSlice":
        """The slice in a line of a process of our own."""
        return cls(*json.loads(line))

    def line(self) -> str:
        """The slice as JSON, without a line end."""
        return json.dumps(self)


class ShownSlices:
    """Looks at the records of a receiver, and makes a slice of them when its time has come. `captured_at` is when a
    frame was captured: by default what was read from its pixels, None without any."""

    def __init__(
        self,
        ends: Ends,
        captured_at: Callable[[ReceivedRecord], float | None] = lambda record: record.stamp_captured_at,
    ) -> None:
        self._flow = ends.flow
        self._fps = ends.source.fps
        self._captured_at = captured_at
        self._length = max(SHORTEST, (ends.flow.stop - ends.flow.start) / MOST_SLICES)
        self._since = MEDIA_START + ends.flow.start
        self._shown = 0

    def look(self, records: dict[tuple[int, int], ReceivedRecord], *, now: float) -> ShownSlice | None:
        """The slice that ends now; None if its time has not come."""
        if now < self._since + self._length:
            return None
        delays = sorted(
            record.displayed_at - captured_at
            for record in islice(reversed(records.values()), _LOOKED_AT)
            if record.track == VIDEO_TRACK
            and record.displayed_at is not None
            and self._since < record.displayed_at <= now
            and (captured_at := self._captured_at(record)) is not None
        )
        self._since = now
        self._shown += len(delays)
        p50, p95 = (_percentile_ms(delays, share) for share in (0.5, 0.95))
        return ShownSlice(round(now - MEDIA_START, 3), self._captured(now), self._shown, p50, p95)

    def _captured(self, now: float) -> int:
        """How many captures were due until now."""
        flow = self._flow

        def until(at: float) -> int:
            return capture_count(min(max(at, flow.start), flow.stop, now - MEDIA_START) - flow.start, self._fps)

        return until(flow.stop) - sum(until(end) - until(begin) for begin, end in flow.pauses)


def _percentile_ms(delays: list[float], share: float) -> float | None:
    """As `account.metrics.percentile`, which brings pandas and its threads along: an end of a live arm has neither."""
    return round(1e3 * delays[max(0, math.ceil(share * len(delays) - 1e-9) - 1)], 3) if delays else None
