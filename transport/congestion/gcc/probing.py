"""Probes: short clusters of packets at a higher rate, and what arrives of them.

libwebrtc's `probe_controller.cc` and `probe_bitrate_estimator.cc`; the draft has none. A cluster is 15 ms of its rate,
five packets at least. The first two are 3 and 6 times the start rate. If one shows more than 70 % of its rate, the next
is twice what it showed. In the application-limited region there is one of twice the target every 5 s, and after a fall
by a third that is over within 5 s one of 85 % of the rate before it. Choices:

- The first packet that the application sends begins a cluster. From then on the allowance asks for padding, so that
  it gets through where the application has less. A cluster whose packets do not follow each other within 20 ms over
  their time measures the application, not the path: libwebrtc discards it, here it begins anew with the next packet.
  At the start it does so until the application has sent enough at once, later until its second is over.
- libwebrtc bounds probes by the most that the application can use, 5 Mbit/s if it does not say. The contract of
  controllers has no such number, so that here only their results bound them.
- While the delay says that the queue grows or drains there are no new probes, as in libwebrtc's newer versions.
"""

import math
from collections import deque

from glassbench.transport.congestion.gcc.limited import ApplicationLimit
from glassbench.transport.congestion.gcc.overuse import Usage

_FIRST_FACTORS = (3.0, 6.0)
_FURTHER_FACTOR = 2.0
_FURTHER_SHARE = 0.7
_LEAST_PACKETS = 5
_LEAST_TIME = 0.015  # seconds, of a cluster
_MOST_DELAY = 0.02  # of one packet after another, beyond their time at the rate
_PATIENCE = 1.0  # for the results
_RECEIVED_SHARE = 0.8
_MOST_RATIO = 2.0  # of the rates of arriving and of leaving
_UNLIMITED_RATIO = 0.9
_USED_SHARE = 0.95  # of a capacity that a cluster has met
_LONGEST = 1.0  # seconds, of a cluster that says anything
_LIMITED_INTERVAL = 5.0
_LIMITED_FACTOR = 2.0
_LARGE_DROP = 0.66
_DROP_TIMEOUT = 5.0
_DROP_SHARE = 0.85
_DROP_UNCERTAINTY = 0.05
_LIMIT_ENDED = 3.0


class ProbeCluster:
    """Packets that try `rate_bps`. It is the memo of each of them."""

    def __init__(self, rate_bps: float) -> None:
        self.rate_bps = rate_bps
        self._least_bytes = rate_bps * _LEAST_TIME / 8
        self._packets = self._bytes = 0  # sent
        self._last_sent_at = 0.0
        self._received = self._received_bytes = 0
        self._sent_from, self._sent_until, self._last_bytes = math.inf, -math.inf, 0  # of what was received
        self._received_from, self._received_until, self._first_bytes = math.inf, -math.inf, 0

    @property
    def begun(self) -> bool:
        """Whether a packet of it has left."""
        return self._packets > 0

    @property
    def complete(self) -> bool:
        """Whether all of it has left."""
        return self._packets >= _LEAST_PACKETS and self._bytes >= self._least_bytes

    def follows(self, size_bytes: int, *, at: float) -> bool:
        """Whether a packet that leaves at `at` can be of this cluster."""
        return not self.begun or at - self._last_sent_at <= size_bytes * 8 / self.rate_bps + _MOST_DELAY

    def on_sent(self, size_bytes: int, *, at: float) -> None:
        """A packet of it left."""
        self._packets += 1
        self._bytes += size_bytes
        self._last_sent_at = at

    def on_received(self, size_bytes: int, *, sent_at: float, received_at: float) -> float | None:
        """A packet of it arrived, by the peer's clock at `received_at`. Returns the rate in bits per second that its
        packets show together, if enough of them have arrived."""
        self._received += 1
        self._received_bytes += size_bytes
        if sent_at >= self._sent_until:
            self._sent_until, self._last_bytes = sent_at, size_bytes
        if received_at < self._received_from:
            self._received_from, self._first_bytes = received_at, size_bytes
        self._sent_from = min(self._sent_from, sent_at)
        self._received_until = max(self._received_until, received_at)
        return self._result()

    def _result(self) -> float | None:
        if self._received < _RECEIVED_SHARE * _LEAST_PACKETS:
            return None
        if self._received_bytes < _RECEIVED_SHARE * self._least_bytes:
            return None
        sent_in = self._sent_until - self._sent_from
        received_in = self._received_until - self._received_from
        if not (0 < sent_in <= _LONGEST and 0 < received_in <= _LONGEST):
            return None
        sent_bps = (self._received_bytes - self._last_bytes) * 8 / sent_in
        received_bps = (self._received_bytes - self._first_bytes) * 8 / received_in
        if received_bps > _MOST_RATIO * sent_bps:
            return None
        if received_bps < _UNLIMITED_RATIO * sent_bps:
            return _USED_SHARE * received_bps
        return min(sent_bps, received_bps)


class Prober:
    """When to probe, and how fast."""

    def __init__(self, start_bps: float) -> None:
        self._clusters: deque[ProbeCluster] = deque()  # to be sent; at most the two of the start
        self._asked_at: float | None = None  # None at the start, until the first cluster has left
        self._further_bps = math.inf  # a result above it asks for a further cluster
        self._rate_bps = start_bps
        self._before_drop_bps = 0.0
        self._dropped_at = self._drop_probed_at = -math.inf
        self._ask([factor * start_bps for factor in _FIRST_FACTORS], further=True, now=None)

    @property
    def cluster(self) -> ProbeCluster | None:
        """The cluster that is being sent, or comes next."""
        return self._clusters[0] if self._clusters else None

    @property
    def waits_until(self) -> float | None:
        """When results of clusters that were asked for are no longer waited for."""
        return None if self._asked_at is None or not self._waits else self._asked_at + _PATIENCE

    def limited_at(self, limit: ApplicationLimit) -> float | None:
        """When to probe in the application-limited region."""
        if limit.since is None or self._waits:
            return None
        asked_at = limit.since if self._asked_at is None else max(limit.since, self._asked_at)
        return asked_at + _LIMITED_INTERVAL

    def on_sent(self, size_bytes: int, *, at: float) -> ProbeCluster | None:
        """A packet left. Returns the cluster that it is of."""
        self._expire(now=at)
        cluster = self.cluster
        if cluster is None:
            return None
        if not cluster.follows(size_bytes, at=at):
            cluster = self._clusters[0] = ProbeCluster(cluster.rate_bps)
        cluster.on_sent(size_bytes, at=at)
        if cluster.complete:
            self._clusters.popleft()
            if self._asked_at is None:
                self._asked_at = at
        return cluster

    def on_target(self, target_bps: float, usage: Usage, *, now: float) -> None:
        """The target is `target_bps` after news of arrivals."""
        if target_bps < _LARGE_DROP * self._rate_bps:
            self._dropped_at, self._before_drop_bps = now, self._rate_bps
        self._rate_bps = target_bps
        self._expire(now=now)
        if target_bps > self._further_bps and usage is Usage.NORMAL:
            self._ask([_FURTHER_FACTOR * target_bps], further=True, now=now)

    def on_recovered(self, limit: ApplicationLimit, *, now: float) -> None:
        """The queue is empty after an overuse. Where the application sends little, only a probe tells what the path
        carries now."""
        limited = limit.since is not None or (limit.ended_at is not None and now - limit.ended_at < _LIMIT_ENDED)
        if not limited or self._waits or now - self._dropped_at >= _DROP_TIMEOUT:
            return
        rate_bps = _DROP_SHARE * self._before_drop_bps
        if (1 - _DROP_UNCERTAINTY) * rate_bps > self._rate_bps and now - self._drop_probed_at > _LIMITED_INTERVAL:
            self._drop_probed_at = now
            self._ask([rate_bps], further=False, now=now)

    def handle_timer(self, limit: ApplicationLimit, usage: Usage, *, now: float) -> None:
        """Act on what is due."""
        self._expire(now=now)
        at = self.limited_at(limit)
        if at is None or now < at:
            return
        if usage is Usage.NORMAL:
            self._ask([_LIMITED_FACTOR * self._rate_bps], further=True, now=now)
        else:
            self._asked_at = now  # and no earlier than after the next interval

    @property
    def _waits(self) -> bool:
        return bool(self._clusters) or self._further_bps < math.inf

    def _ask(self, rates_bps: list[float], *, further: bool, now: float | None) -> None:
        self._clusters = deque(ProbeCluster(rate_bps) for rate_bps in rates_bps)
        self._further_bps = _FURTHER_SHARE * rates_bps[-1] if further else math.inf
        self._asked_at = now

    def _expire(self, *, now: float) -> None:
        if (until := self.waits_until) is not None and now >= until:
            self._clusters.clear()
            self._further_bps = math.inf
