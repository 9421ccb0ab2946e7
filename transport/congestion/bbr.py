"""BBR version 3 (draft-ietf-ccwg-bbr of August 2026): a model of the path sets the pacing rate and the window.

The model has a bandwidth, the largest delivery rate of the last two cycles of probing, and a minimal round-trip time.
Their product is the BDP. Startup doubles the rate each round until the delivery rate grows no more or much is lost, and
Drain takes out the queue. Then each cycle of ProbeBW sends less (DOWN), as much (CRUISE, REFILL) and more (UP) than the
path delivers. Every 5 s ProbeRTT halves what is in flight, unless a shorter round trip was seen. Loss over 2 % while
probing bounds what is in flight from then on (long-term); loss at other times lowers rate and amount until the next
probe (short-term).

The draft leaves room here, or contradicts itself, and this is what was chosen:

- *Chance.* No dice: the wait between probes is drawn from what was delivered (`bbr_wait.py` says why).
- *Application-limited* is what leaves after a pause: the application had nothing to send after the packet before, and
  time has passed. Such samples may raise the bandwidth, never lower it, and end neither Startup nor UP. So video which
  meets no limit stays in Startup, and `probe` stays true. The target is the pacing rate without its gain; that does not
  fall before Startup ends.
- *ProbeRTT and video.* The draft spares a flow that restarts from idle just when the 5 s are over, and no other. Video
  whose acknowledgements are under way at that instant is halved for 200 ms like any flow. This is left as it is.
- *ECN.* The draft has no response of its own, but marks must count as congestion: each is treated as the loss of the
  newest packet acknowledged with it.
- *Startup and loss.* "Recovery for a full round" is the round after the first loss. Lost packets with numbers in a row
  are one range, a mark is one range.
- *Bounds in Drain.* The table has the long-term bound there, the pseudocode has not. The table is followed.
- *ProbeRTT's window* is half a BDP (pseudocode), not four packets (its text). The window before it is saved before the
  state changes; in the pseudocode that comes after, so that an older, larger one would be kept.
- *Precautionary probe.* AdaptLongTermModel() ends a round of samples with `return true`, as if it had changed the
  state always. Here, as in Linux, only the return to REFILL counts as that.
- *Timeouts.* QUIC has no RTO. Persistent congestion (RFC 9002 section 7.6) takes its place; the window comes back
  with the first acknowledgement of what was sent after it.
- *Undo.* The draft saves the state at the first loss of each round, and has one place for it. Here the last eight are
  kept, since a loss may turn out to be none after more than a round.
- *The first pace* is that of the initial window in 1 ms, until a round-trip time is known; then it is computed anew, as
  the text says, and the pseudocode does not. Else video that stays in Startup would never be paced.
- *Reno's pace.* `min(BDP, cwnd)` round trips, as a bound of the wait, is counted in packets.

It does not shrug off random loss: a round with a share p lost takes about p from the rate until the next probe, up to
63 rounds later, and two lost packets in a round trip of less than a hundred end a probe. All that is the draft's.
"""

import math
from collections import deque
from dataclasses import dataclass
from enum import Enum

from glassbench.transport.congestion.bbr_bounds import BETA, LongTerm, ShortTerm, in_flight_at_loss, too_much_lost
from glassbench.transport.congestion.bbr_path import FullPipe, PathModel
from glassbench.transport.congestion.bbr_sending import Sending
from glassbench.transport.congestion.bbr_wait import ProbeWait
from glassbench.transport.congestion.controller import Allowance, Feedback, SentPacket
from glassbench.transport.congestion.delivery_rate import RateSample, snapshot

PROBE_RTT_DURATION = 0.2  # seconds, as all times
_STARTUP_LOSS_RANGES = 6
_DRAIN_ROUNDS = 3
_INITIAL_RTT = 0.333  # RFC 9002 section 6.2.2
_MOST_UNDONE = 8


class BbrState(Enum):
    """A state, with its gains: of pacing over the rate, and of the window over the BDP."""

    STARTUP = ("startup", 2.77, 2.0)
    DRAIN = ("drain", 0.5, 2.0)
    DOWN = ("down", 0.9, 2.0)
    CRUISE = ("cruise", 1.0, 2.0)
    REFILL = ("refill", 1.0, 2.0)
    UP = ("up", 1.25, 2.25)
    PROBE_RTT = ("probe-rtt", 1.0, 0.5)

    def __init__(self, label: str, pacing_gain: float, window_gain: float) -> None:
        self.label = label
        self.pacing_gain = pacing_gain
        self.window_gain = window_gain


_PROBE_BW = (BbrState.DOWN, BbrState.CRUISE, BbrState.REFILL, BbrState.UP)
_ACCELERATING = (BbrState.STARTUP, BbrState.REFILL, BbrState.UP)


@dataclass(slots=True)
class _BeforeLoss:
    """What `undo_losses` brings back, and the state that was left because of the loss."""

    at: float
    window: float
    short_rate: float
    short_in_flight: float
    long_in_flight: float
    left: BbrState | None = None


class BbrController:
    """BBRv3. Rates inside are bytes per second. Names in comments are those of the draft."""

    def __init__(self, *, max_datagram_bytes: int) -> None:
        self.state = BbrState.STARTUP
        self.short_term = ShortTerm()
        self.long_term = LongTerm()
        self.path = PathModel()
        self._sending = Sending(packet=max_datagram_bytes, gain=BbrState.STARTUP.pacing_gain)
        self._full_pipe = FullPipe()
        self._limit_seen = False  # full_bw_reached
        self._in_flight = 0
        self._drain_round = 0
        self._lost_ranges = 0  # of this round
        self._last_lost = -1
        self._wait = ProbeWait()
        self._probe_samples = False  # is_bw_probe_sample
        self._probe_stopping = False  # ACKS_PROBE_STOPPING
        self._probe_too_high = False
        self._precautionary = False
        self._idle_restart = False
        self._probe_rtt_until: float | None = None
        self._probe_rtt_round_over = False
        self._collapsed_at: float | None = None
        self._undo: deque[_BeforeLoss] = deque(maxlen=_MOST_UNDONE)

    @property
    def allowance(self) -> Allowance:
        sending = self._sending
        measured = math.isfinite(self.min_rtt)
        return Allowance(
            window_bytes=int(sending.window),
            unpaced_bytes=0,
            pacing_bps=sending.gain * sending.rate * 8,
            burst_bytes=int(sending.quantum),
            target_bps=(sending.rate if measured else sending.window / _INITIAL_RTT) * 8,
            base_rtt=self.min_rtt if measured else _INITIAL_RTT,
            probe=not self._limit_seen,
            media_bps=sending.gain * sending.rate * 8,
        )

    @property
    def min_rtt(self) -> float:
        """The least round-trip time of the last 10 s, infinite without a sample."""
        return self.path.min_rtt.value

    @property
    def rate(self) -> float:
        """The largest rate, unless losses have lowered it for now (bw)."""
        return min(self.path.max_rate, self.short_term.rate)

    def on_sent(self, packet: SentPacket) -> None:
        self.path.delivery.on_sent(packet)
        if packet.in_flight_bytes == packet.size_bytes and self.path.delivery.app_limited:
            self._restart_from_idle(now=packet.at)

    def on_feedback(self, feedback: Feedback) -> None:
        now = feedback.at
        self._in_flight = feedback.in_flight_bytes
        acked = [result.packet for result in feedback.results if not result.lost]
        sample = self.path.delivery.on_acked(acked, feedback.rtt, now=now) if acked else None
        lost = [result.packet for result in feedback.results if result.lost]
        marked = [sample.packet] * min(feedback.ce_packets, len(acked)) if sample is not None else []
        for packet in lost + marked:
            self._on_lost(packet, now=now)
        if feedback.persistent:
            self._collapse(now=now)
        if sample is not None:
            unlimited = {result.packet.number for result in feedback.results if not result.app_limited}
            self._update_model(sample, feedback.rtt, window_full=sample.packet.number in unlimited, now=now)
            self._set_pace(self.state.pacing_gain)
            self._set_window(sample)

    def undo_losses(self, *, since: float, now: float) -> None:
        before: _BeforeLoss | None = None
        left: BbrState | None = None
        while self._undo and self._undo[-1].at >= since:
            before = self._undo.pop()
            left = before.left or left
        if before is None:
            return
        self._sending.window = max(self._sending.window, before.window)
        self._full_pipe.reset()
        self.short_term.loss_in_round = False
        self.short_term.rate = max(self.short_term.rate, before.short_rate)
        self.short_term.in_flight = max(self.short_term.in_flight, before.short_in_flight)
        self.long_term.in_flight = max(self.long_term.in_flight, before.long_in_flight)
        if left is BbrState.STARTUP:
            self._limit_seen = False
        if left is not None and self.state not in (left, BbrState.PROBE_RTT):
            if left is BbrState.STARTUP:
                self.state = left
            else:
                self._start_refill()

    def resize(self, max_datagram_bytes: int) -> None:
        self._sending.resize(max_datagram_bytes)

    def get_timer(self) -> float | None:
        return None

    def handle_timer(self, *, now: float) -> None:
        pass

    def _update_model(self, sample: RateSample, rtt: float | None, *, window_full: bool, now: float) -> None:
        """What an acknowledgement says of the path, and which state follows from it (UpdateModelAndState). The window
        was full in the last round trip, or not (is_cwnd_limited)."""
        self.path.on_sample(sample)
        self.short_term.on_sample(sample, self.path.delivery.delivered)
        if self.short_term.round_over:
            if self.state not in _ACCELERATING:
                self.short_term.adapt(self.path.max_rate, self._sending.window)
            self.short_term.loss_in_round = False
        self.path.aggregation.update(
            *(sample.newly_acked, self.rate, self._sending.window),
            steady=self._limit_seen,
            rounds=self.path.rounds,
            now=now,
        )
        self._check_startup(sample)
        self._check_drain(now=now)
        if self._limit_seen and not self._adapt_long_term(sample, window_full=window_full):
            self._advance_cycle(sample, window_full=window_full, now=now)
        first = math.isinf(self.min_rtt) and rtt is not None
        due = self.path.min_rtt.update(rtt, now=now)
        if first:
            self._sending.first_rtt(self.min_rtt)
        self._check_probe_rtt(due=due, now=now)
        self.short_term.after_ack(sample)

    def _check_startup(self, sample: RateSample) -> None:
        """Startup, and UP later, end at a plateau of the delivery rate; Startup also ends by losses."""
        if self.path.round_started and sample.rate > 0 and not (self._full_pipe.now or sample.at_sending.app_limited):
            self._full_pipe.on_round(sample.rate)
            self._limit_seen = self._limit_seen or self._full_pipe.now
        lossy = self.short_term.round_over and self._lost_ranges >= _STARTUP_LOSS_RANGES
        if self.short_term.round_over:
            self._lost_ranges = 0
        if self.state is not BbrState.STARTUP:
            return
        if lossy and self._lost_too_much(sample.packet):
            self._leave_for_loss()
            self._limit_seen = True
            self.long_term.in_flight = max(self._bdp(), self.short_term.latest_delivered)
        if self._limit_seen:
            self.state = BbrState.DRAIN
            self._drain_round = self.path.rounds

    def _check_drain(self, *, now: float) -> None:
        if self.state is BbrState.DRAIN:
            drained = self._in_flight <= self._room_for(self._bdp())
            if drained or self.path.rounds > self._drain_round + _DRAIN_ROUNDS:
                self._start_down(now=now)

    def _adapt_long_term(self, sample: RateSample, *, window_full: bool) -> bool:
        """Raise the long-term bound where losses are few, and end the samples of a probe a round after it. True if the
        state has changed."""
        if self._probe_stopping and self.path.round_started:
            self._probe_samples = self._probe_stopping = False
            if self.state in _PROBE_BW and not sample.at_sending.app_limited:
                self.path.next_cycle()
            if self.state in _PROBE_BW and self._precautionary and not self._probe_too_high:
                self._start_refill()
                return True
        if math.isfinite(self.long_term.in_flight) and not self._lost_too_much(sample.packet):
            self.long_term.in_flight = max(self.long_term.in_flight, sample.packet.in_flight_bytes)
            if self.state is BbrState.UP and window_full and self._sending.window >= self.long_term.in_flight:
                self.long_term.grow(sample.newly_acked, self._sending.packet)
                if self.path.round_started:
                    self.long_term.steepen(self._sending.window, self._sending.packet)
        return False

    def _advance_cycle(self, sample: RateSample, *, window_full: bool, now: float) -> None:
        """The cycle DOWN, CRUISE, REFILL, UP (UpdateProbeBWCyclePhase)."""
        if self.state in (BbrState.DOWN, BbrState.CRUISE):
            packets = self._target_in_flight / self._sending.packet
            if self._wait.is_over(packets=packets, rounds=self.path.rounds, now=now):
                self._start_refill()
            elif self._time_to_cruise():
                self.state = BbrState.CRUISE
        elif self.state is BbrState.REFILL:
            if self.path.round_started:
                self._start_up(sample)
        elif self.state is BbrState.UP and self._time_to_go_down(sample, window_full=window_full):
            self._probe_too_high = False
            self._start_down(now=now)

    def _time_to_cruise(self) -> bool:
        """The queue is gone, and there is room for others."""
        free = max(self.long_term.with_headroom(self._sending.packet), self._sending.least)
        return self._in_flight <= min(free, self._room_for(self._bdp(rate=self.path.max_rate)))

    def _time_to_go_down(self, sample: RateSample, *, window_full: bool) -> bool:
        if self._probe_too_high and self._in_flight >= self.long_term.in_flight:
            self._precautionary = True
            return True
        if window_full and self._sending.window >= self.long_term.in_flight:
            self._full_pipe.reset(sample.rate)  # the bound holds back, not the path
            return False
        return self._full_pipe.now

    def _start_down(self, *, now: float) -> None:
        self.state = BbrState.DOWN
        self.short_term.forget_signals()
        self.long_term.stop()
        self._wait.start(delivered=self.path.delivery.delivered, rounds=self.path.rounds, now=now)
        self._probe_stopping = True
        self.path.start_round()

    def _start_refill(self) -> None:
        self.state = BbrState.REFILL
        self.short_term.reset()
        self.long_term.begin()
        self._precautionary = self._probe_stopping = False
        self.path.start_round()

    def _start_up(self, sample: RateSample) -> None:
        self.state = BbrState.UP
        self._probe_samples = True
        self.path.start_round()
        self._full_pipe.reset(sample.rate)
        self.long_term.steepen(self._sending.window, self._sending.packet)

    def _check_probe_rtt(self, *, due: bool, now: float) -> None:
        if due and self.state is not BbrState.PROBE_RTT and not self._idle_restart:
            self._save_window()
            self.state = BbrState.PROBE_RTT
            self._probe_rtt_until = None
            self._probe_stopping = True
            self.path.start_round()
        if self.state is BbrState.PROBE_RTT:
            self.path.delivery.limit_here()  # what is measured now is no bandwidth
            if self._probe_rtt_until is None:
                if self._in_flight <= self._probe_rtt_window:
                    self._probe_rtt_until = now + PROBE_RTT_DURATION
                    self._probe_rtt_round_over = False
                    self.path.start_round()
            else:
                self._probe_rtt_round_over = self._probe_rtt_round_over or self.path.round_started
                if self._probe_rtt_round_over:
                    self._check_probe_rtt_done(now=now)
        self._idle_restart = False

    def _check_probe_rtt_done(self, *, now: float) -> None:
        if self._probe_rtt_until is None or now <= self._probe_rtt_until:
            return
        self.path.min_rtt.probed(now=now)
        self._sending.restore()
        self.short_term.reset()
        if self._limit_seen:
            self._start_down(now=now)
            self.state = BbrState.CRUISE
        else:
            self.state = BbrState.STARTUP

    def _restart_from_idle(self, *, now: float) -> None:
        self._idle_restart = True
        self.path.aggregation.restart(now=now)
        if self.state in _PROBE_BW:
            self._set_pace(1.0)
        elif self.state is BbrState.PROBE_RTT:
            self._check_probe_rtt_done(now=now)

    def _on_lost(self, packet: SentPacket, *, now: float) -> None:
        """A packet was lost, or marked."""
        self.path.delivery.on_lost(packet.size_bytes)
        if packet.number != self._last_lost + 1:
            self._lost_ranges += 1
        self._last_lost = packet.number
        if self.short_term.on_loss(self.path.delivery.delivered):
            self._save_window()
            self._undo.append(
                _BeforeLoss(
                    now, self._sending.window, self.short_term.rate, self.short_term.in_flight, self.long_term.in_flight
                )
            )
        if self._probe_samples and self._lost_too_much(packet):
            self._probe_went_too_high(packet, now=now)

    def _lost_too_much(self, packet: SentPacket) -> bool:
        """Whether so much was lost since the packet left that too much was in flight then (IsInflightTooHigh)."""
        return too_much_lost(self.path.delivery.lost_since(packet), packet.in_flight_bytes)

    def _probe_went_too_high(self, packet: SentPacket, *, now: float) -> None:
        self._probe_too_high = True
        self._probe_samples = False  # one reaction to a probe
        if not snapshot(packet).app_limited:
            in_flight = in_flight_at_loss(packet, self.path.delivery.lost_since(packet))
            self.long_term.in_flight = max(in_flight, BETA * self._target_in_flight)
        if self.state is BbrState.UP:
            self._leave_for_loss()
            self._start_down(now=now)

    def _leave_for_loss(self) -> None:
        """The state ends because of losses, which may be undone."""
        if self._undo:
            self._undo[-1].left = self.state

    def _collapse(self, *, now: float) -> None:
        self._save_window()
        self._collapsed_at = now
        self._sending.bound(self._in_flight + self._sending.packet)

    def _save_window(self) -> None:
        self._sending.save(lowered=self._collapsed_at is not None or self.state is BbrState.PROBE_RTT)

    def _set_pace(self, gain: float) -> None:
        self._sending.set_pace(gain, self.rate, steady=self._limit_seen)

    def _set_window(self, sample: RateSample) -> None:
        sending = self._sending
        if self._collapsed_at is not None and sample.packet.at > self._collapsed_at:
            sending.restore()
            self._collapsed_at = None
        most = self._room_for(self._bdp(self.state.window_gain) + self.path.aggregation.extra_acked)
        sending.grow(sample.newly_acked, most, self.path.delivery.delivered, steady=self._limit_seen)
        bound = min(self.long_term.in_flight, self.short_term.in_flight)
        if self.state in (BbrState.CRUISE, BbrState.PROBE_RTT):
            bound = min(bound, self.long_term.with_headroom(sending.packet))
        if self.state is BbrState.PROBE_RTT:
            bound = min(bound, self._probe_rtt_window)
        sending.bound(bound)

    def _bdp(self, gain: float = 1.0, *, rate: float | None = None) -> float:
        """A multiple of what the path holds at a rate; the initial window while no round-trip time is known."""
        if math.isinf(self.min_rtt):
            return self._sending.initial
        return gain * (self.rate if rate is None else rate) * self.min_rtt

    def _room_for(self, in_flight: float) -> float:
        more = 2 * self._sending.packet if self.state is BbrState.UP else 0
        return self._sending.room_for(in_flight) + more

    @property
    def _target_in_flight(self) -> float:
        return min(self._bdp(), self._sending.window)

    @property
    def _probe_rtt_window(self) -> float:
        return max(self._bdp(BbrState.PROBE_RTT.window_gain), self._sending.least)
