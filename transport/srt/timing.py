"""The round trip, and the peer's timestamps translated into our time (draft-sharabayko-srt 4.5, 4.7, 4.10)."""

from math import floor

from glassbench.transport.round_trip import RoundTrip
from glassbench.transport.srt.wire import TIMESTAMP_MASK

INITIAL_RTT = 0.1
_MIN_EXPIRY = 0.3
_EXPIRIES = 17
_MAX_DRIFT = 0.005
_DRIFT_SAMPLES = 1000
_HALF_TIMESTAMP = 0x8000_0000


class SharedRoundTrip(RoundTrip):
    """A round trip that the receiver of data measures, and hands to the sender in each full ACK."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(INITIAL_RTT)

    def take_over(self, smoothed: float, variance: float) -> None:
        """What the peer measured and put into its ACK. Smoothed once more if this end measures too, as in libsrt."""
        if self.is_measured:
            self.add(smoothed)
        elif smoothed != INITIAL_RTT:
            self.smoothed, self.variance = smoothed, variance


def idle_timeout(idle: float, round_trip: RoundTrip) -> float:
    """Seconds of silence after which a peer is given up: at least `idle` (SRTO_PEERIDLETIMEO), and 5.1 s.

    libsrt counts expiries (checkExpTimer): one comes each 0.3 s of silence, or each smoothed round trip and four
    variances if that is longer. It gives up at the first one after the 16th that is later than `idle`.
    """
    wait = round_trip.timeout()
    interval, extra = (wait, 0.01) if wait + 0.01 / _EXPIRIES > _MIN_EXPIRY else (_MIN_EXPIRY, 0.0)
    return max(_EXPIRIES, floor((idle - extra) / interval) + 1) * interval + extra


class PeerClock:
    """The peer's 32-bit timestamps as instants of our clock, one network delay late: the TSBPD time base.

    The base is set once, by the handshake: arrival minus timestamp of the packet that carried the extension. So it
    contains the network delay at the start, and a packet is due at sending time + that delay + latency, whatever the
    delay is later.

    Clocks of two hosts drift. Each ACKACK is a sample of how far its arrival is off the base; half the change of the
    round trip is taken for a change of the path. Every 1000 samples their mean is the new drift, and what exceeds 5 ms
    moves into the base by 5 ms (libsrt's DriftTracer). So a queue that builds up in one direction passes for drift by
    half its delay: that is a property of SRT.
    """

    __slots__ = ("_base", "_first_rtt", "_samples", "_sum", "drift")

    def __init__(self, timestamp: int, arrived_at: float) -> None:
        self._base = arrived_at - timestamp * 1e-6
        self._first_rtt: float | None = None
        self._sum = 0.0
        self._samples = 0
        self.drift = 0.0

    def instant(self, timestamp: int, *, now: float) -> float:
        """When a packet with this timestamp would have arrived with the network delay of the start.

        Timestamps wrap every 71.6 minutes: it is the instant nearest to `now`.
        """
        now_us = int((now - self._base) * 1e6)
        away_us = ((timestamp - now_us + _HALF_TIMESTAMP) & TIMESTAMP_MASK) - _HALF_TIMESTAMP
        return self._base + self.drift + (now_us + away_us) * 1e-6

    def add_sample(self, timestamp: int, arrived_at: float, rtt: float) -> None:
        """An ACKACK with this timestamp arrived and closed a round trip."""
        if self._first_rtt is None:
            self._first_rtt = rtt
        expected_at = self.instant(timestamp, now=arrived_at) - self.drift
        self._sum += arrived_at - expected_at - (rtt - self._first_rtt) / 2
        self._samples += 1
        if self._samples == _DRIFT_SAMPLES:
            self.drift = self._sum / _DRIFT_SAMPLES
            self._sum, self._samples = 0.0, 0
            if abs(self.drift) > _MAX_DRIFT:
                excess = _MAX_DRIFT if self.drift > 0 else -_MAX_DRIFT
                self._base += excess
                self.drift -= excess
