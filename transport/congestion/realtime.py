"""Congestion control for live video on links whose rate changes: the window follows the rate, the queue stays short.

Two quantities are measured, as in BBR (draft-ietf-ccwg-bbr): the base round-trip time and the rate at which the path
delivers. The window is `rate x (base + target queue)`: whatever the rate becomes, the queue that we cause ourselves is
held near the target. What differs from BBR is how the rate is measured, because video is application-limited: it comes
as one train of packets per frame, and bytes per round trip say little about the path.

- *Upwards*, by trains (packet-train dispersion: Dovrolis, Ramanathan, Moore, "Packet-dispersion techniques and a
  capacity-estimation methodology", ToN 2004): if the n-th packet of a train met q seconds of queue, the path carried
  the packets after the first in at most the time of their sending plus q. This needs no receive timestamps, holds when
  one ACK covers the whole train, and never collapses when the application has little to say.
- *Downwards*, only under congestion: if the application always had more to send, the path is the limit, and the
  acknowledged bytes over the last round trip are the rate (draft-cheng-iccrg-delivery-rate-estimation); else the rate
  is taken for twice as much at most, and the window will soon tell.

Congestion is a standing queue over the target (the minimum of the recent round-trip times, as in Copa, NSDI 2018, so
that delayed ACKs do not count; back to the first packet of a train that the window did not hold back), or over 10 % of
loss in a round; fewer losses are the radio's and change nothing. The target is 25 ms, and up to twice that where the
first packets of trains, which meet no queue of ours, show jitter. A mark by a queue (ECN) is congestion, too: once a
round the rate falls by 15 %, so that the queue drains though its delay is below the target.

While the queue is short (under half of the target) packets leave at twice the rate, so that the next train can show a
higher one; the window, which grows by `target / base` per round and by a packet at least (RFC 9002 7.3.3), bounds what
this can do to the delay. The target queue delay is the idea of SCReAM (RFC 8298) and LEDBAT (RFC 6817).

Until the first congestion the path has shown no limit, and what was measured says how much the application sent, not
what the path can carry. So no rate holds packets back then, only the window of RFC 9002: ten packets, which grow by
what is acknowledged (7.3.1) as long as they are used (7.8), to twice what was in flight at most; and where the window
was full and no queue shows, by twice that, to three times (SUSS, SIGCOMM 2024, allows four), because a live source goes
on while it waits. A burst that fits has therefore a precedent of a third of its size, which met no queue (7.7).
"""

import math
from collections import deque
from typing import NamedTuple

from glassbench.transport.congestion.controller import Allowance, Feedback, SentPacket

_INITIAL_PACKETS = 10  # RFC 9002 7.2
_USED_FACTOR = 2  # a window is used if half of it was in flight, and then grows by what is acknowledged
_FAST_FACTOR = 3  # where the window was full and no queue shows: it grows by twice what is acknowledged
_MIN_PACKETS = 4  # with fewer in flight there is nothing to reduce
_INITIAL_RTT = 0.1  # seconds, as all times
_PROBE_GAIN = 2.0
_BURST_PACKETS = 2  # small against any queue that matters to video
_TRAIN_RESOLUTION = 0.002  # no train is said to have passed faster: jitter of that size is everywhere
_RTT_RESOLUTION = 0.002  # within so much of the base, the base was seen again
_BASE_EPOCH = 2.5  # how long a base round trip is believed without being seen again
_RATE_WINDOW = 0.03  # the least over which acknowledged bytes are a rate: several delayed ACKs
_STANDING_WINDOW = 0.01
_LOSS_THRESHOLD = 0.1
_LOSS_FACTOR = 0.85
_UNLIMITED_FACTOR = 2.0


class _Mark(NamedTuple):
    """What is noted of a packet when it leaves."""

    clean: bool  # hardly anything of ours was in flight: its round trip is the path's, not our queue's
    loaded: bool  # enough was in flight for a queue to be ours


class _Acked(NamedTuple):
    size: int
    acked_in: float
    sent_in: float
    since: float  # when the first of it was sent


class RealtimeController:
    """The controller of our own design, with a queue of `target_queue` seconds as its aim."""

    def __init__(self, *, max_datagram_bytes: int, target_queue: float = 0.025) -> None:
        self._packet = max_datagram_bytes
        self._target = target_queue
        self._rate = 0.0  # bytes per second, as measured
        self._slow_start = True
        self._slow_start_window = _INITIAL_PACKETS * max_datagram_bytes
        self._base_rtt: float | None = None
        self._epoch_at = 0.0
        self._epoch_min = math.inf  # of clean samples
        self._epoch_least = math.inf  # of all samples
        self._limited_at = -1.0  # when the window last was full
        self._most_in_flight = self._last_most_in_flight = 0  # of this round, and of the one before
        self._draining = False
        self._jitter: float | None = None  # of round trips over the base, where it cannot be our queue
        self._recent_rtts: deque[tuple[float, float]] = deque()  # (at, rtt), rtt ascending: the first is the minimum
        self._delivered = 0
        self._acks: deque[tuple[float, int, float]] = deque()  # (at, delivered, sent_at of the newest), one round trip
        self._acked_train_at = -1.0  # the train of the newest packet that was acknowledged
        self._train_seen_at = -1.0  # when the first of it was
        self._round_at = self._last_round_at = 0.0
        self._round_ends_at = 0.0
        self._round_acked = 0
        self._round_lost = 0
        self._round_marked = 0
        self._lossy = False
        self._before_loss: tuple[bool, float] | None = None  # slow start and rate, ahead of rounds with little but loss

    @property
    def allowance(self) -> Allowance:
        return Allowance(
            window_bytes=self.window,
            unpaced_bytes=self._slow_start_window if self._slow_start else 0,
            pacing_bps=self._pacing_rate * 8,
            burst_bytes=_BURST_PACKETS * self._packet,
            target_bps=self.rate * 8,
            base_rtt=self.base_rtt,
            probe=self._slow_start,
        )

    @property
    def base_rtt(self) -> float:
        """The path's own round-trip time as far as known, in seconds."""
        return self._base_rtt if self._base_rtt is not None else _INITIAL_RTT

    @property
    def rate(self) -> float:
        """What the path is believed to deliver, in bytes per second."""
        window = self._slow_start_window if self._slow_start else _MIN_PACKETS * self._packet
        return max(self._rate, window / self.base_rtt)

    @property
    def standing_queue(self) -> float:
        """The queueing delay that even the luckiest recent packet met, in seconds."""
        return self._recent_rtts[0][1] - self.base_rtt if self._recent_rtts else 0.0

    @property
    def target(self) -> float:
        """The queueing delay that is accepted, in seconds: the path's own jitter is not our queue."""
        return self._target + min(2 * (self._jitter or 0.0), self._target)

    @property
    def window(self) -> int:
        """Bytes that may be in flight."""
        if self._draining:
            return max(2 * self._packet, int(self.rate * self.base_rtt / 2))
        measured = int(self._rate * (self.base_rtt + self.target))
        return max(self._slow_start_window if self._slow_start else _MIN_PACKETS * self._packet, measured)

    def on_sent(self, packet: SentPacket) -> None:
        ahead = packet.in_flight_bytes - packet.size_bytes
        clean = ahead <= max(2 * self._packet, self.rate * self.base_rtt / 2)
        self._most_in_flight = max(self._most_in_flight, packet.in_flight_bytes)
        if packet.in_flight_bytes + self._packet > self.window:
            self._limited_at = packet.at
        packet.memo = _Mark(clean, packet.in_flight_bytes >= _MIN_PACKETS * self._packet)

    def on_feedback(self, feedback: Feedback) -> None:
        acked = [result.packet for result in feedback.results if not result.lost]
        lost = [result.packet for result in feedback.results if result.lost]
        self._round_marked += feedback.ce_packets
        if acked:
            self._on_acked(acked, feedback.rtt, now=feedback.at)
            self._update_round(feedback.in_flight_bytes + sum(packet.size_bytes for packet in lost), now=feedback.at)
        if lost:
            self._round_lost += len(lost)
            self._update_round(feedback.in_flight_bytes, now=feedback.at)

    def undo_losses(self, *, since: float, now: float) -> None:
        if self._before_loss is not None:
            self._slow_start, self._rate = self._before_loss
            self._before_loss = None
        self._lossy = False
        self._round_lost = 0

    def resize(self, max_datagram_bytes: int) -> None:
        """The initial window is of packets (RFC 9002 7.2)."""
        self._packet = max_datagram_bytes
        self._slow_start_window = max(self._slow_start_window, _INITIAL_PACKETS * max_datagram_bytes)

    def get_timer(self) -> float | None:
        return None

    def handle_timer(self, *, now: float) -> None:
        pass

    @property
    def _pacing_rate(self) -> float:
        """Bytes per second; in slow start for what is beyond its window."""
        if self._slow_start:
            return max(self._rate, 1.0)  # nothing is measured at first
        return self.rate * (_PROBE_GAIN if self._probing else 1.0)

    @property
    def _probing(self) -> bool:
        """Whether the path may carry more than the rate: there is hardly a queue, and few losses."""
        return self.standing_queue < self.target / 2 and not self._lossy

    def _on_acked(self, packets: list[SentPacket], rtt: float | None, *, now: float) -> None:
        """One ACK: the packets that are new in it, and the round-trip time of the newest, without the ACK delay."""
        newest = packets[0]
        first: SentPacket | None = None  # of a train, with nothing of ours before it on the path
        for packet in packets:
            if packet.at >= newest.at:
                newest = packet
            if not packet.train_bytes and _mark(packet).clean:
                first = packet
        acked_bytes = sum(packet.size_bytes for packet in packets)
        self._round_acked += len(packets)
        if rtt is not None:
            self._update_delay(rtt, newest, now=now)
            if first is not None:
                self._update_jitter(rtt + newest.at - first.at)
        self._delivered += acked_bytes
        self._acks.append((now, self._delivered, newest.at))
        self._update_rate(newest, rtt, now=now)
        self._grow(acked_bytes)

    def _update_jitter(self, rtt: float) -> None:
        over = max(0.0, rtt - self.base_rtt)
        self._jitter = over if self._jitter is None else self._jitter + (over - self._jitter) / 8

    def _update_delay(self, rtt: float, newest: SentPacket, *, now: float) -> None:
        """The base is lowered by any sample, and raised at the end of an epoch to the least of its clean ones.

        An epoch may have none. If the window was never full in it, the application is the limit and its pauses empty
        the queue: the least of all samples is the base. If the base was seen again, it stands. Else the queue may be
        ours and never empty, and the window is halved until a clean sample arrives (BBR's ProbeRTT).
        """
        if self._base_rtt is None or rtt < self._base_rtt:
            self._base_rtt = rtt
        self._epoch_least = min(self._epoch_least, rtt)
        if _mark(newest).clean:
            self._epoch_min = min(self._epoch_min, rtt)
        if now - self._epoch_at >= _BASE_EPOCH:
            if self._epoch_min == math.inf and self._limited_at < self._epoch_at:
                self._epoch_min = self._epoch_least
            if self._epoch_min == math.inf and self._epoch_least <= self._base_rtt + _RTT_RESOLUTION:
                self._epoch_min = self._base_rtt
            self._draining = self._epoch_min == math.inf
            if not self._draining:
                self._base_rtt = self._epoch_min
                self._epoch_min = self._epoch_least = math.inf
                self._epoch_at = now
        while self._recent_rtts and self._recent_rtts[-1][1] >= rtt:
            self._recent_rtts.pop()
        self._recent_rtts.append((now, rtt))
        if newest.train_at != self._acked_train_at:
            self._acked_train_at, self._train_seen_at = newest.train_at, now
        oldest = now - max(self._base_rtt / 2, _STANDING_WINDOW)
        if self._limited_at < newest.train_at:  # what a frame meets of its own is over before the next one
            oldest = min(oldest, self._train_seen_at)
        while self._recent_rtts[0][0] < oldest:
            self._recent_rtts.popleft()

    def _grow(self, acked_bytes: int) -> None:
        """The window's own growth, beside that by a measured rate: only as far as what there is of it is used."""
        limited = self._limited_at >= self._last_round_at
        if self._slow_start:
            factor = _FAST_FACTOR if limited and self.standing_queue < _RTT_RESOLUTION else _USED_FACTOR
            most = factor * max(self._most_in_flight, self._last_most_in_flight)
            if self._slow_start_window < most:
                self._slow_start_window = min(self._slow_start_window + (factor - 1) * acked_bytes, most)
        elif limited and self._probing:  # a packet for each window acknowledged (7.3.3)
            self._rate += acked_bytes * self._packet / self.window / (self.base_rtt + self.target)

    def _update_rate(self, newest: SentPacket, rtt: float | None, *, now: float) -> None:
        sample = self._acked_sample(now=now)
        if self.standing_queue > self.target and _mark(newest).loaded:
            self._slow_start = False
            if sample is not None:
                acked = sample.size / sample.acked_in
                most = acked if newest.idle_at < sample.since else _UNLIMITED_FACTOR * acked
                self._rate = max(acked, min(self._rate, most))
            return
        if self._lossy:
            return
        if sample is not None:  # ACKs may come in a bunch, so never more than the rate of sending
            self._rate = max(self._rate, sample.size / max(sample.acked_in, sample.sent_in))
        if rtt is not None:  # one packet less: the base may be that of a larger one than this
            passed_in = newest.at - newest.train_at + max(rtt - self.base_rtt, _TRAIN_RESOLUTION)
            self._rate = max(self._rate, (newest.train_bytes - self._packet) / passed_in)

    def _acked_sample(self, *, now: float) -> _Acked | None:
        """What was acknowledged within the last round trip; None if that says nothing yet."""
        oldest = now - max(self.base_rtt, _RATE_WINDOW)
        while len(self._acks) > 2 and self._acks[1][0] <= oldest:
            self._acks.popleft()
        first_at, first_delivered, first_sent_at = self._acks[0]
        last_at, last_delivered, last_sent_at = self._acks[-1]
        if last_at - first_at < _RATE_WINDOW / 2:
            return None
        return _Acked(last_delivered - first_delivered, last_at - first_at, last_sent_at - first_sent_at, first_sent_at)

    def _update_round(self, in_flight_bytes: int, *, now: float) -> None:
        """Once per round trip: decide whether so much was lost that the radio alone cannot be the reason."""
        if now < self._round_ends_at:
            return
        total = self._round_acked + self._round_lost
        self._lossy = self._round_lost >= _MIN_PACKETS and self._round_lost > _LOSS_THRESHOLD * total
        if self._round_marked:  # what arrives still arrives at the rate that made the queue
            self._lossy = True
            self._slow_start = False
            self._rate *= _LOSS_FACTOR
        elif self._lossy:
            self._before_loss = self._before_loss or (self._slow_start, self._rate)
            self._slow_start = False
            sample = self._acked_sample(now=now) if self._acks else None
            acked = sample.size / sample.acked_in if sample is not None else 0.0
            self._rate = max(self._rate * _LOSS_FACTOR, acked)
        elif self._round_acked >= _MIN_PACKETS:
            self._before_loss = None
        self._round_acked = self._round_lost = self._round_marked = 0
        self._last_most_in_flight, self._most_in_flight = self._most_in_flight, in_flight_bytes
        self._last_round_at, self._round_at = self._round_at, now
        self._round_ends_at = now + self.base_rtt + max(0.0, self.standing_queue)


def _mark(packet: SentPacket) -> _Mark:
    assert isinstance(packet.memo, _Mark)
    return packet.memo
