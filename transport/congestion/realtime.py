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
first packets of trains, which meet no queue of ours, show jitter.

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
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from glassbench.transport.congestion.pacer import Pacer

_INITIAL_PACKETS = 10  # RFC 9002 7.2
_USED_FACTOR = 2  # a window is used if half of it was in flight, and then grows by what is acknowledged
_FAST_FACTOR = 3  # where the window was full and no queue shows: it grows by twice what is acknowledged
_MIN_PACKETS = 4  # with fewer in flight there is nothing to reduce
_INITIAL_RTT = 0.1  # seconds, as all times
_PROBE_GAIN = 2.0
_TRAIN_GAP = 0.004  # a longer pause starts a new train; over the 2 ms between releases of a pacer with 1 ms timers
_TRAIN_RESOLUTION = 0.002  # no train is said to have passed faster: jitter of that size is everywhere
_RTT_RESOLUTION = 0.002  # within so much of the base, the base was seen again
_BASE_EPOCH = 2.5  # how long a base round trip is believed without being seen again
_RATE_WINDOW = 0.03  # the least over which acknowledged bytes are a rate: several delayed ACKs
_STANDING_WINDOW = 0.01
_LOSS_THRESHOLD = 0.1
_LOSS_FACTOR = 0.85
_UNLIMITED_FACTOR = 2.0


@dataclass(frozen=True, slots=True)
class _Sent:
    size: int
    at: float
    train_at: float
    train_bytes: int  # after the first packet of the train, up to and with this one
    clean: bool  # hardly anything of ours was in flight: its round trip is the path's, not our queue's
    loaded: bool  # enough was in flight for a queue to be ours
    idle_at: float  # when the application last had nothing to send


class _Acked(NamedTuple):
    size: int
    acked_in: float
    sent_in: float
    since: float  # when the first of it was sent


class RealtimeController:
    """One sender's window and pacing. Sans-IO: `now` in seconds, sizes in bytes, packets named by any unique number."""

    def __init__(self, *, max_datagram_bytes: int, target_queue: float = 0.025) -> None:
        self.bytes_in_flight = 0
        self._packet = max_datagram_bytes
        self._target = target_queue
        self._pacer = Pacer(max_datagram_bytes=max_datagram_bytes)
        self._sent: dict[int, _Sent] = {}
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
        self._idle_at = -1.0
        self._recent_rtts: deque[tuple[float, float]] = deque()  # (at, rtt), rtt ascending: the first is the minimum
        self._delivered = 0
        self._acks: deque[tuple[float, int, float]] = deque()  # (at, delivered, sent_at of the newest), one round trip
        self._train_at = 0.0
        self._train_bytes = 0
        self._acked_train_at = -1.0  # the train of the newest packet that was acknowledged
        self._train_seen_at = -1.0  # when the first of it was
        self._last_sent_at = -1.0
        self._round_at = self._last_round_at = 0.0
        self._round_ends_at = 0.0
        self._round_acked = 0
        self._round_lost = 0
        self._lossy = False
        self._before_loss: tuple[bool, float] | None = None  # slow start and rate, ahead of rounds with little but loss

    @property
    def base_rtt(self) -> float:
        """The path's own round-trip time as far as known, in seconds."""
        return self._base_rtt if self._base_rtt is not None else _INITIAL_RTT

    @property
    def in_slow_start(self) -> bool:
        """Whether the path has not shown a limit yet, so that `rate` may be far too low."""
        return self._slow_start

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

    def arrival_of(self, size_bytes: int, *, now: float) -> float:
        """When the last of so many bytes will arrive if they follow what is in flight."""
        queue = max(0.0, self.bytes_in_flight / self.rate - self.base_rtt)
        return now + queue + size_bytes / self.rate + self.base_rtt / 2

    @property
    def window(self) -> int:
        """Bytes that may be in flight."""
        if self._draining:
            return max(2 * self._packet, int(self.rate * self.base_rtt / 2))
        measured = int(self._rate * (self.base_rtt + self.target))
        return max(self._slow_start_window if self._slow_start else _MIN_PACKETS * self._packet, measured)

    @property
    def pacing_rate(self) -> float:
        """Bytes per second; in slow start for what is beyond its window."""
        if self._slow_start:
            return max(self._rate, 1.0)  # nothing is measured at first
        return self.rate * (_PROBE_GAIN if self._probing else 1.0)

    @property
    def _probing(self) -> bool:
        """Whether the path may carry more than the rate: there is hardly a queue, and few losses."""
        return self.standing_queue < self.target / 2 and not self._lossy

    def packets_allowed(self, *, now: float) -> int:
        """Full packets that may leave at `now`."""
        room = max(0, (self.window - self.bytes_in_flight) // self._packet)
        paced = min(room, max(0, self._pacer.packets(self.pacing_rate, now=now)))
        if not self._slow_start:
            return paced
        return max(paced, (self._slow_start_window - self.bytes_in_flight) // self._packet)  # the latter is not paced

    def next_send_at(self) -> float | None:
        """When pacing lets the next packets go, if the window has room; else only an ACK can help, and it is None."""
        if self.window - self.bytes_in_flight < self._packet:
            return None
        return self._pacer.next_at(self.pacing_rate)

    def resize(self, max_datagram_bytes: int) -> None:
        """Packets may have another size from now on; the initial window is of packets (RFC 9002 7.2)."""
        self._packet = max_datagram_bytes
        self._pacer.resize(max_datagram_bytes)
        self._slow_start_window = max(self._slow_start_window, _INITIAL_PACKETS * max_datagram_bytes)

    def on_idle(self, *, now: float) -> None:
        """Everything that the application had to send has left."""
        self._idle_at = now

    def on_sent(self, number: int, size: int, *, now: float) -> None:
        """A packet left."""
        paced = 0.0 if self._slow_start else 2.5 * self._packet / self.pacing_rate
        if now - self._last_sent_at > max(_TRAIN_GAP, paced):
            self._train_at = now
            self._train_bytes = 0
        else:
            self._train_bytes += size
        self._last_sent_at = now
        clean = self.bytes_in_flight <= max(2 * self._packet, self.rate * self.base_rtt / 2)
        self.bytes_in_flight += size
        self._most_in_flight = max(self._most_in_flight, self.bytes_in_flight)
        if self.bytes_in_flight + self._packet > self.window:
            self._limited_at = now
        loaded = self.bytes_in_flight >= _MIN_PACKETS * self._packet
        self._sent[number] = _Sent(size, now, self._train_at, self._train_bytes, clean, loaded, self._idle_at)
        if not self._slow_start or self.bytes_in_flight > self._slow_start_window:
            self._pacer.spend(size)

    def on_acked(self, numbers: Iterable[int], rtt: float | None, *, now: float) -> None:
        """One ACK: the packets that are new in it, and the round-trip time of the newest, without the ACK delay."""
        acked = 0
        newest: _Sent | None = None
        first: _Sent | None = None  # of a train, with nothing of ours before it on the path
        for number in numbers:
            packet = self._sent.pop(number, None)
            if packet is None:
                continue
            self.bytes_in_flight -= packet.size
            acked += packet.size
            self._round_acked += 1
            if newest is None or packet.at >= newest.at:
                newest = packet
            if packet.clean and not packet.train_bytes:
                first = packet
        if newest is None:
            return
        if rtt is not None:
            self._update_delay(rtt, newest, now=now)
            if first is not None:
                self._update_jitter(rtt + newest.at - first.at)
        self._delivered += acked
        self._acks.append((now, self._delivered, newest.at))
        self._update_rate(newest, rtt, now=now)
        self._grow(acked)
        self._update_round(now=now)

    def on_lost(self, numbers: Iterable[int], *, now: float) -> None:
        """Packets declared lost by the transport's loss detection."""
        for number in numbers:
            packet = self._sent.pop(number, None)
            if packet is not None:
                self.bytes_in_flight -= packet.size
                self._round_lost += 1
        self._update_round(now=now)

    def on_narrowed(self) -> None:
        """What was lost of late was lost by its size: what was concluded from it does not hold."""
        if self._before_loss is not None:
            self._slow_start, self._rate = self._before_loss
            self._before_loss = None
        self._lossy = False
        self._round_lost = 0

    def on_discarded(self, numbers: Iterable[int]) -> None:
        """Packets no longer followed, which says nothing about the path (keys discarded, data probed with)."""
        for number in numbers:
            packet = self._sent.pop(number, None)
            if packet is not None:
                self.bytes_in_flight -= packet.size

    def _update_jitter(self, rtt: float) -> None:
        over = max(0.0, rtt - self.base_rtt)
        self._jitter = over if self._jitter is None else self._jitter + (over - self._jitter) / 8

    def _update_delay(self, rtt: float, newest: _Sent, *, now: float) -> None:
        """The base is lowered by any sample, and raised at the end of an epoch to the least of its clean ones.

        An epoch may have none. If the window was never full in it, the application is the limit and its pauses empty
        the queue: the least of all samples is the base. If the base was seen again, it stands. Else the queue may be
        ours and never empty, and the window is halved until a clean sample arrives (BBR's ProbeRTT).
        """
        if self._base_rtt is None or rtt < self._base_rtt:
            self._base_rtt = rtt
        self._epoch_least = min(self._epoch_least, rtt)
        if newest.clean:
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

    def _update_rate(self, newest: _Sent, rtt: float | None, *, now: float) -> None:
        sample = self._acked_sample(now=now)
        if self.standing_queue > self.target and newest.loaded:
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

    def _update_round(self, *, now: float) -> None:
        """Once per round trip: was so much lost that it cannot be the radio?"""
        if now < self._round_ends_at:
            return
        total = self._round_acked + self._round_lost
        self._lossy = self._round_lost >= _MIN_PACKETS and self._round_lost > _LOSS_THRESHOLD * total
        if self._lossy:
            self._before_loss = self._before_loss or (self._slow_start, self._rate)
            self._slow_start = False
            sample = self._acked_sample(now=now) if self._acks else None
            acked = sample.size / sample.acked_in if sample is not None else 0.0
            self._rate = max(self._rate * _LOSS_FACTOR, acked)
        elif self._round_acked >= _MIN_PACKETS:
            self._before_loss = None
        self._round_acked = self._round_lost = 0
        self._last_most_in_flight, self._most_in_flight = self._most_in_flight, self.bytes_in_flight
        self._last_round_at, self._round_at = self._round_at, now
        self._round_ends_at = now + self.base_rtt + max(0.0, self.standing_queue)
