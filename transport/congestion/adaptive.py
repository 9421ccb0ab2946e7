"""Congestion control that plans each video frame: it predicts what the frame will meet, and says how large it may be.

A window or a rate says how much may leave over a round trip. Video at 60 frames a second on a mobile link asks
something else: what can this one frame have, so that it is through before the next one comes? The answer needs two
numbers, which receive times give:

- *The rate* of the link, from *service times*. A packet that came while the link was busy took from its predecessor's
  arrival (or from the instant at which it would have arrived on an empty link) to its own. The rate is the bytes over
  the sum of such times in the last 150 ms of service, or over the newest 50 ms where that is less, because a link that
  has just become slower must be believed at once.
- *The backlog* when the frame will come to the link: what has left and was not reported, less what the rate carries
  until then.

The budget is what the rate carries in a *depth* of about one frame interval, less the backlog. It follows that the
queue is nearly empty when the next frame comes. The depth is smaller where the rate varies: what cannot be predicted
must be kept short.

Where the budget is too small for a picture, nothing is sent, except a small frame now and then that finds out whether
the link is back. They become rarer the longer nothing is heard, more slowly where silence came from the way back
before. Where no queue is seen, the rate grows, as the link may carry more than it was asked to.

The rules come from a study over recorded LTE and UMTS links, and each constant says what it balances; the ablation is
in docs/adaptive.md. The idea of a budget by what the queue will be is Sprout's and Salsify's (NSDI 2013, NSDI 2018),
the service time that of packet-train dispersion.
"""

import math
from collections import deque
from typing import NamedTuple

from glassbench.transport.congestion.controller import Allowance, Feedback, PacketResult, SentPacket

_INITIAL_RTT = 0.1  # seconds, as all times
_BACK_TO_BACK = 0.0011  # a packet that comes so soon after another one has waited for it: recorded links tick in 1 ms
_LONG_SERVICE = 0.020  # no link that carries video is idle for so long between two packets and then late by so much
_MOST_SERVICE = 0.050  # of one packet: after an outage the link is what it is now, not what it was
_SHORT_QUEUE = 0.005  # less is jitter
_QUIET = 0.030  # without a sign of a busy link for so long, the rate may grow
_GROWTH = 1.1  # for each packet that met no queue
_MOST_GROWTH = 10.0
_SERVICE_WINDOW = 0.150  # of service: long enough for the mean of a link that changes from millisecond to millisecond
_NEWEST_WINDOW = 0.030
_MOST_AGE = 0.500
_BELIEVABLE = 0.03
_DOUBT = 0.5
_USUAL_WINDOW = 3.0
_LEAST_SAMPLES = 4
_MOST_SAMPLES = 4096
_BASE_WINDOW = 15.0  # for which the least delay is believed: clocks drift, routes change
_OVERDUE = 0.045  # a report that is late by more tells of a slower link before any report does
_CHUNK = 0.015  # of service, for which a rate is compared with the others
_DEPTH = 1.0  # frame intervals that a frame may take to pass, on a link of ordinary variability
_LEAST_DEPTH = 0.0165
_PICTURE_BYTES = 2200  # less is not worth its packet while the link carries more
_SMALL_BYTES = 250  # what shows life, and on a slow link a picture
_PICTURE_SHARE = 0.4
_SMALL_IN_FLIGHT = 1104  # two small frames and their headers
_SMALL_INTERVAL = 0.100
_LEAST_INTERVAL = 0.025
_DECODE = 0.0012
_THINNING = 4.0
_MOST_SPACING = 0.090  # so soon after a link is back something new is on its way
_THINNING_UP = 0.05  # where the way back is silent, small frames do arrive
_SILENCE = 0.150
_SILENCE_WEIGHT = 0.3
_LOSSY = 0.05  # of a round's packets: fewer losses are the radio's
_SHRINK = 0.8  # of what may wait in queues, for each lossy round
_REGROWTH = 1.02  # for each other round
_LEAST_SHARE = 0.1
_WINDOW_QUEUE = 0.25  # a sender that ignores the budgets fills at most this much of a queue
_LEAST_WINDOW = 64  # packets


class _Service(NamedTuple):
    """A packet that kept the link busy: when it arrived, for how long it was served, and its size."""

    at: float
    seconds: float
    size_bytes: int


class AdaptiveController:
    """A `Controller` that is a `FramePlanner`. It wants the peer's receive times; without, it takes the instants at
    which acknowledgements came."""

    def __init__(self, *, max_datagram_bytes: int) -> None:
        self._packet = max_datagram_bytes
        self._service: deque[_Service] = deque(maxlen=_MOST_SAMPLES)
        self._forward = _Least()  # one-way delay, with the clocks' difference in it
        self._backward = _Least()
        self._rtt = _Least()
        self._timed = False  # whether the peer tells when packets arrive
        self._boost = 1.0
        self._rate: float | None = None  # bytes per second, with the boost
        self._variation = 0.0
        self._usual_seconds = 0.0
        self._usual_bytes = 0.0
        self._last_arrival = -math.inf  # of the peer's clock
        self._busy_at = -math.inf  # of the peer's clock
        self._heard_at = -math.inf
        self._last_sent_at = -math.inf
        self._share = 1.0  # of what may wait in queues, less where that is lost: the queues of the path are shorter
        self._round_ends_at = -math.inf
        self._round_arrived = self._round_lost = 0
        self._outstanding: deque[SentPacket] = deque(maxlen=_MOST_SAMPLES)  # sent after the newest that arrived
        self._silent_backward = 0.5  # how often silence came from the way back, from 0 to 1

    @property
    def allowance(self) -> Allowance:
        rtt = self._rtt.value(_INITIAL_RTT)
        rate = self._rate if self._rate is not None else _LEAST_WINDOW * self._packet / rtt
        return Allowance(
            window_bytes=self._window,
            unpaced_bytes=self._window,
            pacing_bps=rate * 8,
            burst_bytes=self._window,
            target_bps=rate * 8,
            base_rtt=rtt,
            probe=self._rate is None,
        )

    def frame_budget(self, *, in_flight_bytes: int, ready_at: float, interval: float, now: float) -> int | None:
        if self._rate is None:
            if in_flight_bytes < _LEAST_WINDOW * self._packet:
                return None
            return _SMALL_BYTES if now - self._last_sent_at > _SMALL_INTERVAL else 0
        if in_flight_bytes + _SMALL_BYTES > self._window:
            return 0  # it could not leave
        rate = self._believed_rate(now)
        depth = max(_LEAST_DEPTH, _DEPTH * interval) * min(max(1.4 - 0.5 * self._variation, 0.3), 2.0)
        depth *= self._share
        budget = rate * depth - self._backlog(in_flight_bytes, rate, ready_at - now, now)
        least = min(_PICTURE_BYTES, max(_SMALL_BYTES, int(_PICTURE_SHARE * rate * interval)))
        if budget >= least:
            return int(budget)
        if not in_flight_bytes:
            return least
        return _SMALL_BYTES if self._may_show_life(in_flight_bytes, now) else 0

    def on_sent(self, packet: SentPacket) -> None:
        self._outstanding.append(packet)
        if packet.size_bytes >= _SMALL_BYTES:  # what a transport sends to see whether the peer lives is smaller
            self._last_sent_at = packet.at

    def on_feedback(self, feedback: Feedback) -> None:
        arrived = [result for result in feedback.results if not result.lost]
        self._learn_of_loss(len(arrived), len(feedback.results) - len(arrived), feedback.at)
        if not arrived:
            return
        newest = max(result.packet.number for result in arrived)
        while self._outstanding and self._outstanding[0].number <= newest:
            self._outstanding.popleft()
        if feedback.rtt is not None:
            self._rtt.add(feedback.rtt, at=feedback.at)
        self._learn_of_silence(arrived[-1], feedback.at)
        for result in arrived:
            self._take(result, feedback.at)
        self._heard_at = feedback.at
        self._measure()

    def undo_losses(self, *, since: float, now: float) -> None:
        pass  # nothing was concluded from losses

    def resize(self, max_datagram_bytes: int) -> None:
        self._packet = max_datagram_bytes

    def get_timer(self) -> float | None:
        return None

    def handle_timer(self, *, now: float) -> None:
        pass

    @property
    def _window(self) -> int:
        """Bytes. Budgets stay far below it; it holds back an application that does not ask for them."""
        least = _LEAST_WINDOW * self._packet
        return (
            least
            if self._rate is None
            else max(least, int(self._rate * (self._rtt.value(_INITIAL_RTT) + _WINDOW_QUEUE * self._share)))
        )

    def _take(self, result: PacketResult, at: float) -> None:
        """A packet arrived: was the link busy with it, and for how long?"""
        sent_at = result.packet.at
        arrival = self._arrival(result, at)
        delay = arrival - sent_at
        self._forward.add(delay, at=at)
        base = self._forward.value(delay)
        empty_at = sent_at + base  # when it would have arrived on an empty link
        service = arrival - max(self._last_arrival, empty_at)
        if self._last_arrival > -math.inf and (
            empty_at <= self._last_arrival + _BACK_TO_BACK or service > _LONG_SERVICE
        ):
            self._service.append(_Service(arrival, max(0.0, min(service, _MOST_SERVICE)), result.packet.size_bytes))
            self._busy_at = arrival
            self._boost = 1.0
            seconds = self._service[-1].seconds
            keep = math.exp(-seconds / _USUAL_WINDOW)
            self._usual_seconds = self._usual_seconds * keep + seconds
            self._usual_bytes = self._usual_bytes * keep + result.packet.size_bytes
        elif delay - base < _SHORT_QUEUE and arrival - self._busy_at > _QUIET:
            self._boost = min(_MOST_GROWTH, self._boost * _GROWTH)
        self._last_arrival = max(self._last_arrival, arrival)

    def _arrival(self, result: PacketResult, at: float) -> float:
        """When the packet arrived, of the peer's clock if the peer has ever told that, else of ours."""
        if result.received_at is None:
            return at - self._backward.value(0.0)
        if not self._timed:
            self._timed = True
            self._forward = _Least()
            self._last_arrival = self._busy_at = -math.inf
        self._backward.add(at - result.received_at, at=at)
        return result.received_at

    def _measure(self) -> None:
        """The rate and its variation over the window of service."""
        samples = self._service
        while len(samples) > _LEAST_SAMPLES and self._last_arrival - samples[0].at > _MOST_AGE:
            samples.popleft()
        whole, newest = _Sum(), _Sum()
        rates: list[float] = []
        chunk = _Sum()
        for sample in reversed(samples):
            if whole.seconds >= _SERVICE_WINDOW and whole.samples >= _LEAST_SAMPLES:
                break
            whole.add(sample)
            if newest.seconds < _NEWEST_WINDOW or newest.samples < _LEAST_SAMPLES:
                newest.add(sample)
            chunk.add(sample)
            if chunk.seconds >= _CHUNK:
                rates.append(chunk.bytes / chunk.seconds)
                chunk = _Sum()
        while len(samples) > whole.samples:
            samples.popleft()
        if whole.samples >= _LEAST_SAMPLES and whole.seconds > 0:
            slowest = max(self._padded(whole), self._padded(newest))
            self._rate = self._boost / slowest
            self._variation = _variation(rates)

    def _padded(self, total: "_Sum") -> float:
        """Seconds a byte takes. What little service there was since a silence says little: the usual rate fills it up
        to a time that can be believed."""
        missing = max(0.0, _BELIEVABLE - total.seconds)
        if not missing or not self._usual_seconds:
            return total.seconds / total.bytes
        usual = _DOUBT * self._usual_bytes / self._usual_seconds
        return _BELIEVABLE / (total.bytes + missing * usual)

    def _believed_rate(self, now: float) -> float:
        """The rate in bytes per second. Less if the report of the next packet is overdue: that was served for as long
        at least."""
        assert self._rate is not None
        if not self._outstanding:
            return self._rate
        following = self._outstanding[0]
        served_from = max(self._last_arrival, following.at + self._forward.value(0.0))
        expected_at = served_from + following.size_bytes / self._rate + self._backward.value(0.0)
        overdue = now - expected_at
        return min(self._rate, following.size_bytes / overdue) if overdue > _OVERDUE else self._rate

    def _backlog(self, in_flight_bytes: int, rate: float, ahead: float, now: float) -> float:
        """Bytes that will lie in the queue when a frame comes that leaves in `ahead` seconds."""
        rtt = self._rtt.value(_INITIAL_RTT)
        since = now - (self._last_arrival - self._forward.value(0.0))  # the last arrival, in our clock
        served = rate * (min(max(since, rtt), rtt + _OVERDUE) + ahead)
        return max(0.0, in_flight_bytes - served)

    def _may_show_life(self, in_flight_bytes: int, now: float) -> bool:
        """Whether a small frame may leave, though there is no room for a picture."""
        quiet = now - self._last_sent_at
        if in_flight_bytes <= _SMALL_IN_FLIGHT and quiet > _SMALL_INTERVAL:
            return True
        assert self._rate is not None
        silence = now - self._heard_at
        cost = max(_SMALL_BYTES * self._boost / self._rate, _DECODE)
        spacing = min(math.sqrt(_THINNING * silence * cost), max(_MOST_SPACING, cost))
        if self._silent_backward > 0.5:
            spacing = min(spacing, _THINNING_UP * silence)
        return quiet > max(_LEAST_INTERVAL, spacing)

    def _learn_of_loss(self, arrived: int, lost: int, at: float) -> None:
        """Once a round trip: was so much lost that a queue must have been full?"""
        self._round_arrived += arrived
        self._round_lost += lost
        if at < self._round_ends_at:
            return
        lossy = self._round_lost > 1 and self._round_lost > _LOSSY * (self._round_arrived + self._round_lost)
        self._share = min(max(self._share * (_SHRINK if lossy else _REGROWTH), _LEAST_SHARE), 1.0)
        self._round_ends_at = at + self._rtt.value(_INITIAL_RTT)
        self._round_arrived = self._round_lost = 0

    def _learn_of_silence(self, newest: PacketResult, at: float) -> None:
        """After a silence: was it the way back? Then what was sent meanwhile arrived in time."""
        if at - self._heard_at < _SILENCE or not math.isfinite(self._heard_at) or newest.received_at is None:
            return
        forward = newest.received_at - newest.packet.at
        backward = at - newest.received_at
        grown_back = backward - self._backward.value(backward)
        was_backward = 1.0 if grown_back > forward - self._forward.value(forward) else 0.0
        self._silent_backward += _SILENCE_WEIGHT * (was_backward - self._silent_backward)


class _Sum:
    """Samples of service, added up."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.bytes = 0
        self.samples = 0

    def add(self, sample: _Service) -> None:
        self.seconds += sample.seconds
        self.bytes += sample.size_bytes
        self.samples += 1


class _Least:
    """The least value of the last _BASE_WINDOW seconds (Lemire's monotonic queue)."""

    def __init__(self) -> None:
        self._values: deque[tuple[float, float]] = deque()

    def add(self, value: float, *, at: float) -> None:
        values = self._values
        while values and values[-1][1] >= value:
            values.pop()
        values.append((at, value))
        while values[0][0] < at - _BASE_WINDOW:
            values.popleft()
        if len(values) > _MOST_SAMPLES:
            values.popleft()

    def value(self, otherwise: float) -> float:
        return self._values[0][1] if self._values else otherwise


def _variation(rates: list[float]) -> float:
    """Standard deviation over mean, 0 of fewer than three."""
    if len(rates) < 3:
        return 0.0
    mean = sum(rates) / len(rates)
    return math.sqrt(sum((rate - mean) ** 2 for rate in rates) / len(rates)) / mean
