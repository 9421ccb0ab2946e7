"""The rate of a link by the time that packets took to be served. Sans-IO, nothing of the controller in it.

A packet that came while the link was busy took from its predecessor's arrival, or from the instant at which it would
have arrived on an empty link, to its own (packet-train dispersion: Dovrolis, Ramanathan, Moore, "Packet-dispersion
techniques and a capacity-estimation methodology", ToN 2004). All times are seconds, all sizes bytes.
"""

import math
from collections import deque
from typing import NamedTuple

_BACK_TO_BACK = 0.0011  # a packet that comes so soon after another one has waited for it: recorded links tick in 1 ms
_LONG = 0.020  # what took longer than that was not just late: the link served nobody else meanwhile
_MOST = 0.050  # of one packet: after an outage the link is what it is now, not what it was
_SHORT_QUEUE = 0.005  # less is jitter
_QUIET = 0.030  # without a sign of a busy link for so long, the rate may grow
_GROWTH = 1.1  # for each packet that met no queue
_MOST_GROWTH = 10.0
_WINDOW = 0.150  # of service: long enough for the mean of a link that changes from millisecond to millisecond
_NEWEST = 0.040  # of service: a link that has become slower is believed so soon
_MOST_AGE = 0.500  # what is older tells of another link
_BELIEVABLE = 0.030  # of service: less says little, as several small packets can come in one tick of the link
_DOUBT = 0.5  # of the usual rate is believed of a link that was silent
_USUAL = 3.0  # of service, over which the usual rate is taken
_CHUNK = 0.015  # of service, for which a rate is compared with the others
_LEAST_SAMPLES = 4
_MOST_SAMPLES = 4096


class _Service(NamedTuple):
    """A packet that kept the link busy: when it arrived, for how long it was served, and its size."""

    at: float
    seconds: float
    size_bytes: int


class ServiceRate:
    """Learns from arrivals, whose clock may be any as long as it is one.

    `value` is the rate in bytes per second, with growth where no queue is seen; None while nothing is known.
    `measured` is the rate without growth. `variation` is how much the rates of the last 150 ms of service differ among
    themselves: standard deviation over mean. `last_arrival` is the newest arrival.
    """

    def __init__(self) -> None:
        self.value: float | None = None
        self.measured = 0.0
        self.variation = 0.0
        self.last_arrival = -math.inf
        self._samples: deque[_Service] = deque(maxlen=_MOST_SAMPLES)
        self._growth = 1.0
        self._busy_at = -math.inf
        self._usual_seconds = 0.0
        self._usual_bytes = 0.0

    @property
    def has_samples(self) -> bool:
        """Whether enough packets have waited for another. If `value` is None all the same, the link has no limit."""
        return len(self._samples) >= _LEAST_SAMPLES

    def restart_clock(self) -> None:
        """Arrivals are of another clock from now on."""
        self.last_arrival = self._busy_at = -math.inf

    def end_growth(self) -> None:
        """The rate is what was measured, until packets that may make it grow meet no queue."""
        self._growth = 1.0

    def add(self, arrival: float, empty_at: float, size_bytes: int, *, grows: bool) -> None:
        """A packet arrived; on an empty link it would have arrived at `empty_at`. Was the link busy with it? If not,
        the rate grows, if it may: `grows`."""
        seconds = arrival - max(self.last_arrival, empty_at)
        waited = empty_at <= self.last_arrival + _BACK_TO_BACK or seconds > _LONG
        if self.last_arrival > -math.inf and waited:
            self._serve(_Service(arrival, max(0.0, min(seconds, _MOST)), size_bytes))
        elif grows and arrival - empty_at < _SHORT_QUEUE and arrival - self._busy_at > _QUIET:
            self._growth = min(_MOST_GROWTH, self._growth * _GROWTH)
        self.last_arrival = max(self.last_arrival, arrival)

    def measure(self) -> None:
        """Take the rate anew, over the window of service."""
        samples = self._samples
        while len(samples) > _LEAST_SAMPLES and self.last_arrival - samples[0].at > _MOST_AGE:
            samples.popleft()
        seconds, size_bytes, count = 0.0, 0, 0
        newest: tuple[float, int] | None = None  # the sums over the newest service
        chunk_seconds, chunk_bytes = 0.0, 0
        rates: list[float] = []
        for sample in reversed(samples):  # plain sums: this runs for each acknowledgement, over hundreds of packets
            if count >= _LEAST_SAMPLES:
                if newest is None and seconds >= _NEWEST:
                    newest = seconds, size_bytes
                if seconds >= _WINDOW:
                    break
            count += 1
            _, served, size = sample
            seconds += served
            size_bytes += size
            chunk_seconds += served
            chunk_bytes += size
            if chunk_seconds >= _CHUNK:
                rates.append(chunk_bytes / chunk_seconds)
                chunk_seconds, chunk_bytes = 0.0, 0
        while len(samples) > count:
            samples.popleft()
        if count >= _LEAST_SAMPLES and seconds > 0:
            whole = seconds, size_bytes
            self.measured = 1 / max(self._of_a_byte(*whole), self._of_a_byte(*(newest or whole)))
            self.value = self._growth * self.measured
            self.variation = _variation(rates)

    def _serve(self, service: _Service) -> None:
        self._samples.append(service)
        self._busy_at = service.at
        self._growth = 1.0
        keep = _USUAL / (_USUAL + service.seconds)
        self._usual_seconds = self._usual_seconds * keep + service.seconds
        self._usual_bytes = self._usual_bytes * keep + service.size_bytes

    def _of_a_byte(self, seconds: float, size_bytes: int) -> float:
        """Seconds that a byte takes. What little service there was since a silence says little: a part of the usual
        rate fills it up to a time that can be believed."""
        missing = max(0.0, _BELIEVABLE - seconds)
        if not missing or not self._usual_seconds:
            return seconds / size_bytes
        usual = _DOUBT * self._usual_bytes / self._usual_seconds
        return _BELIEVABLE / (size_bytes + missing * usual)


def _variation(rates: list[float]) -> float:
    """Standard deviation over mean, 0 of fewer than three."""
    if len(rates) < 3:
        return 0.0
    mean = sum(rates) / len(rates)
    return math.sqrt(sum((rate - mean) ** 2 for rate in rates) / len(rates)) / mean
