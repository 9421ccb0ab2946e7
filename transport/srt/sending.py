"""The sending half of a connection: buffer, retransmission, pacing, and the drop of what is too late (TLPKTDROP).

Sequence numbers are plain growing integers inside; only their low 31 bits are on the wire. A packet's number,
timestamp and bytes are fixed when its message is queued, as in libsrt, so messages leave in the order of submission:
live mode has no priorities. Retransmissions wait until no new packet does: that is libsrt 1.5
(isRetransmissionAllowed), where the draft has it the other way round (draft-sharabayko-srt 4.8.2).
"""

from collections import Counter, deque
from math import inf

from glassbench.transport.contract import Address, Datagram, Event, FrameDropped, FrameRepaired, FrameSent, FrameStarted
from glassbench.transport.round_trip import RoundTrip
from glassbench.transport.srt.bandwidth import Bandwidth
from glassbench.transport.srt.estimate import Backlog
from glassbench.transport.srt.wire import (
    HEADER,
    MESSAGE_NUMBER_MASK,
    SEQUENCE_MASK,
    SOLO_IN_ORDER,
    Range,
    retransmission,
    sequence_distance,
    timestamp_us,
)

CAPACITY = 8192  # packets; libsrt's SRTO_SNDBUF. A power of two, so that a sequence number finds its slot by a mask.
_SLOT = CAPACITY - 1
_FLOW_CONTROL = 25600  # SRTO_FC: the congestion window of live mode
_BURST = 0.001  # a pace of 12 us a packet, which is none, is left to no timer: a millisecond's worth leaves at once
_MIN_DROP_THRESHOLD = 1.0  # SRT_TLPKTDROP_MINTHRESHOLD_MS
_REACTION = 0.02  # 2 ACK intervals


class _Batch:
    """The messages of one call of `put`: one timestamp, one fate."""

    __slots__ = ("end", "first", "queued_at", "sequence", "size_bytes", "started", "track")

    def __init__(
        self, first: int, end: int, size_bytes: int, *, queued_at: float, track: int | None, sequence: int
    ) -> None:
        self.first = first
        self.end = end
        self.size_bytes = size_bytes
        self.queued_at = queued_at
        self.track = track
        self.sequence = sequence
        self.started = False


class SendBuffer:
    """Packets from submission to acknowledgement, at most 8192.

    `started_at` is the zero of our timestamps. `latency` is the TSBPD delay at the peer: what waited longer than that,
    or 1 s, plus 20 ms, is dropped (libsrt's sndDropTooLate; the draft recommends 1.25 times the latency, at least 1 s).
    `answers_all`: a request is answered even if the last answer to it is still on its way (SRTO_RETRANSMITALGO 0).
    Appends FrameStarted, FrameSent, FrameRepaired and FrameDropped to `events`.
    """

    def __init__(
        self,
        *,
        peer: Address,
        peer_socket: int,
        first_sequence: int,
        window: int,
        latency: float,
        drops_late: bool,
        started_at: float,
        bandwidth: Bandwidth,
        answers_all: bool,
        round_trip: RoundTrip,
        events: deque[Event],
        stats: Counter[str],
    ) -> None:
        self._peer = peer
        self._peer_socket = peer_socket
        self._started_at = started_at
        self._bandwidth = bandwidth
        self._answers_all = answers_all
        self._round_trip = round_trip
        self._events = events
        self._stats = stats
        self._lifetime = max(latency, _MIN_DROP_THRESHOLD) + _REACTION if drops_late else inf
        self._slots: list[Datagram | None] = [None] * CAPACITY
        self._acked = self._unsent = self._end = first_sequence  # all before: acknowledged or dropped; sent; queued
        self._window_end = first_sequence + min(window, _FLOW_CONTROL)
        self._message_number = 0
        self._held: deque[_Batch] = deque()  # not wholly acknowledged
        self._waiting: deque[_Batch] = deque()  # not wholly sent
        self._requested: dict[int, None] = {}
        self._resent_at: dict[int, float] = {}
        self._held_bytes = 0
        self._pace_at = -inf  # when the next packet may leave
        self._is_backlogged = False  # by the pace, not by the flow window

    def backlog(self) -> Backlog:
        """What is not wholly acknowledged, by calls of `put`, and how many packets have left."""
        return Backlog(self._held_bytes, self._stats["packets_sent"], self._stats["retransmissions"])

    def put(self, messages: list[bytes], *, now: float, track: int | None = None, sequence: int = 0) -> bool:
        """Queue messages with the source time `now`, all or none. `track` and `sequence` name the frame in events."""
        if self._end - self._acked + len(messages) > CAPACITY:
            return False
        self._bandwidth.on_input(messages, now=now)
        stamp = timestamp_us(now - self._started_at)
        first = seq = self._end
        number = self._message_number
        slots, peer, socket, pack = self._slots, self._peer, self._peer_socket, HEADER.pack
        for message in messages:
            number = number + 1 & MESSAGE_NUMBER_MASK or 1  # message 0 is reserved
            header = pack(seq & SEQUENCE_MASK, SOLO_IN_ORDER | number, stamp, socket)
            slots[seq & _SLOT] = Datagram(header + message, peer)
            seq += 1
        self._message_number = number
        self._end = seq
        batch = _Batch(first, seq, sum(map(len, messages)), queued_at=now, track=track, sequence=sequence)
        self._held.append(batch)
        self._held_bytes += batch.size_bytes
        self._waiting.append(batch)
        return True

    def take(self, *, now: float) -> list[Datagram]:
        """The packets that may leave now, within the pace: new ones in the flow window first, then retransmissions."""
        self._drop_late(now)
        if not self._waiting and not self._requested:
            return []
        datagrams: list[Datagram] = []
        if not self._is_backlogged:  # a late wake-up keeps its credit, idleness gives no more than one burst
            self._pace_at = max(self._pace_at, now - _BURST)
        end = min(self._end, self._window_end)
        seq, pace_at = self._unsent, self._pace_at
        slots, interval = self._slots, self._bandwidth.interval
        while seq < end and pace_at <= now:
            datagram = slots[seq & _SLOT]
            assert datagram is not None
            datagrams.append(datagram)
            self._stats["media_bytes"] += len(datagram[0])
            pace_at += interval(len(datagram[0]))
            seq += 1
        if seq > self._unsent:
            self._stats["packets_sent"] += seq - self._unsent
            self._unsent, self._pace_at = seq, pace_at
            self._report_progress(now)
        if self._may_retransmit():
            self._retransmit(datagrams, now)
        self._is_backlogged = seq < end or self._may_retransmit()
        return datagrams

    def next_at(self) -> float:
        """When `take` has something to do if nothing arrives; inf for never."""
        drop_at = self._held[0].queued_at + self._lifetime if self._held else inf
        if self._unsent < min(self._end, self._window_end) or self._may_retransmit():
            return min(drop_at, self._pace_at + _BURST)
        return drop_at

    def acknowledge(self, sequence: int, free_packets: int | None) -> bool:
        """The peer has all before `sequence`, and room for `free_packets` (None: not said). False: it cannot be."""
        acked = self._acked + sequence_distance(self._acked & SEQUENCE_MASK, sequence)
        if acked > self._unsent:
            return False
        if acked >= self._acked:
            if free_packets is not None:
                self._window_end = acked + min(free_packets, _FLOW_CONTROL)
            self._release(acked)
        return True

    def request(self, ranges: list[Range]) -> list[Range]:
        """The peer misses these packets; what was never sent is ignored. The answer: what is gone, for a DROPREQ."""
        gone: list[Range] = []
        for first_number, last_number in ranges:
            first = self._acked + sequence_distance(self._acked & SEQUENCE_MASK, first_number)
            last = min(first + sequence_distance(first_number, last_number), self._unsent - 1)
            if first < self._acked:
                gone.append((first_number, min(last, self._acked - 1) & SEQUENCE_MASK))
            self._requested.update(dict.fromkeys(range(max(first, self._acked), last + 1)))
        return gone

    def discard(self, *, now: float) -> None:
        """The connection is over: what was not wholly sent is dropped."""
        for batch in self._waiting:
            self._give_up(batch, now, expired=False)
        self._waiting.clear()
        self._held.clear()
        self._held_bytes = 0
        self._requested.clear()
        self._acked = self._unsent = self._end

    def _may_retransmit(self) -> bool:
        """Whether a retransmission may leave now. A new packet goes before it, even one that the flow window holds
        back."""
        return bool(self._requested) and self._unsent == self._end

    def _retransmit(self, datagrams: list[Datagram], now: float) -> None:
        """Send what was asked for, except what was sent again within the last round trip: that NAK crossed it.

        That exception is SRTO_RETRANSMITALGO 1, the default of libsrt 1.5, with its RTT - 4 * RTTVar.
        """
        resent_before = now - (self._round_trip.smoothed - 4 * self._round_trip.variance)
        if self._answers_all:
            resent_before = inf
        for seq in sorted(self._requested):
            if self._pace_at > now:
                return
            del self._requested[seq]
            if seq < self._acked or self._resent_at.get(seq, -inf) >= resent_before:
                continue
            datagram = self._slots[seq & _SLOT]
            assert datagram is not None
            datagrams.append(Datagram(retransmission(datagram.data), self._peer))
            self._pace_at += self._bandwidth.interval(len(datagram.data))
            self._resent_at[seq] = now
            self._stats["retransmissions"] += 1
            self._stats["repair_bytes"] += len(datagram.data)
            batch = next(batch for batch in self._held if seq < batch.end)
            if batch.track is not None:
                self._events.append(FrameRepaired(batch.track, batch.sequence, now, "rtx"))

    def _report_progress(self, now: float) -> None:
        while self._waiting and self._waiting[0].first < self._unsent:
            batch = self._waiting[0]
            if not batch.started and batch.track is not None:
                self._events.append(FrameStarted(batch.track, batch.sequence, now))
            batch.started = True
            if batch.end > self._unsent:
                return
            self._waiting.popleft()
            if batch.track is not None:
                self._events.append(FrameSent(batch.track, batch.sequence, now))

    def _drop_late(self, now: float) -> None:
        """Drop whole batches: their packets share one timestamp, so they are late together."""
        while self._held and self._held[0].queued_at + self._lifetime <= now:
            batch = self._held[0]
            self._stats["packets_dropped_late"] += batch.end - max(batch.first, self._acked)
            if batch.end > self._unsent:
                self._waiting.popleft()
                self._give_up(batch, now, expired=True)
                self._unsent = batch.end
            self._window_end += batch.end - self._acked
            self._release(batch.end)

    def _give_up(self, batch: _Batch, now: float, *, expired: bool) -> None:
        self._stats["dropped_expired" if expired else "dropped_full"] += 1
        if batch.track is not None:
            self._events.append(FrameDropped(batch.track, batch.sequence, now, "expired" if expired else "dropped"))

    def _release(self, acked: int) -> None:
        self._acked = acked
        while self._held and self._held[0].end <= acked:
            self._held_bytes -= self._held.popleft().size_bytes
        if self._resent_at:
            for seq in [seq for seq in self._resent_at if seq < acked]:
                del self._resent_at[seq]
