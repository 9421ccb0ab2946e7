"""Congestion control that plans each video frame: it predicts what the frame will meet, and says how large it may be.

A window or a rate says how much may leave over a round trip. Video at 60 frames a second on a mobile link asks
something else: what can this one frame have, so that it is through before the next one comes? The answer needs two
numbers, which receive times give:

- *The rate* of the link, from the time that packets took to be served (`service_rate.py`), over the last 150 ms of
  service, or over the newest 40 ms where that is less, because a link that has just become slower must be believed at
  once.
- *The backlog* when the frame will come to the link: what has left and was not reported, less what the link will have
  served by then. It serves one packet after the other, and nothing while nothing is there.

The budget is what the rate carries in a frame interval, less where the rate varies: what cannot be predicted must be
kept short. So a queue stays as long as it is. It should be as long as a *slack*, so that the link is not idle when the
next frame is a little late. Where the backlog is shorter, a part of what is missing comes on top: a frame that filled
all of it would be followed by a small one, and an encoder cannot use a budget that rises steeply. Where it is longer,
all that is too much is taken off at once.

Where the budget is too small for a picture, nothing is sent, except a small frame now and then that finds out whether
the link is back. While they come soon they double, so that a link that carries pictures again is not taken for a slow
one because it was asked for so little; where a report is long overdue they are small again. They become rarer the
longer nothing is heard, more slowly where silence came from the way back before; and where the link goes on but slowly,
the longer the queue takes that stands there. When the link is back, what is in flight begins small and doubles
(`slow_restart.py`). Where no queue is seen, the rate grows, as the link may carry more than it was asked to; but not by
what was sent into a silence, which was too little to show one.

What a packet waits is told by the least delay of the last seconds, so the queue has to be empty now and then: on a
steady link a slack would stand in it for ever, and be taken for a part of the path. Where no packet found it empty for
a while, a few frames are small.

The constants were chosen on two recorded drives, and each says what it balances; docs/adaptive.md tells which, and how
it does on others. The idea of a budget by what the queue will be is Sprout's and Salsify's (NSDI 2013, NSDI 2018).
"""

import math
from collections import deque

from glassbench.transport.congestion.controller import Allowance, Feedback, PacketResult, SentPacket
from glassbench.transport.congestion.one_way import Least, OneWayDelays
from glassbench.transport.congestion.service_rate import ServiceRate
from glassbench.transport.congestion.slow_restart import SlowRestart

_INITIAL_RTT = 0.1  # seconds, as all times
_SLACK = 0.023  # of queue, so that the link is not idle when the next frame is a little late
_LEAST_SLACK = 0.004  # on a slow link, where a packet takes most of it
_FILLING = 0.6  # of what is missing to the slack, with each frame: x264 leaves unused what rises to more than twice
_CAUTION = 0.85  # of a frame interval less for a variation of 1: what cannot be predicted must be kept short
_LEAST_SERVICE = 0.35  # of a frame interval
_OVERDUE = 0.045  # a report that is late by more tells of a slower link before it comes
_LONG_OVERDUE = 0.5  # after which small frames are small again: sooner, and pictures worth looking at come later
_EMPTY = 0.001  # a packet that waited for less found the queue empty
_DRAIN_INTERVAL = 5.0  # three times as often as the least delays are forgotten
_LONGEST_DRAIN = 0.1  # a link that brings a packet a second is not a queue that can be emptied
_PICTURE_SHARE = 0.4  # of a frame at the full rate: a smaller one is not worth its packet
_PICTURE_BYTES = 2200  # and more than that is always worth it
_SMALL_BYTES = 250  # what shows life; five of them share the opportunity of a packet on a recorded link
_LEAST_BYTES = 40  # of a packet with a frame in it: encoders make small frames smaller yet
_USED = 0.7  # of a small frame: encoders leave a part of what they may have
_SOON = 0.020  # a packet that waited for less met no queue: some links serve each packet so late, however small
_SMALL_IN_FLIGHT = 1104  # two small frames in flight, with headers, keep nobody waiting
_SMALL_INTERVAL = 0.100
_LEAST_SPACING = 0.040  # of small frames: x264 cannot make the picture after a small one large
_MOST_SPACING = 0.090  # so soon after a link is back something new is on its way
_DECODE = 0.0012  # what a receiver needs for the smallest frame: all that were queued are decoded one by one
_STANDING = 0.25  # of the age of what was not reported, while the link goes on: four small frames wait at a time
_GOES_ON = 1.0  # a link that brought something so recently does
_THINNING = 4.0
_THINNING_UP = 0.05  # of the silence: where the way back is silent, small frames do arrive
_SILENCE = 0.150  # of which it is asked which way was silent
_SILENCE_WEIGHT = 0.3
_LOSSY = 0.05  # of a round's packets: fewer losses are the radio's
_SHRINK = 0.8  # of what may wait in queues, for each lossy round
_REGROWTH = 1.02  # for each other round
_LEAST_SHARE = 0.1
_WINDOW_QUEUE = 0.25  # a sender that ignores the budgets makes at most this much of a queue
_UNCLEAR = 12  # packets that arrived, too few of which waited for another: only frames of two packets show a rate
_UNCLEAR_IN_FLIGHT = 6000  # bytes: four packets, as the link may be slow
_LEAST_WINDOW = 64  # packets: what leaves at 25 Mbit/s in a frame interval and a short round trip
_FIRST_WINDOW = 24  # packets of large frames, until something is known: four frames at 4.5 Mbit/s and 60 a second
_MOST_OUTSTANDING = 4096


class AdaptiveController:
    """A `Controller` that is a `FramePlanner`. It wants the peer's receive times; without, it takes the instants at
    which acknowledgements came."""

    def __init__(self, *, max_datagram_bytes: int) -> None:
        self._packet = max_datagram_bytes
        self._link = ServiceRate()
        self._delays = OneWayDelays()
        self._restart = SlowRestart()
        self._arrived = 0  # packets
        self._rtt = Least()
        self._heard_at = -math.inf
        self._last_sent_at = -math.inf
        self._resumed_at = -math.inf  # when the latest silence ended
        self._emptied_at = -math.inf  # when we last heard of a packet that found the queue empty
        self._drained_at = -math.inf  # when frames were last made small for that
        self._outstanding: deque[SentPacket] = deque(maxlen=_MOST_OUTSTANDING)  # sent after the newest that arrived
        self._silent_backward = 0.5  # how often silence came from the way back, from 0 to 1
        self._small_bytes = _SMALL_BYTES  # how large a small frame may be: twice what came soon
        self._share = 1.0  # of what may wait in queues, less where that is lost: the queues of the path are shorter
        self._round_ends_at = -math.inf
        self._round_arrived = self._round_lost = 0

    @property
    def allowance(self) -> Allowance:
        rtt = self._rtt.value(_INITIAL_RTT)
        rate = self._link.value or _LEAST_WINDOW * self._packet / rtt
        window = self._window
        return Allowance(
            window_bytes=window,
            unpaced_bytes=window,
            pacing_bps=rate * 8,
            burst_bytes=window,
            target_bps=rate * 8,
            base_rtt=rtt,
            probe=self._link.value is None,
        )

    def frame_budget(self, *, in_flight_bytes: int, ready_at: float, interval: float, now: float) -> int | None:
        if self._link.value is None:
            if self._arrived > _UNCLEAR and not self._link.has_samples and in_flight_bytes < _UNCLEAR_IN_FLIGHT:
                return 2 * self._packet
            if in_flight_bytes < _FIRST_WINDOW * self._packet:
                return None
            return _SMALL_BYTES if now - self._last_sent_at > _SMALL_INTERVAL else 0
        if in_flight_bytes + self._packet > self._window:
            return 0  # it could not leave
        rate = self._believed_rate(self._link.value, now)
        room = rate * self._slack(rate) - self._backlog(in_flight_bytes, rate, ready_at - now, now)
        budget = rate * self._service(interval) + min(room, _FILLING * room)
        budget = min(budget, self._restart.room_bytes - in_flight_bytes)
        worth_its_packet = max(_SMALL_BYTES, int(_PICTURE_SHARE * rate * interval))
        if self._drains(rate, now):
            budget = min(budget, worth_its_packet)
        least = min(_PICTURE_BYTES, worth_its_packet)
        small = _SMALL_BYTES if self._overdue(self._link.value, now) > _LONG_OVERDUE else self._small_bytes
        if budget >= least:
            return max(int(budget), small) if in_flight_bytes <= _SMALL_IN_FLIGHT else int(budget)
        if not in_flight_bytes:
            return max(least, small)
        return small if self._may_show_life(in_flight_bytes, now) else 0

    def on_sent(self, packet: SentPacket) -> None:
        self._outstanding.append(packet)
        if packet.size_bytes >= _LEAST_BYTES:  # what a transport sends to see whether the peer lives is smaller
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
        if _SILENCE < feedback.at - self._heard_at < math.inf:
            self._resumed_at = feedback.at
            self._link.end_growth()
        self._learn_of_silence(arrived[-1], feedback.at)
        for result in arrived:
            self._take(result, feedback.at)
        self._heard_at = feedback.at
        self._link.measure()

    def undo_losses(self, *, since: float, now: float) -> None:
        pass  # what a round of losses takes grows back by itself

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
        if self._link.value is None:
            return least
        return max(least, int(self._link.value * (self._rtt.value(_INITIAL_RTT) + _WINDOW_QUEUE * self._share)))

    def _service(self, interval: float) -> float:
        """Seconds that the link may need for a frame: less where the rate varies, and where the queues lose packets."""
        return interval * max(1 - _CAUTION * self._link.variation, _LEAST_SERVICE) * self._share

    def _slack(self, rate: float) -> float:
        """Seconds that the queue should be long: less where it loses packets. The time of a packet is taken off, as the
        least delay has one in it, so that as much more stands in the queue."""
        return max(_SLACK - self._packet / rate, _LEAST_SLACK) * self._share

    def _drains(self, rate: float, now: float) -> bool:
        """Whether a frame has to be small, so that a packet behind it finds the queue empty and shows the least delay
        (as BBR's ProbeRTT does, draft-ietf-ccwg-bbr section 5.3.4.3). The slack stands in the queue, or a packet where
        that is more; small frames leave the rest of each frame interval to them."""
        if now - max(self._emptied_at, self._drained_at) > _DRAIN_INTERVAL:
            self._drained_at = now
        return now - self._drained_at < min(max(_SLACK, self._packet / rate) / (1 - _PICTURE_SHARE), _LONGEST_DRAIN)

    def _believed_rate(self, rate: float, now: float) -> float:
        """The rate in bytes per second. Less if the report of the next packet is overdue: that was served for as long
        at least."""
        overdue = self._overdue(rate, now)
        return min(rate, self._outstanding[0].size_bytes / overdue) if overdue > _OVERDUE else rate

    def _overdue(self, rate: float, now: float) -> float:
        """For how many seconds the report of the next packet should have been here, at a rate in bytes per second."""
        if not self._outstanding:
            return 0.0
        return now - (self._served_from + self._outstanding[0].size_bytes / rate + self._delays.backward)

    @property
    def _served_from(self) -> float:
        """Since when the link has served the next packet, of those that were not reported."""
        return max(self._link.last_arrival, self._outstanding[0].at + self._delays.forward)

    def _backlog(self, in_flight_bytes: int, rate: float, ahead: float, now: float) -> float:
        """Bytes that will lie in the queue when a frame comes that leaves in `ahead` seconds. The link serves packet
        after packet, none before it is there; of what is served since reports are overdue nobody knows."""
        if not self._outstanding:
            return float(in_flight_bytes)
        forward = self._delays.forward
        until = min(now + forward, self._served_from + self._rtt.value(_INITIAL_RTT) + _OVERDUE) + ahead
        served_at, left = self._link.last_arrival, float(in_flight_bytes)
        for packet in self._outstanding:
            begins = max(served_at, packet.at + forward)
            served_at = begins + packet.size_bytes / rate
            if served_at > until:
                left -= max(0.0, until - begins) * rate
                break
            left -= packet.size_bytes
        return max(0.0, left)

    def _may_show_life(self, in_flight_bytes: int, now: float) -> bool:
        """Whether a small frame may leave, though there is no room for a picture.

        In a silence of T seconds, frames with a spacing s cost T c / s when it ends, if each costs c in the queue or at
        the decoder, and the newest is s / 2 old on average: the best spacing grows with the root of T c. On a link that
        goes on but slowly, what waits already makes all that comes later: then few may wait.
        """
        quiet = now - self._last_sent_at
        if in_flight_bytes <= _SMALL_IN_FLIGHT and quiet > _SMALL_INTERVAL:
            return True
        silence = now - self._heard_at
        cost = max(_SMALL_BYTES / self._link.measured, _DECODE)
        spacing = min(math.sqrt(_THINNING * silence * cost), max(_MOST_SPACING, cost))
        if self._outstanding and silence < _GOES_ON:
            spacing = max(spacing, _STANDING * (now - self._outstanding[0].at))
        if self._silent_backward > 0.5:
            spacing = min(spacing, _THINNING_UP * silence)
        return quiet > max(_LEAST_SPACING, spacing)

    def _take(self, result: PacketResult, at: float) -> None:
        """A packet arrived."""
        self._arrived += 1
        was_timed = self._delays.timed
        arrival = self._delays.arrival(result.packet.at, result.received_at, now=at)
        if self._delays.timed and not was_timed:
            self._link.restart_clock()
        empty_at = result.packet.at + self._delays.forward
        if self._link.value is not None:
            self._restart.on_arrival(
                result.packet,
                waited=arrival - max(empty_at, self._link.last_arrival),
                enough_bytes=self._link.value * (self._rtt.value(_INITIAL_RTT) + _OVERDUE),
                now=at,
            )
        if arrival - empty_at < _EMPTY:
            self._emptied_at = at
        self._link.add(arrival, empty_at, result.packet.size_bytes, grows=result.packet.at >= self._resumed_at)
        if arrival - empty_at > _SOON:
            self._small_bytes = _SMALL_BYTES
        elif result.packet.size_bytes >= _USED * self._small_bytes:
            self._small_bytes = min(2 * self._small_bytes, _PICTURE_BYTES)

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
        if at - self._heard_at < _SILENCE or not math.isfinite(self._heard_at):
            return
        if newest.received_at is None or not self._delays.timed:
            return
        grown_forward = newest.received_at - newest.packet.at - self._delays.forward
        grown_backward = at - newest.received_at - self._delays.backward
        was_backward = 1.0 if grown_backward > grown_forward else 0.0
        self._silent_backward += _SILENCE_WEIGHT * (was_backward - self._silent_backward)
