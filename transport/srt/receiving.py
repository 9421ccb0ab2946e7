"""The receiving half of a connection: the buffer that holds each packet until it is due (TSBPD), and what it misses.

As in `sending.py`, sequence numbers grow without wrapping inside. Delivery is in order of sequence. A missing packet is
waited for until the next one present is due; then it is skipped (TLPKTDROP), and its late arrival is ignored.
"""

from collections import Counter
from collections.abc import Iterable
from math import inf
from typing import NamedTuple

from glassbench.transport.framing import Malformed
from glassbench.transport.srt.reordering import ReorderTolerance
from glassbench.transport.srt.timing import PeerClock
from glassbench.transport.srt.wire import SEQUENCE_MASK, Range, sequence_distance

CAPACITY = 8192  # packets; libsrt's SRTO_RCVBUF, and a power of two
_SLOT = CAPACITY - 1
_MAX_EARLY = 5.0  # s; a packet can be as early as the handshake was late, and would hold back all that follow it


class BufferedMessage(NamedTuple):
    """The payload of a packet in the buffer. `due_at` is its TSBPD time."""

    due_at: float
    arrived_at: float
    payload: bytes


class DiscrepancyError(Exception):
    """A sequence number beyond the empty buffer: too much was lost, there is no way back to the stream."""


class ReceiveBuffer:
    """Packets from arrival to delivery: [base, end) is the window, and all numbers from `end` on are still to come."""

    def __init__(
        self, *, first_sequence: int, clock: PeerClock, latency: float, reordering: int, stats: Counter[str]
    ) -> None:
        """`reordering`: packets that may pass before a missing one is asked for, at most (SRTO_LOSSMAXTTL)."""
        self._clock = clock
        self._latency = latency
        self._tolerance = ReorderTolerance(reordering) if reordering else None
        self._stats = stats
        self._slots: list[BufferedMessage | None] = [None] * CAPACITY
        self._base = self._end = first_sequence
        self._head: int | None = None  # the first packet present
        self._missing: dict[int, None] = {}  # in growing order: gaps only open at the end
        self.next_at = inf  # when `take` has something: the head is due

    def add(
        self, sequence: int, timestamp: int, payload: bytes, *, retransmitted: bool = False, now: float
    ) -> list[Range]:
        """Store a data packet. The answer is what to ask for now: the gap that it opened, if nothing may be reordered.

        Raises Malformed for a timestamp far ahead, DiscrepancyError for a sequence number far ahead.
        """
        end = self._end
        seq = end + sequence_distance(end & SEQUENCE_MASK, sequence)
        if seq < self._base or (seq < end and self._slots[seq & _SLOT] is not None):
            self._stats["packets_belated" if seq < self._base else "packets_duplicate"] += 1
            return []
        if seq - self._base >= CAPACITY:
            if self._head is None:
                raise DiscrepancyError(f"packet {seq - self._base} numbers ahead of a buffer of {CAPACITY}")
            self._stats["dropped_full"] += 1
            return []
        expected_at = self._clock.instant(timestamp, now=now)
        if expected_at > now + _MAX_EARLY:
            raise Malformed("a timestamp from the future")
        # The handshake that set the clock was under way for so much longer than the fastest packet.
        if (early_us := round((expected_at - now) * 1e6)) > self._stats["time_base_late_us"]:
            self._stats["time_base_late_us"] = early_us
        due_at = expected_at + self._latency
        self._slots[seq & _SLOT] = BufferedMessage(due_at, now, payload)
        if self._head is None or seq < self._head:
            self._head = seq
            self.next_at = due_at
        if seq < end:
            self._missing.pop(seq, None)
        else:
            self._end = seq + 1
            if seq > end:
                self._missing.update(dict.fromkeys(range(end, seq)))
        if self._tolerance is not None:
            behind = self._end - 1 - seq
            return _ranges(self._tolerance.on_packet(seq, range(end, seq), behind=behind, retransmitted=retransmitted))
        return [(end & SEQUENCE_MASK, (seq - 1) & SEQUENCE_MASK)] if seq > end else []

    def take(self, *, now: float) -> list[tuple[int, BufferedMessage]]:
        """The packets that are due, in order, each with the number of packets skipped just before it."""
        due: list[tuple[int, BufferedMessage]] = []
        while self.next_at <= now and self._head is not None:
            head = self._head
            message = self._slots[head & _SLOT]
            assert message is not None
            skipped = head - self._base
            if skipped:
                self._stats["packets_skipped"] += skipped
                self._forget(self._base, head)
            due.append((skipped, message))
            self._slots[head & _SLOT] = None
            self._base = head + 1
            self._find_head()
        return due

    def give_up(self, first_number: int, last_number: int) -> None:
        """The sender dropped these (DROPREQ), so nobody asks for them any more. They are skipped when the next packet
        is due."""
        first = self._end + sequence_distance(self._end & SEQUENCE_MASK, first_number)
        last = first + sequence_distance(first_number, last_number)
        self._forget(max(first, self._base), min(last + 1, self._end))
        if first <= self._end <= last and last - self._base < CAPACITY:
            self._end = last + 1

    def position(self) -> int:
        """What is acknowledged: the first number neither received nor given up; unwrapped, it only grows."""
        return next(iter(self._missing)) if self._missing else self._end

    def missing(self) -> list[Range]:
        """All gaps, as wrapped numbers for a NAK."""
        return _ranges(self._missing)

    def misses_any(self) -> bool:
        """Whether there is a gap that may still be filled."""
        return bool(self._missing)

    def free_packets(self) -> int:
        """Room for further packets."""
        return CAPACITY - (self._end - self._base)

    def _find_head(self) -> None:
        for seq in range(self._base, self._end):
            message = self._slots[seq & _SLOT]
            if message is not None:
                self._head = seq
                self.next_at = message.due_at
                return
        self._head = None
        self.next_at = inf

    def _forget(self, first: int, end: int) -> None:
        if self._missing:
            for seq in range(first, end):
                self._missing.pop(seq, None)
        if self._tolerance is not None:
            self._tolerance.forget(first, end)


def _ranges(numbers: Iterable[int]) -> list[Range]:
    """Runs of growing numbers, wrapped, as a NAK has them."""
    ranges: list[Range] = []
    first = last = -1
    for seq in numbers:
        if seq != last + 1:
            if last >= 0:
                ranges.append((first & SEQUENCE_MASK, last & SEQUENCE_MASK))
            first = seq
        last = seq
    if last >= 0:
        ranges.append((first & SEQUENCE_MASK, last & SEQUENCE_MASK))
    return ranges
