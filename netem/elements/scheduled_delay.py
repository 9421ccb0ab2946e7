"""Propagation delay that follows a step function of time, as a trace gives it (satellite passes, recorded latency)."""

from bisect import bisect_right
from collections.abc import Sequence

from glassbench.netem.checks import not_negative
from glassbench.netem.line import Line
from glassbench.netem.packet import Packet
from glassbench.netem.replay import Replay


class ScheduledDelay(Line):
    """A packet that comes at time t of the trace leaves `delays[i]` seconds later, `times[i] <= t < times[i + 1]`.

    The steps repeat after `period` seconds. Order is kept: behind a step down, packets wait for those still on the
    longer way.
    """

    def __init__(self, times: Sequence[float], delays: Sequence[float], period: float, *, replay: Replay) -> None:
        super().__init__()
        self._times = [float(time) for time in times]
        self._delays = [not_negative("ScheduledDelay.delays", float(delay)) for delay in delays]
        self._period = period
        self._replay = replay
        self._last_at = 0.0

    def push(self, packet: Packet) -> None:
        self._pushed += 1
        step = bisect_right(self._times, self._replay.position(packet.at) % self._period) - 1
        packet.at = self._last_at = max(packet.at + self._delays[step], self._last_at)
        self._leaving.append(packet)
