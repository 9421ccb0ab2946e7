"""Jitter: delay variation that persists over a while, the same at the same instant for every packet stream."""

import math

import numpy as np

from glassbench.netem.checks import positive
from glassbench.netem.line import Line
from glassbench.netem.packet import Packet

_STEPS = 8  # points of the process per correlation time, joined by straight lines
_BLOCK = 256  # points drawn at once


class Jitter(Line):
    """Adds a random delay that is exponentially distributed with `mean` seconds. Order is kept.

    The delay is a process in time, correlated by exp(-t / correlation_time): what causes jitter (cross traffic,
    scheduling, link-layer repair) lasts longer than the gap between two packets. Delays drawn anew for each packet,
    with order kept, would make every packet of a burst as late as the slowest one, and a burst of more packets later.
    The process comes from its own generator and does not look at packets, so equal seeds give all packet streams the
    same delay at the same instant. It is the power of Rayleigh fading: half the sum of squares of two independent
    Gaussian AR(1) processes, which is exactly exponential.
    """

    def __init__(self, mean: float, correlation_time: float, rng: np.random.Generator, *, epoch: float) -> None:
        super().__init__()
        self._mean = positive("Jitter.mean", mean)
        self._step = positive("Jitter.correlation_time", correlation_time) / _STEPS
        self._memory = math.exp(-0.5 / _STEPS)  # its square is the correlation of the squares from point to point
        self._rng = rng
        self._epoch = epoch
        self._state = rng.standard_normal(2).tolist()
        self._first = 0  # the index of self._points[0]
        self._points = [self._delay()]
        self._last_at = 0.0

    def push(self, packet: Packet) -> None:
        self._pushed += 1
        packet.at = self._last_at = max(packet.at + self.delay_at(packet.at), self._last_at)
        self._leaving.append(packet)

    def delay_at(self, time: float) -> float:
        """The delay that is added to a packet that comes at `time`. The first `time` is `epoch` or later, and it never
        decreases."""
        point, weight = divmod(max(time - self._epoch, 0.0) / self._step, 1.0)
        index = int(point) - self._first
        while index + 1 >= len(self._points):
            index -= self._extend()
        return self._points[index] * (1 - weight) + self._points[index + 1] * weight

    def _extend(self) -> int:
        """Draw the next block, which goes on from the last point, and forget all other points. Returns how many were
        forgotten."""
        forgotten = len(self._points) - 1
        del self._points[:forgotten]
        self._first += forgotten
        x, y = self._state
        noise = math.sqrt(1 - self._memory**2)
        for x_noise, y_noise in (self._rng.standard_normal((_BLOCK, 2)) * noise).tolist():
            x, y = self._memory * x + x_noise, self._memory * y + y_noise
            self._state = [x, y]
            self._points.append(self._delay())
        return forgotten

    def _delay(self) -> float:
        x, y = self._state
        return float(self._mean * (x * x + y * y) / 2)
