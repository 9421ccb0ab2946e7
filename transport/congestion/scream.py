"""SCReAM version 2: a window that follows loss, marks and the queue delay, and a rate that follows the window.

draft-ietf-ccwg-rfc8298bis-screamv2-01, whose sections are named below, and the reference implementation of Ericsson
(https://github.com/EricssonResearch/scream). The draft's ref_wnd is the *reference window*: about so much is in flight.
It is reduced by a fixed share on loss and on RFC 3168's marks, by half the share of marked packets where the queue is
one of L4S, and by up to a half as the average queue delay goes from half of its target to the target. It grows by a
packet and 2 % a round trip, more slowly near the window at which there was congestion, after congestion, and where the
delay varies. It needs the times at which the peer received packets (`scream_delay.py`); feedback without them
leaves loss and marks. Where the draft leaves room or contradicts itself:

- *How often.* The text allows one reduction a round trip, the pseudo code one in 25 ms. Reductions by L4S marks and by
  delay are divided by the number of 25 ms in a round trip, so these follow the pseudo code. Fixed shares are not. So a
  loss or an RFC 3168 mark counts only if its packet left after the last such cut: once a round trip, as the reference.
- *Which loss.* Section 4.5.2 is used: a loss is congestion if more than 1 % are lost on average, or if the queue delay
  is over a quarter of its target. So the single losses of a radio link change nothing. Its limit for policers is not:
  it "can make or break", says the draft, and the reference leaves it off. If everything is lost, each round trip takes
  its 30 %, down to the least window.
- *Undershoot.* Section 4.5.3 is used: a reduction by L4S marks or delay is a quarter if the target is already under
  80 % of the acknowledged rate. Without it a bulk transfer over 100 ms had 70 % of its link, and has 95 % with it.
- *Variation of the delay* (REDUCE_JITTER, optional) is used, as in the reference. The maximum starts at 0, as there. A
  start at the target, as the draft has it, would hold the window back for the first two seconds.
- *Competing flows.* Section 4.5.4 is used, as the draft advises for the Internet, though the reference leaves it off.
- *The smoothed round trip* is the reference's: an average over feedback, and once a round trip an average of that. It
  falls only slowly while the application is the limit, as section 6 recommends.
- *What was in flight* is the most of a round of 50 ms at least, as in the reference, so that each round has a frame.
- *The inflection point* (ref_wnd_i) moves with a reduction only if the window grew since the one before.
- *The application* does not tell a controller its highest rate, its frames and what waits to be sent. So the window is
  bounded by what was in flight alone, pacing is never relaxed, and the target is not lowered for queued or uneven
  frames: `frame_budget.py` takes what waits off the next frame. TARGET_BITRATE_MIN is what the least window gives.
- *The start* is at MIN_REF_WND and a round trip of 50 ms, the reference's. The target holds from the first packet on.
"""

import math
from collections import deque

from glassbench.transport.congestion.controller import Allowance, Feedback, SentPacket
from glassbench.transport.congestion.scream_delay import DelayTarget, QueueDelay

_LEAST_WINDOW = 3000  # MIN_REF_WND, bytes
_LEAST_PACKETS = 2
_LEAST_OVERHEAD = 1.5  # REF_WND_OVERHEAD_MIN
_MOST_OVERHEAD = 3.0  # REF_WND_OVERHEAD_MAX
_FLIGHT_HEADROOM = 1.5  # BYTES_IN_FLIGHT_HEAD_ROOM
_BETA_LOSS = 0.7
_BETA_ECN = 0.8
_LOSS_THRESHOLD = 0.01  # LOSS_RATE_THRESHOLD
_ALPHA_UP = 1 / 8  # L4S_AVG_G_UP
_ALPHA_DOWN = 1 / 128  # L4S_AVG_G_DOWN
_ALPHA_INTERVAL = 0.01
_VIRTUAL_RTT = 0.025
_CAUTIOUS_ROUNDS = 100  # POST_CONGESTION_DELAY_RTT
_INCREASE = 0.02  # MUL_INCREASE_FACTOR
_ACKED_MARGIN = 0.8  # ACKED_BITRATE_MARGIN
_UNDERSHOOT_SCALE = 0.25  # BACKOFF_SCALE_LOW_TARGETRATE
_PACING_HEADROOM = 1.5  # PACKET_PACING_HEADROOM
_LEAST_PACING_BPS = 50_000  # RATE_PACE_MIN
_BURST_PACKETS = 2
_PACKET_OVERHEAD = 20  # PACKET_OVERHEAD, bytes
_TARGET_HEADROOM = 1.2
_FIRST_RTT = 0.05
_LEAST_RTT = 0.001
_RTT_GAIN = 1 / 8  # RFC 6298
_SLOW_RTT_GAIN = 1 / 1024
_LEAST_ROUND = 0.05
_MOST_CUTS = 8


class ScreamController:
    """A transport that sends ECT(1) says `l4s`, and marks are L4S's (RFC 9331); else they are those of RFC 3168."""

    def __init__(self, *, max_datagram_bytes: int, l4s: bool = False) -> None:
        self._packet = max_datagram_bytes
        self._l4s = l4s
        self._window = float(self._least_window)  # ref_wnd, bytes
        self._inflection = 1.0  # ref_wnd_i: the window at which there was congestion
        self._grown = True  # since the last reduction
        self._delay = QueueDelay()
        self._delay_target = DelayTarget()
        self._delayed = False  # the newest feedback says so
        self._rtt: float | None = None  # s_rtt
        self._recent_rtt = _FIRST_RTT
        self._rtt_at = -math.inf
        self._base_rtt = math.inf
        self._round_at = -math.inf
        self._most_in_flight = self._last_most_in_flight = 0  # of this round, and of the one before
        self._round_acked_bytes = 0
        self._acked_bps = 0.0  # of the last round
        self._loss_rate = 0.0
        self._lost = self._marked = False  # since the last reduction
        self._alpha = 0.0  # l4s_alpha
        self._alpha_at = -math.inf
        self._arrived_packets = self._marked_packets = 0  # since alpha moved
        self._congested_at = self._reduced_at = -math.inf
        self._cut_at = -math.inf  # the last reduction by a fixed share
        self._cuts: deque[tuple[float, float]] = deque(maxlen=_MOST_CUTS)  # of losses: at, the window before
        self._halved_until = -math.inf
        self._halved = False

    @property
    def reference_window(self) -> float:
        """The draft's ref_wnd, in bytes."""
        return self._window

    @property
    def smoothed_rtt(self) -> float:
        """The draft's s_rtt, in seconds."""
        return _FIRST_RTT if self._rtt is None else self._rtt

    @property
    def target_bps(self) -> float:
        """What the application should send, in bits per second (section 4.4)."""
        few_packets = min(0.2, max(0.0, self._packet / self._window - 0.1))
        share = (1.0 - few_packets) * self._packet / (self._packet + _PACKET_OVERHEAD) / _TARGET_HEADROOM
        return (0.5 if self._halved else 1.0) * share * 8 * self._window / self.smoothed_rtt

    @property
    def allowance(self) -> Allowance:
        target_bps = self.target_bps
        overhead = _LEAST_OVERHEAD + (_MOST_OVERHEAD - _LEAST_OVERHEAD) * self._delay.steadiness
        return Allowance(
            window_bytes=int(self._window * overhead),
            unpaced_bytes=0,
            pacing_bps=_PACING_HEADROOM * max(_LEAST_PACING_BPS, target_bps),
            burst_bytes=_BURST_PACKETS * self._packet,
            target_bps=target_bps,
            base_rtt=min(self._base_rtt, self.smoothed_rtt),
            probe=False,
        )

    def on_sent(self, packet: SentPacket) -> None:
        self._most_in_flight = max(self._most_in_flight, packet.in_flight_bytes)

    def on_feedback(self, feedback: Feedback) -> None:
        if feedback.rtt is not None:
            self._update_rtt(max(feedback.rtt, _LEAST_RTT), now=feedback.at)
        self._update_delay(feedback)
        self._update_alpha(feedback)
        self._detect_loss_and_marks(feedback)
        distance = self._distance
        self._reduce(distance, now=feedback.at)
        self._increase(distance, feedback)
        self._update_round(feedback)

    def undo_losses(self, *, since: float, now: float) -> None:
        while self._cuts and self._cuts[-1][0] >= since:
            self._window = max(self._window, self._cuts.pop()[1])

    def resize(self, max_datagram_bytes: int) -> None:
        self._packet = max_datagram_bytes
        self._window = max(self._window, float(self._least_window))

    def get_timer(self) -> float | None:
        return None

    def handle_timer(self, *, now: float) -> None:
        pass

    @property
    def _least_window(self) -> int:
        return max(_LEAST_WINDOW, _LEAST_PACKETS * self._packet)

    @property
    def _useful_window(self) -> float:
        """So much was in flight that a window up to here is of use."""
        return self._packet + _FLIGHT_HEADROOM * max(self._most_in_flight, self._last_most_in_flight)

    @property
    def _interval(self) -> float:
        """The least time between reductions, and between steps of the average delay."""
        return min(_VIRTUAL_RTT, self.smoothed_rtt)

    @property
    def _distance(self) -> float:
        """The draft's scl_t: 0.1 at the window at which there was congestion, and 1 from an eighth away on."""
        return max(0.1, min(1.0, (8 * (self._window - self._inflection) / self._inflection) ** 2))

    def _update_rtt(self, rtt: float, *, now: float) -> None:
        self._base_rtt = min(self._base_rtt, rtt)
        if self._rtt is None:
            self._rtt = self._recent_rtt = rtt
        self._recent_rtt += _RTT_GAIN * (rtt - self._recent_rtt)
        if now - self._rtt_at >= self._recent_rtt:
            app_limited = self._window > self._useful_window
            gain = _SLOW_RTT_GAIN if app_limited and self._recent_rtt < self._rtt else _RTT_GAIN
            self._rtt += gain * (self._recent_rtt - self._rtt)
            self._rtt_at = now

    def _update_delay(self, feedback: Feedback) -> None:
        now, rtt = feedback.at, self.smoothed_rtt
        delays = [
            result.received_at - result.packet.at
            for result in sorted(feedback.results, key=lambda result: result.packet.number)
            if result.received_at is not None
        ]
        self._halved = now < self._halved_until
        self._delayed = False
        if not delays:
            return
        self._delay.add(delays, smoothed_rtt=rtt, interval=self._interval, now=now)
        lost = any(result.lost for result in feedback.results)
        self._delay_target.update(self._delay.newest, lost=lost, smoothed_rtt=rtt, now=now)
        if self._delay.doubted(self._delay_target.seconds):
            self._delay.forget()
            self._base_rtt = math.inf
            self._halved_until = now + max(5 * rtt, 0.2)
            self._halved = True
        self._delayed = self._delay.average > self._delay_target.seconds / 2

    def _update_alpha(self, feedback: Feedback) -> None:
        self._arrived_packets += sum(not result.lost for result in feedback.results)
        self._marked_packets += feedback.ce_packets
        if not self._arrived_packets or feedback.at - self._alpha_at < min(_ALPHA_INTERVAL, self.smoothed_rtt):
            return
        share = min(1.0, self._marked_packets / self._arrived_packets)
        if share >= self._alpha:
            self._alpha += _ALPHA_UP * (share - self._alpha)
        else:
            self._alpha -= _ALPHA_DOWN * self._alpha
        self._arrived_packets = self._marked_packets = 0
        self._alpha_at = feedback.at

    def _detect_loss_and_marks(self, feedback: Feedback) -> None:
        gain = min(_LOSS_THRESHOLD / 4, self._packet / self._window / 2)
        for result in feedback.results:
            self._loss_rate += gain * (result.lost - self._loss_rate)
        lossy = self._loss_rate > _LOSS_THRESHOLD or self._delay.average > self._delay_target.seconds / 4
        newer = [result for result in feedback.results if result.packet.at > self._cut_at]
        self._lost |= lossy and any(result.lost for result in newer)
        self._marked |= feedback.ce_packets > 0 and (self._l4s or bool(newer))
        if self._lost or self._marked:
            self._congested_at = feedback.at

    def _reduce(self, distance: float, *, now: float) -> None:
        """Section 4.2.2.1."""
        if not (self._lost or self._marked or self._delayed) or now - self._reduced_at < self._interval:
            return
        before = self._window
        if self._lost:
            self._cuts.append((now, before))
            self._window *= _BETA_LOSS
            self._cut_at = now
        elif self._marked and not self._l4s:
            self._window *= _BETA_ECN
            self._cut_at = now
        elif self._marked:
            if now - self._reduced_at > _CAUTIOUS_ROUNDS * max(_VIRTUAL_RTT, self.smoothed_rtt):
                self._window = min(self._window, self._last_most_in_flight)
            steady = self._delay.newest < self._delay_target.seconds / 4
            scale = max(0.25, distance) * max(0.25, self._delay.steadiness) if steady else 1.0
            self._window *= 1.0 - scale * self._backoff(self._alpha)
        else:
            half = self._delay_target.seconds / 2
            self._window *= 1.0 - self._backoff(min(1.0, (self._delay.average - half) / half))
        self._window = max(self._window, float(self._least_window))
        if self._grown:
            self._inflection, self._grown = before, False
        self._lost = self._marked = False
        self._reduced_at = now

    def _backoff(self, alpha: float) -> float:
        """The share of the window that a share of marks takes, real or by delay."""
        undershoot = self.target_bps < _ACKED_MARGIN * self._acked_bps
        return alpha / 2 / max(1.0, self.smoothed_rtt / _VIRTUAL_RTT) * (_UNDERSHOOT_SCALE if undershoot else 1.0)

    def _increase(self, distance: float, feedback: Feedback) -> None:
        """Section 4.2.2.2."""
        settled_bytes = sum(result.packet.size_bytes for result in feedback.results)
        if not settled_bytes:
            return
        rtt = self.smoothed_rtt
        unmarked_bytes = settled_bytes * (1.0 - min(1.0, feedback.ce_packets / len(feedback.results)))
        calm = max(0.0, min(1.0, (feedback.at - self._congested_at) / (_CAUTIOUS_ROUNDS * max(_VIRTUAL_RTT, rtt))))
        increment = unmarked_bytes * min(1.0, self._packet / self._window) * min(1.0, rtt / _VIRTUAL_RTT)
        increment *= max(0.25, distance) * max(0.1, self._delay.steadiness)
        increment *= 1.0 + _INCREASE * self._window / self._packet * calm * distance
        if increment > 0.0 and self._window + increment <= self._useful_window:
            self._window += increment
            self._grown = True

    def _update_round(self, feedback: Feedback) -> None:
        self._round_acked_bytes += sum(result.packet.size_bytes for result in feedback.results if not result.lost)
        elapsed = feedback.at - self._round_at
        if elapsed < max(self.smoothed_rtt, _LEAST_ROUND):
            return
        self._acked_bps = self._round_acked_bytes * 8 / elapsed
        self._last_most_in_flight, self._most_in_flight = self._most_in_flight, feedback.in_flight_bytes
        self._round_acked_bytes = 0
        self._round_at = feedback.at
