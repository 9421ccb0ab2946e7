"""Delay drawn anew for each packet from a named distribution."""

from collections.abc import Callable
from heapq import heappop, heappush

import numpy as np
from numpy.typing import NDArray

from glassbench.netem.checks import not_negative, positive
from glassbench.netem.element import Counts
from glassbench.netem.packet import Packet

FloatArray = NDArray[np.float64]
Sampler = Callable[[np.random.Generator, float, float, int], FloatArray]  # generator, mean, deviation, how many

_BLOCK = 256  # delays drawn at once


class RandomDelay:
    """Each packet is delayed by a draw of `distribution` with this mean and standard deviation, in seconds.

    The distribution is one of DISTRIBUTIONS; draws below 0 count as 0, which raises the mean of a normal or uniform
    delay wide enough to have them. Order is kept, so that a packet behind a slower one leaves with it: at a high packet
    rate the delay seen is that of the slowest of many. With `reorder` every packet leaves at its own time.
    """

    shortest = 0.0

    def __init__(
        self, distribution: str, mean: float, deviation: float, rng: np.random.Generator, *, reorder: bool = False
    ) -> None:
        if distribution not in DISTRIBUTIONS:
            raise ValueError(
                f"RandomDelay.distribution: found {distribution!r}, accepted are {', '.join(DISTRIBUTIONS)}"
            )
        self._draw = DISTRIBUTIONS[distribution]
        self._mean = positive("RandomDelay.mean", mean)
        self._deviation = not_negative("RandomDelay.deviation", deviation)
        self._rng = rng
        self._reorder = reorder
        self._delays: list[float] = []  # drawn, in reverse order
        self._last_at = 0.0
        self._leaving: list[tuple[float, int, Packet]] = []  # a heap
        self.gone: list[Packet] = []
        self._pushed = 0
        self._popped = 0

    def push(self, packet: Packet) -> None:
        if not self._delays:
            delays = np.maximum(self._draw(self._rng, self._mean, self._deviation, _BLOCK), 0.0)
            self._delays = delays.tolist()[::-1]
        packet.at += self._delays.pop()
        if not self._reorder:
            packet.at = self._last_at = max(packet.at, self._last_at)
        heappush(self._leaving, (packet.at, self._pushed, packet))
        self._pushed += 1

    def pop(self, now: float) -> list[Packet]:
        packets = []
        while self._leaving and self._leaving[0][0] <= now:
            packets.append(heappop(self._leaving)[2])
        self._popped += len(packets)
        return packets

    def get_timer(self) -> float | None:
        return self._leaving[0][0] if self._leaving else None

    def counts(self) -> Counts:
        counts = Counts()
        counts.pushed, counts.popped, counts.inside = self._pushed, self._popped, len(self._leaving)
        return counts


def _normal(rng: np.random.Generator, mean: float, deviation: float, size: int) -> FloatArray:
    return rng.normal(mean, deviation, size)


def _uniform(rng: np.random.Generator, mean: float, deviation: float, size: int) -> FloatArray:
    half_width = np.sqrt(3.0) * deviation
    return rng.uniform(mean - half_width, mean + half_width, size)


def _lognormal(rng: np.random.Generator, mean: float, deviation: float, size: int) -> FloatArray:
    variance = np.log1p((deviation / mean) ** 2)  # of the logarithm
    return rng.lognormal(np.log(mean) - variance / 2, np.sqrt(variance), size)


def _pareto(rng: np.random.Generator, mean: float, deviation: float, size: int) -> FloatArray:
    if deviation == 0:
        return np.full(size, mean)
    shape = 1 + np.sqrt(1 + (mean / deviation) ** 2)  # solves mean^2 / deviation^2 = shape (shape - 2)
    smallest = mean * (shape - 1) / shape
    return np.asarray(smallest * (1 + rng.pareto(shape, size)))  # numpy's is Lomax: Pareto minus 1


DISTRIBUTIONS: dict[str, Sampler] = {
    "normal": _normal,
    "uniform": _uniform,
    "lognormal": _lognormal,
    "pareto": _pareto,
}
