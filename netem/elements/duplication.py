"""Duplication of packets."""

from dataclasses import replace

import numpy as np

from glassbench.netem.checks import fraction
from glassbench.netem.element import Counts
from glassbench.netem.line import Line
from glassbench.netem.packet import Packet


class Duplication(Line):
    """With `probability` a packet leaves twice, its copy right behind it (same number, same instant)."""

    def __init__(self, probability: float, rng: np.random.Generator) -> None:
        super().__init__()
        self._probability = fraction("Duplication.probability", probability)
        self._rng = rng
        self._until_next = self._gap()
        self._duplicated = 0

    def push(self, packet: Packet) -> None:
        self._pushed += 1
        self._leaving.append(packet)
        self._until_next -= 1
        if not self._until_next:
            self._until_next = self._gap()
            self._duplicated += 1
            self._leaving.append(replace(packet))  # a copy of its own: later elements write into packets

    def counts(self) -> Counts:
        counts = super().counts()
        counts.duplicated = self._duplicated
        return counts

    def _gap(self) -> int:
        return int(self._rng.geometric(self._probability)) if self._probability else -1
