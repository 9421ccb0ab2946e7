"""CUBIC (RFC 9438): the window grows by the time since congestion, towards where it was and then beyond, whatever the
round-trip time; slow start and recovery are RFC 9002's.

Windows are in packets here, as in the RFC. The names of its variables are kept where they are formulas.
"""

import math
from typing import NamedTuple

from glassbench.transport.congestion.window import WindowController

C = 0.4  # packets per second cubed, section 5
BETA = 0.7  # section 4.6
ALPHA = 3 * (1 - BETA) / (1 + BETA)  # of the Reno-friendly region, section 4.3

_MOST_TARGET = 1.5  # times the window, per round trip, section 4.2


class _Saved(NamedTuple):
    """What section 4.9.2 saves, beside the window and the threshold."""

    most: float | None
    prior: float
    epoch_at: float | None
    k: float
    estimate: float


class CubicController(WindowController):
    """Concave up to the window of the last congestion, then convex; never slower than Reno."""

    def __init__(self, *, max_datagram_bytes: int) -> None:
        super().__init__(max_datagram_bytes=max_datagram_bytes)
        self._most: float | None = None  # W_max; None: congestion avoidance does not begin with a reduction
        self._prior = math.inf  # the window ahead of the last reduction
        self._epoch_at: float | None = None  # when this congestion avoidance began, without what was not used
        self._k = 0.0  # seconds from then until the window is W_max
        self._estimate = 0.0  # W_est, the window that Reno would have
        self._fed_at = 0.0

    def cubic_window(self, elapsed: float) -> float:
        """W_cubic, in packets, so many seconds into this congestion avoidance."""
        return C * (elapsed - self._k) ** 3 + (self._most or 0.0)

    def _grow(self, used_bytes: float, *, now: float) -> None:
        if self._epoch_at is None:
            self._begin(now=now)
        assert self._epoch_at is not None
        if not used_bytes:  # the time in which the application is the limit does not count (section 4.2)
            self._epoch_at += now - self._fed_at
        self._fed_at = now
        if not used_bytes:
            return
        window, acked = self._window / self._packet, used_bytes / self._packet
        elapsed = now - self._epoch_at
        self._estimate += (ALPHA if self._estimate < self._prior else 1.0) * acked / window
        if self.cubic_window(elapsed) < self._estimate:
            window = max(window, self._estimate)
        else:
            target = min(max(self.cubic_window(elapsed + self._rtt), window), _MOST_TARGET * window)
            window += (target - window) * acked / window
        self._window = window * self._packet

    def _begin(self, *, now: float) -> None:
        """Begin congestion avoidance (section 4.2). Without a reduction before it, W_max is where slow start ended
        (sections 4.8 and 4.10)."""
        window = self._window / self._packet
        self._epoch_at = self._fed_at = now
        if self._most is None:
            self._most = self._prior = window
        self._k = math.copysign(abs((self._most - window) / C) ** (1 / 3), self._most - window)
        self._estimate = window

    def _reduced_window(self) -> float:
        window = self._window / self._packet
        converging = self._most is not None and window < self._most  # somebody else has come (section 4.7)
        self._most = window * (1 + BETA) / 2 if converging else window
        self._prior = window
        self._epoch_at = None
        return self._window * BETA

    def _collapse(self) -> None:
        """React as to a timeout (section 4.8)."""
        super()._collapse()
        self._most = None
        self._epoch_at = None

    def _save(self) -> object:
        return _Saved(self._most, self._prior, self._epoch_at, self._k, self._estimate)

    def _restore(self, saved: object) -> None:
        assert isinstance(saved, _Saved)
        self._most, self._prior, self._epoch_at, self._k, self._estimate = saved
