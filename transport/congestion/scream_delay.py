"""The queue that SCReAM sees: how long packets wait on the way there, by the times at which the peer received them.

Sections 4.2.1.4, 4.5.1 and 4.5.4 of draft-ietf-ccwg-rfc8298bis-screamv2-01, and RFC 6817. A one-way delay has the
difference of two clocks in it, so only its excess over the least one, the *base delay*, says something: that is the
queue delay. All times are seconds.
"""

import math
from collections import deque

_AVERAGE_GAIN = 1 / 4  # QDELAY_AVG_G
_EXTREMES_GAIN = 1 / 16  # QDELAY_MIN_MAX_AVG_G
_VARIATION_GAIN = 1 / 32  # QDELAY_DEV_AVG_G
_MOST_VARIATION = 0.01  # QDELAY_DEV_THRESHOLD
_STANDING_GAIN = 1 / 256  # QDELAY_MIN_AVG_ALPHA
_STANDING_SHARE = 1 / 4  # of the target, from which on the base delay is doubted
_BASE_INTERVAL = 60.0  # RFC 6817 section 2.4.2: a minimum a minute ...
_BASE_INTERVALS = 10  # ... of the last ten
_LEAST_TARGET = 0.06  # QDELAY_TARGET_LO
_MOST_TARGET = 0.4  # QDELAY_TARGET_HI
_SAMPLE_INTERVAL = 0.05
_LONG_SAMPLES = 200
_SHORT_SAMPLES = 50
_STEADY_VARIANCE = 0.2
_LOSSY_ROUNDS = 0.002
_ROUNDS_GAIN = 0.02


class QueueDelay:
    """The queue delay: the newest, its average, which rises slowly and falls at once, and how much it varies."""

    def __init__(self) -> None:
        self.newest = 0.0
        self.average = 0.0
        self.steadiness = 1.0
        """The draft's ref_wnd_delay_scale: 1 where the delay does not vary, 0 where it varies by 10 ms."""
        self._bases: deque[float] = deque(maxlen=_BASE_INTERVALS)  # the least of each interval, the current one last
        self._base_at = 0.0
        self._averaged_at = -math.inf
        self._most = self._least = self._variation = 0.0
        self._round_least = math.inf
        self._round_at = -math.inf
        self._standing = 0.0

    def add(self, delays: list[float], *, smoothed_rtt: float, interval: float, now: float) -> None:
        """One-way delays in the order in which the packets were sent. Averages move once in an `interval`."""
        if not self._bases or now - self._base_at >= _BASE_INTERVAL:
            self._bases.append(math.inf)
            self._base_at = now
        self._bases[-1] = min(self._bases[-1], *delays)
        base = min(self._bases)
        self.newest = delays[-1] - base
        least = min(delays) - base
        self._least = min(self._least, least)
        self._round_least = min(self._round_least, least)
        self._most = max(self._most, max(delays) - base)
        if now - self._averaged_at >= interval:
            self._averaged_at = now
            self._average()
        if now - self._round_at >= smoothed_rtt:
            self._standing += _STANDING_GAIN * (self._round_least - self._standing)
            self._round_least, self._round_at = math.inf, now

    def doubted(self, target: float) -> bool:
        """Whether so much of the delay never goes away that the base delay is wrong: the clocks drift apart, the path
        became longer, or a queue stands (section 4.5.1)."""
        return self._standing > _STANDING_SHARE * target

    def forget(self) -> None:
        """Measure the base delay anew."""
        self._standing = self.newest = self.average = 0.0
        self._round_least = math.inf
        self._bases.clear()

    def _average(self) -> None:
        gain = 1.0 if self.newest < self.average else _AVERAGE_GAIN
        self.average += gain * (self.newest - self.average)
        self._most -= _EXTREMES_GAIN * self._most
        self._least += _EXTREMES_GAIN * (self._most - self._least)
        self._variation += _VARIATION_GAIN * (self._most - self._least - self._variation)
        self.steadiness = max(0.0, min(1.0, 1.0 - self._variation / _MOST_VARIATION))


class DelayTarget:
    """The queue delay that SCReAM accepts: 60 ms alone, and up to 400 ms beside flows that fill the queue whatever it
    does (section 4.5.4). `seconds` is what it is now."""

    def __init__(self) -> None:
        self.seconds = _LEAST_TARGET
        self._samples: deque[float] = deque(maxlen=_LONG_SAMPLES)  # in units of the least target
        self._sampled_at = -math.inf
        self._lossy_rounds = 0.0  # of all round trips, those with a loss
        self._lost = False
        self._round_at = -math.inf

    def update(self, queue_delay: float, *, lost: bool, smoothed_rtt: float, now: float) -> None:
        """What the newest feedback says."""
        self._lost |= lost
        if now - self._round_at >= smoothed_rtt:
            self._lossy_rounds += _ROUNDS_GAIN * (self._lost - self._lossy_rounds)
            self._lost, self._round_at = False, now
        if now - self._sampled_at >= _SAMPLE_INTERVAL:
            self._sampled_at = now
            self._samples.append(queue_delay / _LEAST_TARGET)
            self._adjust()

    def _adjust(self) -> None:
        samples = list(self._samples)
        mean = sum(samples) / len(samples)
        variance = sum((sample - mean) ** 2 for sample in samples) / len(samples)
        recent = samples[-_SHORT_SAMPLES:]
        wanted = (sum(recent) / len(recent) + math.sqrt(variance)) * _LEAST_TARGET
        if self._lossy_rounds > _LOSSY_ROUNDS:
            self.seconds = 1.5 * wanted
        elif variance < _STEADY_VARIANCE:
            self.seconds = wanted
        elif wanted < _LEAST_TARGET:
            self.seconds = max(0.5 * self.seconds, wanted)
        else:
            self.seconds *= 0.9
        self.seconds = max(_LEAST_TARGET, min(_MOST_TARGET, self.seconds))
