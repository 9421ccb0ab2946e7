"""The delay-based rate: up by 8 % a second, or slowly near the capacity, and down to 85 % of what arrives.

draft-ietf-rmcat-gcc-02 section 5.5 and libwebrtc's `aimd_rate_control.cc`, with these choices:

- The first overuse acts at once, a further one after a round trip (10 to 200 ms). libwebrtc counts that time from the
  last change of any kind, so that it may wait after an increase.
- Overuse before any rate is measured, in the first half second, takes 15 % off the rate every 200 ms. libwebrtc halves
  it, though a probe may just have met the capacity.
- libwebrtc takes 5 kbit/s more off at each overuse, and adds 1 kbit/s at least to each increase, which comes with each
  of its reports; the draft does neither, and here reports may be as frequent as packets.
"""

import math

from glassbench.transport.congestion.gcc.overuse import Usage

LEAST_BPS = 5e3  # libwebrtc's `kCongestionControllerMinBitrate`
_BACKOFF = 0.85
_GROWTH = 1.08  # per second
_LEAD = 1.5  # so much of what arrives may be tried
_LEAD_BPS = 10e3
_FIRST_RTT = 0.2  # seconds
_RESPONSE_TIME = 0.1  # of the detector
_FRAME_RATE = 30
_PACKET_BITS = 1200 * 8
_LEAST_STEP_BPS = 4e3  # per second
_LEAST_PAUSE = 0.01  # seconds
_MOST_PAUSE = 0.2


class CapacityEstimate:
    """What arrived at times of overuse: its average, and three deviations around it. Rates in bits per second."""

    _WEIGHT = 0.05
    _LEAST_SPREAD, _MOST_SPREAD = 400.0, 2500.0  # variance over average: 14 and 35 kbit/s at 500 kbit/s

    def __init__(self) -> None:
        self.average: float | None = None
        self._spread = self._LEAST_SPREAD

    def add(self, acknowledged_bps: float) -> None:
        """Overuse while so much arrived."""
        if self.average is None or acknowledged_bps < self.average - self._reach:
            self.average = acknowledged_bps  # another capacity than before
        else:
            self.average += self._WEIGHT * (acknowledged_bps - self.average)
        error = (self.average - acknowledged_bps) ** 2 / max(self.average, 1.0)
        spread = self._spread + self._WEIGHT * (error - self._spread)
        self._spread = min(max(spread, self._LEAST_SPREAD), self._MOST_SPREAD)

    def check(self, acknowledged_bps: float) -> None:
        """Forget the average if more arrives than it explains."""
        if self.average is not None and acknowledged_bps > self.average + self._reach:
            self.average = None

    @property
    def _reach(self) -> float:
        return 3 * math.sqrt(self._spread * (self.average or 0.0))


class AimdControl:
    """`rate_bps` by usage and acknowledged rate. `rtt` is the round-trip time in seconds, as its owner measures it."""

    def __init__(self, start_bps: float) -> None:
        self.rate_bps = start_bps
        self.rtt = _FIRST_RTT
        self._acknowledged_bps = start_bps  # as long as nothing is measured
        self._capacity = CapacityEstimate()
        self._holds = False
        self._changed_at: float | None = None
        self._reduced_at = -math.inf

    @property
    def additive_bps(self) -> float:
        """The growth near the capacity, in bits per second per second: a packet of a frame per two response times."""
        frame_bits = self.rate_bps / _FRAME_RATE
        packet_bits = frame_bits / math.ceil(frame_bits / _PACKET_BITS)
        return max(_LEAST_STEP_BPS, packet_bits / (2 * (self.rtt + _RESPONSE_TIME)))

    def set_rate(self, rate_bps: float, *, now: float) -> None:
        """A probe measured so much."""
        self.rate_bps = max(rate_bps, LEAST_BPS)
        self._changed_at = now

    def update(self, usage: Usage, acknowledged_bps: float | None, *, now: float) -> None:
        """Packets arrived. The acknowledged rate is None as long as nothing is measured."""
        self._acknowledged_bps = self._acknowledged_bps if acknowledged_bps is None else acknowledged_bps
        if usage is Usage.OVERUSE:
            if acknowledged_bps is None:
                self._reduce_unmeasured(now=now)
            elif self._may_reduce(acknowledged_bps, now=now):
                self._reduce(acknowledged_bps, now=now)
        elif usage is Usage.UNDERUSE:
            self._holds = True  # until the queue is empty
        else:
            self._increase(now=now)

    def _may_reduce(self, acknowledged_bps: float, *, now: float) -> bool:
        pause = min(max(self.rtt, _LEAST_PAUSE), _MOST_PAUSE)
        return now - self._reduced_at >= pause or acknowledged_bps < self.rate_bps / 2

    def _reduce_unmeasured(self, *, now: float) -> None:
        if now - self._reduced_at >= _MOST_PAUSE:
            self._set_lower(_BACKOFF * self.rate_bps, now=now)

    def _reduce(self, acknowledged_bps: float, *, now: float) -> None:
        reduced = _BACKOFF * acknowledged_bps
        if reduced > self.rate_bps and self._capacity.average is not None:
            reduced = _BACKOFF * self._capacity.average
        self._set_lower(reduced, now=now)
        self._capacity.add(acknowledged_bps)

    def _set_lower(self, rate_bps: float, *, now: float) -> None:
        self.rate_bps = max(min(rate_bps, self.rate_bps), LEAST_BPS)
        self._holds = True
        self._changed_at = self._reduced_at = now

    def _increase(self, *, now: float) -> None:
        since = 0.0 if self._changed_at is None or self._holds else min(now - self._changed_at, 1.0)
        self._holds = False
        self._changed_at = now
        self._capacity.check(self._acknowledged_bps)
        most = _LEAD * self._acknowledged_bps + _LEAD_BPS
        if self.rate_bps < most:
            near = self._capacity.average is not None
            grown = self.rate_bps + self.additive_bps * since if near else self.rate_bps * _GROWTH**since
            self.rate_bps = min(grown, most)
