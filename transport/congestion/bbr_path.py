"""What BBR knows of the path, and for how long (draft-ietf-ccwg-bbr, "Updating Network Path Model Parameters"). Rates
are bytes per second, sizes bytes, times seconds."""

import math
from collections import deque

from glassbench.transport.congestion.delivery_rate import DeliveryRate, RateSample

FULL_PIPE_GROWTH = 1.25
FULL_PIPE_ROUNDS = 3
PROBE_RTT_INTERVAL = 5.0
MIN_RTT_WINDOW = 10.0
AGGREGATION_ROUNDS = 10
MAX_RATE_CYCLES = 2


class PathModel:
    """The largest delivery rate and the least round-trip time, and the round trips that are counted by packets."""

    def __init__(self) -> None:
        self.delivery = DeliveryRate()
        self.min_rtt = MinRttFilter()
        self.aggregation = Aggregation()
        self.rounds = 0
        self.round_started = False  # with the latest ACK
        self._round_ends = 0  # next_round_delivered
        self._rates = WindowedMax()
        self._cycles = 0

    @property
    def max_rate(self) -> float:
        """The largest rate of this cycle of probing and the one before, 0 without a sample (max_bw)."""
        return self._rates.value

    def on_sample(self, sample: RateSample) -> None:
        """An ACK: a round is over when a packet arrived that left after it began. What the application limited counts
        only if it is more than was known."""
        self.round_started = sample.at_sending.delivered >= self._round_ends
        if self.round_started:
            self.start_round()
            self.rounds += 1
        if sample.rate > 0 and (sample.rate >= self.max_rate or not sample.at_sending.app_limited):
            self._rates.update(sample.rate, time=self._cycles, window=MAX_RATE_CYCLES)

    def start_round(self) -> None:
        """Let a round begin with the next packet."""
        self._round_ends = self.delivery.delivered

    def next_cycle(self) -> None:
        """The samples of a probe are complete: those of the cycle before the last one can go."""
        self._cycles += 1


class WindowedMax:
    """The largest of the samples that are younger than a window. The youngest stays, however old it is."""

    def __init__(self) -> None:
        self._samples: deque[tuple[int, float]] = deque()  # (time, value), values falling: the first is the largest

    @property
    def value(self) -> float:
        """0 without a sample."""
        return self._samples[0][1] if self._samples else 0.0

    def update(self, value: float, *, time: int, window: int) -> None:
        """Add a sample. `time` counts whatever the window does: rounds, or cycles."""
        while self._samples and self._samples[-1][1] <= value:
            self._samples.pop()
        if not self._samples or self._samples[-1][0] != time:
            self._samples.append((time, value))
        while self._samples[0][0] <= time - window:
            self._samples.popleft()


class MinRttFilter:
    """The least round-trip time of 10 s, and whether that of 5 s is due to be seen anew."""

    def __init__(self) -> None:
        self.value = math.inf
        self._value_at = math.inf
        self._recent = math.inf  # the least within the interval of ProbeRTT
        self._recent_at = math.inf

    def update(self, rtt: float | None, *, now: float) -> bool:
        """Add a sample, if there is one. True if none was as short as the last one for the interval of ProbeRTT."""
        expired = now > self._recent_at + PROBE_RTT_INTERVAL
        if rtt is not None and (rtt < self._recent or expired):
            self._recent, self._recent_at = rtt, now
        if self._recent < self.value or now > self._value_at + MIN_RTT_WINDOW:
            self.value, self._value_at = self._recent, self._recent_at
        return expired

    def probed(self, *, now: float) -> None:
        """ProbeRTT is over; the next one is due an interval from now."""
        self._recent_at = now


class FullPipe:
    """Looks for a plateau: three rounds in which the delivery rate did not grow by a quarter. `now` says that one was
    seen since the last reset."""

    def __init__(self) -> None:
        self.now = False
        self._rate = 0.0
        self._rounds = 0

    def reset(self, rate: float = 0.0) -> None:
        """Look anew, from a rate that is there already."""
        self.now, self._rate, self._rounds = False, rate, 0

    def on_round(self, rate: float) -> None:
        """The rate of a round in which the application was not the limit."""
        if rate >= FULL_PIPE_GROWTH * self._rate:
            self.reset(rate)
            return
        self._rounds += 1
        self.now = self._rounds >= FULL_PIPE_ROUNDS


class Aggregation:
    """How much more than expected is acknowledged at once, because the path or the receiver collects."""

    def __init__(self) -> None:
        self._filter = WindowedMax()
        self._since = 0.0
        self._acked = 0

    @property
    def extra_acked(self) -> float:
        """The largest such amount of the last ten rounds, in Startup of this round."""
        return self._filter.value

    def restart(self, *, now: float) -> None:
        """Nothing was in flight, so nothing could be collected."""
        self._since = now

    def update(self, newly_acked: int, rate: float, most: float, *, steady: bool, rounds: int, now: float) -> None:
        """An ACK, where `rate` was expected. No amount counts for more than `most`."""
        expected = rate * (now - self._since)
        if self._acked <= expected:
            self._since, self._acked = now, 0
            expected = 0.0
        self._acked += newly_acked
        window = AGGREGATION_ROUNDS if steady else 1
        self._filter.update(min(self._acked - expected, most), time=rounds, window=window)
