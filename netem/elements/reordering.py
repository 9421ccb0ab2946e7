"""Reordering: some packets are held back until others have passed them."""

from collections import deque

import numpy as np

from glassbench.netem.checks import fraction, positive
from glassbench.netem.element import Counts
from glassbench.netem.line import Line
from glassbench.netem.packet import Packet

_BLOCK = 256  # dice thrown at once


class Reordering(Line):
    """With `probability` a packet is held back, as on a longer parallel way, and becomes reordered (RFC 4737).

    It leaves `lateness` seconds later, or, with `extent`, already when that many later packets have passed it
    (RFC 4737's reordering extent, if it is the only one held), whichever comes first, so that the end of a stream does
    not hold it for ever. A packet that leaves at an instant at which another passes goes first.
    """

    def __init__(
        self, probability: float, rng: np.random.Generator, *, lateness: float, extent: int | None = None
    ) -> None:
        super().__init__()
        self._probability = fraction("Reordering.probability", probability)
        self._lateness = positive("Reordering.lateness", lateness)
        if extent is not None and extent < 1:
            raise ValueError(f"Reordering.extent: found {extent}, accepted is 1 packet or more")
        self._extent = extent
        self._rng = rng
        self._dice: list[float] = []
        self._held: deque[tuple[Packet, int]] = deque()  # with `at` of the packet the latest departure
        self._passed = 0

    def push(self, packet: Packet) -> None:
        self._pushed += 1
        self._release(packet.at)
        if not self._dice:
            self._dice = self._rng.random(_BLOCK).tolist()
        if self._dice.pop() < self._probability:
            packet.at += self._lateness
            self._held.append((packet, self._passed))
            return
        self._leaving.append(packet)
        self._passed += 1
        while self._extent and self._held and self._passed - self._held[0][1] >= self._extent:
            held, _ = self._held.popleft()
            held.at = packet.at
            self._leaving.append(held)

    def pop(self, now: float) -> list[Packet]:
        self._release(now)
        return super().pop(now)

    def get_timer(self) -> float | None:
        if self._leaving:
            return self._leaving[0].at
        return self._held[0][0].at if self._held else None

    def counts(self) -> Counts:
        counts = super().counts()
        counts.inside += len(self._held)
        return counts

    def _release(self, now: float) -> None:
        while self._held and self._held[0][0].at <= now:
            self._leaving.append(self._held.popleft()[0])
