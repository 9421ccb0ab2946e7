"""What passed over a link, by interval of time: the record behind plots of throughput and queue against capacity."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from netem.checks import positive
from netem.packet import Packet
from netem.path import Path


@dataclass(frozen=True, slots=True, eq=False)
class LinkTable:
    """One row per interval. `at` is its start (seconds); bytes are on the wire, headers included.

    `backlog_bytes` is the largest backlog of all queues of the path during the interval; `dropped_packets` (by queues
    and policers) and `lost_packets` (by the medium) count what went missing in it.
    """

    at: NDArray[np.float64]
    sent_bytes: NDArray[np.int64]
    delivered_bytes: NDArray[np.int64]
    backlog_bytes: NDArray[np.int64]
    dropped_packets: NDArray[np.int64]
    lost_packets: NDArray[np.int64]


class LinkLog:
    """A tap on a path. The simulator calls `advance` ahead of every change, then reports what went in and came out.

    The state of a path changes only at its events, so the largest backlog of an interval is exact, not sampled.
    """

    def __init__(self, path: Path, *, start_at: float, interval: float = 0.01) -> None:
        self._path = path
        self._queues = [element.queue for element in path.elements if hasattr(element, "queue")]
        self._start_at = start_at
        self._interval = positive("LinkLog.interval", interval)
        self._dropped = self._lost = 0  # until the end of the last complete interval
        self._rows: list[list[int]] = [[0, 0, 0, 0, 0]]

    def advance(self, now: float) -> None:
        """The path has been as it is since the last event, and will change at `now`."""
        row = self._rows[-1]
        backlog = sum(queue.bytes for queue in self._queues)
        row[2] = max(row[2], backlog)
        if now < self._start_at + len(self._rows) * self._interval:
            return
        counts = self._path.counts()
        row[3], row[4] = counts.dropped - self._dropped, counts.lost - self._lost
        self._dropped, self._lost = counts.dropped, counts.lost
        while now >= self._start_at + len(self._rows) * self._interval:
            self._rows.append([0, 0, backlog, 0, 0])

    def sent(self, packet: Packet) -> None:
        self._rows[-1][0] += packet.size_bytes

    def delivered(self, packet: Packet) -> None:
        self._rows[-1][1] += packet.size_bytes

    def table(self, now: float) -> LinkTable:
        """All intervals until `now`, the last one perhaps not complete."""
        self.advance(now)
        counts = self._path.counts()
        rows = np.array(self._rows, dtype=np.int64)
        rows[-1, 3:] = counts.dropped - self._dropped, counts.lost - self._lost
        at = np.arange(len(rows), dtype=np.float64) * self._interval + self._start_at
        return LinkTable(at, *rows.T)
