"""What passed over a link, by interval of time: the record behind plots of throughput and queue against capacity."""

from collections import deque
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from glassbench.netem.checks import positive
from glassbench.netem.packet import Packet
from glassbench.netem.path import Path

FIRST, LAST = 1_000, 5_000  # passages of each flow that are kept one by one


class Passage(NamedTuple):
    """A packet, by its number in its flow and direction, came to a link or was `delivered` by it, `at` seconds."""

    at: float
    number: int
    size_bytes: int
    delivered: bool


class Passages(NamedTuple):
    """How a flow began and ended on a link: its `first` passages, at most FIRST, and its `last`, at most LAST, each in
    order of time."""

    first: tuple[Passage, ...]
    last: tuple[Passage, ...]


@dataclass(frozen=True, slots=True, eq=False)
class LinkTable:
    """One row per interval. `at` is its start (seconds); bytes are on the wire, headers included.

    `backlog_bytes` is the largest backlog of all queues of the path during the interval; `dropped_packets` (by queues
    and policers) and `lost_packets` (by the medium) count what went missing in it. `flows` has the part of each flow.
    """

    at: NDArray[np.float64]
    sent_bytes: NDArray[np.int64]
    delivered_bytes: NDArray[np.int64]
    backlog_bytes: NDArray[np.int64]
    dropped_packets: NDArray[np.int64]
    lost_packets: NDArray[np.int64]
    flows: tuple["FlowTable", ...]


@dataclass(frozen=True, slots=True, eq=False)
class FlowTable:
    """The part of one flow, with a row per interval of its LinkTable. `missing_packets` were dropped or lost."""

    sent_bytes: NDArray[np.int64]
    delivered_bytes: NDArray[np.int64]
    sent_packets: NDArray[np.int64]
    delivered_packets: NDArray[np.int64]
    missing_packets: NDArray[np.int64]


class LinkLog:
    """A tap on a path. The simulator calls `advance` ahead of every change, then reports what went in and came out.

    Between two arrivals a backlog only shrinks, so the largest of an interval is found right after an arrival, where
    the simulator always stops, or at the start of the interval: it is exact, not sampled. Packets belong to one of
    `flows` flows, by their `flow`.
    """

    def __init__(self, path: Path, *, start_at: float, interval: float = 0.01, flows: int = 1) -> None:
        self._path = path
        self._queues = [element.queue for element in path.elements if hasattr(element, "queue")]
        self._start_at = start_at
        self._interval = positive("LinkLog.interval", interval)
        self._dropped = self._lost = 0  # until the end of the last complete interval
        self._rows: list[list[int]] = [[0, 0, 0]]  # backlog, dropped, lost
        self._flows: list[list[list[int]]] = [[[0] * 5] for _ in range(flows)]  # as the columns of FlowTable
        # As the fields of Passage: a named tuple takes twice as long to make.
        self._first: list[list[tuple[float, int, int, bool]]] = [[] for _ in range(flows)]
        self._last: list[deque[tuple[float, int, int, bool]]] = [deque(maxlen=LAST) for _ in range(flows)]
        self._now = [rows[0] for rows in self._flows]
        self._ends_at = start_at + self._interval  # of the last row

    def advance(self, now: float) -> None:
        """Close the intervals that ended at or before `now`."""
        while now >= self._ends_at:
            self._path.catch_up(self._ends_at)
            self._count_missing()
            self._rows.append([self._backlog(), 0, 0])
            self._now = [[0] * 5 for _ in self._flows]
            for rows, row in zip(self._flows, self._now, strict=True):
                rows.append(row)
            self._ends_at = self._start_at + len(self._rows) * self._interval

    def sent(self, packets: list[Packet]) -> None:
        """These packets have entered the path now."""
        self._add(0, packets)

    def delivered(self, packets: list[Packet]) -> None:
        """These packets, or none, have left the path now."""
        self._add(1, packets)

    def passages(self) -> tuple[Passages, ...]:
        """By flow what was kept of it, packet by packet. Of a link that is not the first of a route, `at` of what came
        to it is when that left its sender."""
        return tuple(
            Passages(*(tuple(map(Passage._make, part)) for part in both))
            for both in zip(self._first, self._last, strict=True)
        )

    def table(self, now: float) -> LinkTable:
        """All intervals until `now`, the last one perhaps not complete."""
        self.advance(now)
        self._path.catch_up(now)
        self._name_missing()
        rows = np.array(self._rows, dtype=np.int64)
        counts = self._path.counts()
        rows[-1, 1:] = counts.dropped - self._dropped, counts.lost - self._lost
        flows = np.array(self._flows, dtype=np.int64)
        at = np.arange(len(rows), dtype=np.float64) * self._interval + self._start_at
        sent, delivered = flows.sum(axis=0).T[:2]
        backlog, dropped, lost = rows.T
        parts = tuple(FlowTable(*columns.T) for columns in flows)
        return LinkTable(at, sent, delivered, backlog, dropped, lost, parts)

    def _add(self, column: int, packets: list[Packet]) -> None:
        for packet in packets:
            flow, size_bytes = packet.flow, packet.size_bytes
            share = self._now[flow]
            share[column] += size_bytes
            share[column + 2] += 1
            passage = (packet.at if column else packet.sent_at, packet.number, size_bytes, column == 1)
            self._last[flow].append(passage)
            if len(self._first[flow]) < FIRST:
                self._first[flow].append(passage)
        row = self._rows[-1]
        row[0] = max(row[0], self._backlog())

    def _backlog(self) -> int:
        return sum(queue.bytes for queue in self._queues)

    def _count_missing(self) -> None:
        """What was dropped and lost in the interval of the last row."""
        counts = self._path.counts()
        self._rows[-1][1:] = counts.dropped - self._dropped, counts.lost - self._lost
        self._dropped, self._lost = counts.dropped, counts.lost
        self._name_missing()

    def _name_missing(self) -> None:
        for packet in self._path.gone:
            self._now[packet.flow][4] += 1
        self._path.gone.clear()
