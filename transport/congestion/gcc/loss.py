"""The loss-based limit: under 2 % of loss it rises, over 10 % it falls by half of the loss, between them it stays.

draft-ietf-rmcat-gcc-02 section 6, on a report a second over 20 packets at least, as libwebrtc makes them
(`send_side_bandwidth_estimation.cc`, whose factor of 1.08 it is; the draft has 1.05). Two choices:

- Where loss is no limit there is none: the limit begins at the rate at the time of the first loss over 10 %, and is
  gone when it has reached the delay-based rate again. libwebrtc draws it down with that rate, so that between 2 and 10
  % of loss no overuse is ever made good.
- libwebrtc's newer estimator (`loss_based_bwe_v2.cc`), which fits a model of inherent loss, is in no document.
"""

import math

from glassbench.transport.congestion.gcc.aimd import LEAST_BPS

_LOW = 0.02
_HIGH = 0.1
_GROWTH = 1.08
_GROWTH_BPS = 1e3
_REPORT = 1.0  # seconds
_LEAST_PACKETS = 20


class LossLimit:
    """`limit_bps` is infinite where loss is no limit."""

    def __init__(self) -> None:
        self.limit_bps = math.inf
        self._lost = self._packets = 0
        self._reported_at: float | None = None
        self._before: tuple[float, float] | None = None  # when the first of a row of cuts was made, and the limit then

    def add(self, *, lost: int, arrived: int, delay_bps: float, now: float) -> None:
        """Packets were lost or arrived while the delay-based rate was `delay_bps`."""
        self._lost += lost
        self._packets += lost + arrived
        if self._reported_at is None:
            self._reported_at = now
        if self._packets < _LEAST_PACKETS or now - self._reported_at < _REPORT:
            return
        self._report(self._lost / self._packets, delay_bps, now=now)
        self._lost = self._packets = 0
        self._reported_at = now

    def raise_to(self, rate_bps: float) -> None:
        """A probe measured so much."""
        self.limit_bps = max(self.limit_bps, rate_bps)

    def undo(self, *, since: float) -> None:
        """The losses from `since` on were none."""
        self._lost = 0
        if self._before is not None and self._before[0] >= since:
            self.limit_bps = max(self.limit_bps, self._before[1])
            self._before = None

    def _report(self, loss: float, delay_bps: float, *, now: float) -> None:
        if loss <= _LOW:
            self.limit_bps = _GROWTH * self.limit_bps + _GROWTH_BPS
            self._before = None
            if self.limit_bps >= delay_bps:
                self.limit_bps = math.inf
        elif loss > _HIGH:
            self._before = self._before or (now, self.limit_bps)
            self.limit_bps = max(min(self.limit_bps, delay_bps) * (1 - 0.5 * loss), LEAST_BPS)
