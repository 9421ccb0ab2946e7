"""When a sender tells its application that the path delivers another rate than before."""

import math

from glassbench.transport.congestion.controller import Allowance

_LEAST_CHANGE = 0.05  # of what was said last
_INTERVAL = 0.1  # seconds, from one time to the next


class TargetRate:
    """Remembers the rate that was said last. It is infinite as long as the path has shown no limit."""

    def __init__(self) -> None:
        self._said = math.inf
        self._said_at = -math.inf

    def change(self, allowance: Allowance, *, now: float) -> float | None:
        """The rate to say now, in bits per second; None if it is much the same, or was said just now."""
        rate = math.inf if allowance.probe else allowance.target_bps
        if rate == self._said or now < self._said_at + _INTERVAL:
            return None
        if math.isfinite(rate) and abs(rate - self._said) < _LEAST_CHANGE * self._said:
            return None
        self._said, self._said_at = rate, now
        return rate
