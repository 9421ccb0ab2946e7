"""Constant propagation delay."""

from glassbench.netem.checks import not_negative
from glassbench.netem.line import Line
from glassbench.netem.packet import Packet


class Delay(Line):
    """Every packet leaves `delay` seconds after it came."""

    def __init__(self, delay: float) -> None:
        super().__init__()
        self.shortest = not_negative("Delay.delay", delay)

    def push(self, packet: Packet) -> None:
        self._pushed += 1
        packet.at += self.shortest
        self._leaving.append(packet)
