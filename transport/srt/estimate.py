"""The rate that an encoder should keep to on an SRT link, from what SRT's feedback says by the way.

Live mode has no congestion control (draft-sharabayko-srt-01, section 5.1): it sends what it is given. So senders of the
field lead the encoder from outside. The best known is belacoder: it reads libsrt's statistics every 20 ms, and changes
the rate of its encoder in steps (github.com/BELABOX/belacoder, belacoder.c, `update_bitrate`). This is the same idea:
three signs of congestion, each with a step of its own, and slow growth while there is none. It departs from belacoder
where that counts on its usual setting, a latency of 2 s and a picture of 6 Mbit/s:

- The *wait* is the round trip above the least one, where belacoder takes the whole round trip. At libsrt's latency of
  120 ms a third of it is less than many an empty path takes.
- A light step compares the round trip with the least one, too, not with its average: an average takes in a queue that
  stands. The least one is that of the last 5 to 10 s; belacoder's rises by 5 % a second, and so the queue with it.
- Half a frame interval is no wait: on a link that is full, frames alone take that on average.
- Heavy congestion halves the rate, at most to half of what arrives. belacoder falls to its minimum, and needs half a
  minute from there to 6 Mbit/s.
- The send buffer is counted in bytes, and never large below what an empty path holds. For belacoder that is so below
  50 packets, which are half a second at 1 Mbit/s.
- NAKs count, too: where a queue is short, it shows itself by loss and not by a wait.
- The rate does not grow far above what the encoder makes of it.
- What waits is taken off the next frames, so that a queue is gone before the rate has found its place.

Time is an argument, in seconds; rates are in bits a second, sizes in bytes of SRT's payload. The peer's numbers are not
trusted: whatever they are, the rate stays within its bounds, and falls by no more than half in 0.2 s.
"""

from math import inf
from typing import NamedTuple

LEAST_BPS = 100e3  # belacoder's 300 kbit/s is the least for TV; a link may carry less
MOST_BPS = 1e9  # what live mode takes for no limit (libsrt's LiveCC)

_SAMPLE = 0.02  # BITRATE_UPDATE_INT
_MOST_SAMPLES = 50  # by which a pause counts
_SLOW = 0.99  # what remains of averages and of peaks after a sample: half of it after 1.4 s
_TREND = 0.8  # what remains of the trend of the round trip
_LEAST_LASTS = 5.0  # two such spells are the 10 s of BBR (draft-ietf-ccwg-bbr, MinRTTFilterLen)

_GROWTH, _GROWTH_SHARE, _GROWTH_INTERVAL = 30e3, 1 / 30, 0.5  # BITRATE_INCR_MIN, _SCALE, _INT
_LIGHT, _LIGHT_INTERVAL = 100e3, 0.2  # BITRATE_DECR_MIN, _INT
_FAST, _FAST_SHARE, _FAST_INTERVAL = 100e3, 1 / 10, 0.25  # BITRATE_DECR_MIN, _SCALE, _FAST_INT

_HEAVY_WAIT, _FAST_WAIT = 1 / 3, 1 / 5  # of the latency, as in belacoder
_LEAST_LATENCY = 0.1  # MIN_SRT_LATENCY: below it, frames alone would be congestion
_LIGHT_JITTERS, _LIGHT_SHARE = 4.0, 0.15  # the factors of belacoder's rtt_th_max
_CALM_JITTERS, _CALM = 2.0, 0.001  # those of rtt_th_min
_FLAT_TREND = 1e-5  # seconds a sample: 0.01 ms in belacoder

_HEAVY_SHARE = 0.5  # half of the link is left for the queue to drain
_HEAVY_LOSS = 0.1  # the share from which on libwebrtc's loss-based control falls (draft-ietf-rmcat-gcc-02, section 6)
_MOST_OVER_INPUT = 1.5  # the same draft's bound on what may be told above what is used (section 5.5)
_LONGEST_INTERVAL = 0.1  # from frame to frame: a pause is none
_FIRST_INPUT = 0.1  # the input is measured over so long at first: congestion shall not wait for it
_INPUT = 0.5  # libsrt measures the input over 0.5 s at first, too

_LEAST_FRAME = 0.25  # of the usual size: a queue drains at three quarters of the rate
_FEEDBACK = 0.02  # a packet may wait for two ACK intervals of 10 ms until it is acknowledged


class Backlog(NamedTuple):
    """What the send buffer holds, and counts of the packets that have left: for the first time, and again."""

    held_bytes: int
    sent_packets: int
    resent_packets: int


class RateEstimate:
    """It hears of frames and of full ACKs, and says how large the next frame may be. `latency` is TSBPD's, seconds."""

    def __init__(self, latency: float) -> None:
        self.rate_bps: float | None = None
        self._latency = max(latency, _LEAST_LATENCY)
        self._sampled_at = -inf
        self._grow_at = self._fall_at = -inf  # the earliest instants of the next steps
        # the input
        self._input_bps: float | None = None
        self._input_interval = 0.0  # from frame to frame
        self._input_bytes = self._input_frames = 0
        self._input_from: float | None = None
        # the round trip
        self._rtt: float | None = None
        self._last_rtt = 0.0  # at the last sample, as are the others
        self._least_rtt = inf  # of this spell and the one before it
        self._least_spell = self._least_before = inf
        self._spell_from = -inf
        self._trend = self._jitter = 0.0
        # the send buffer
        self._last_held = 0
        self._mean_held = self._held_jitter = 0.0
        # the peer
        self._received_bps = 0.0
        self._loss = 0.0  # the share of packets sent again, not yet answered by a step
        self._loss_from: tuple[float, int, int] | None = None

    def on_frame(self, size_bytes: int, backlog: Backlog, *, now: float) -> None:
        """A frame was handed in. It is part of the backlog."""
        if self._input_from is None:
            self._input_from = now  # the first frame belongs to the time before it
            return
        self._input_bytes += size_bytes
        self._input_frames += 1
        elapsed = now - self._input_from
        if elapsed >= (_FIRST_INPUT if self._input_bps is None else _INPUT):
            self._input_bps = self._input_bytes * 8 / elapsed
            self._input_interval = min(elapsed / self._input_frames, _LONGEST_INTERVAL)
            self._input_from, self._input_bytes, self._input_frames = now, 0, 0
        self._sample(backlog, now)

    def on_ack(self, *, rtt: float, received_bps: float, backlog: Backlog, now: float) -> None:
        """A full ACK came, with the peer's smoothed round trip and the rate at which it receives (0: not known)."""
        self._rtt, self._received_bps = rtt, received_bps
        self._sample(backlog, now)

    def frame_budget(self, held_bytes: int, *, ahead: float, interval: float) -> int | None:
        """Bytes for a frame that is handed in `ahead` seconds from now, if one follows each `interval`.

        It is what the rate carries in an interval, less what waits over the usual, but a quarter at least. 0 where the
        send buffer holds more than the rate carries within the latency. None until there is an estimate.
        """
        if self.rate_bps is None:
            return None
        rate = self.rate_bps / 8
        share = rate * interval
        waiting = held_bytes - rate * ahead
        if waiting > self._in_flight(self.rate_bps) + rate * self._latency + share:
            return 0
        over = max(0.0, waiting - self._usual_held(self.rate_bps))
        return max(1, int(max(share - over, _LEAST_FRAME * share)))

    def _in_flight(self, rate: float) -> float:
        """Bytes in the send buffer that are on an empty path and not acknowledged yet."""
        return rate / 8 * (self._least_rtt + _FEEDBACK)

    def _usual_held(self, rate: float) -> float:
        """Bytes in the send buffer that are no sign of congestion yet: belacoder's lowest threshold."""
        return max(self._in_flight(rate), self._mean_held + 2.5 * self._held_jitter)

    def _sample(self, backlog: Backlog, now: float) -> None:
        """Look at everything, if it is time for it, and take a step."""
        if self._rtt is None or self._input_bps is None or now < self._sampled_at + _SAMPLE:
            return
        if self.rate_bps is None:
            self.rate_bps = self._input_bps
            self._last_rtt = self._rtt
            self._last_held = backlog.held_bytes
            self._mean_held = float(backlog.held_bytes)
        samples = min((now - self._sampled_at) / _SAMPLE, _MOST_SAMPLES)
        self._sampled_at = now
        self._follow_round_trip(self._rtt, samples, now)
        self._follow_buffer(backlog.held_bytes, samples)
        self._follow_loss(backlog, now)
        self.rate_bps = min(max(self._step(self.rate_bps, backlog.held_bytes, now), LEAST_BPS), MOST_BPS)

    def _follow_round_trip(self, rtt: float, samples: float, now: float) -> None:
        change = rtt - self._last_rtt
        self._last_rtt = rtt
        self._trend = _TREND * self._trend + (1 - _TREND) * change
        self._jitter = max(self._jitter * _SLOW**samples, change)
        if now - self._spell_from >= _LEAST_LASTS:
            self._least_before, self._least_spell = self._least_spell, inf
            self._spell_from = now
        self._least_spell = min(self._least_spell, rtt)
        self._least_rtt = min(self._least_before, self._least_spell)

    def _follow_buffer(self, held: int, samples: float) -> None:
        self._held_jitter = max(self._held_jitter * _SLOW**samples, held - self._last_held)
        self._mean_held += (held - self._mean_held) * (1 - _SLOW**samples)
        self._last_held = held

    def _follow_loss(self, backlog: Backlog, now: float) -> None:
        if self._loss_from is None:
            self._loss_from = (now, backlog.sent_packets, backlog.resent_packets)
        since, sent, resent = self._loss_from
        if now - since >= _INPUT and backlog.sent_packets > sent:
            self._loss = (backlog.resent_packets - resent) / (backlog.sent_packets - sent)
            self._loss_from = (now, backlog.sent_packets, backlog.resent_packets)

    def _step(self, rate: float, held: int, now: float) -> float:
        """The rate after this sample: lower by the heaviest sign of congestion, or higher if there is none."""
        wait = max(0.0, self._last_rtt - self._least_rtt - self._input_interval / 2)
        usual = self._usual_held(rate)
        large = max(usual, self._mean_held + max(3 * self._held_jitter, self._mean_held))
        huge = max(usual, 4 * (self._mean_held + self._held_jitter))
        if wait >= _HEAVY_WAIT * self._latency or held > huge:
            lower, pause = max(_HEAVY_SHARE * rate, min(rate, _HEAVY_SHARE * self._received_bps)), _FAST_INTERVAL
        elif wait > _FAST_WAIT * self._latency or held > large or self._loss > _HEAVY_LOSS:
            lower, pause = max(_HEAVY_SHARE * rate, rate - _FAST - rate * _FAST_SHARE), _FAST_INTERVAL
        elif wait > max(_LIGHT_JITTERS * self._jitter, _LIGHT_SHARE * self._least_rtt) or held > usual:
            lower, pause = max(_HEAVY_SHARE * rate, rate - _LIGHT), _LIGHT_INTERVAL
        else:
            calm = wait < max(_CALM, _CALM_JITTERS * self._jitter) and self._trend < _FLAT_TREND
            return self._grown(rate, now) if calm else rate
        if now < self._fall_at:
            return rate
        self._fall_at = now + pause
        self._loss = 0.0
        return lower

    def _grown(self, rate: float, now: float) -> float:
        assert self._input_bps is not None
        if now < self._grow_at or rate >= _MOST_OVER_INPUT * self._input_bps:
            return rate
        self._grow_at = now + _GROWTH_INTERVAL
        return rate + _GROWTH + rate * _GROWTH_SHARE
