"""Independent loss whose probability follows a step function of time, as a trace gives it."""

from bisect import bisect_right
from collections.abc import Sequence

import numpy as np

from glassbench.netem.checks import fraction
from glassbench.netem.medium import LossyMedium
from glassbench.netem.packet import Packet
from glassbench.netem.replay import Replay

_BLOCK = 256  # dice thrown at once


class ScheduledLoss(LossyMedium):
    """Loses a packet that comes at time t of the trace with probability `ratios[i]`, `times[i] <= t < times[i + 1]`.

    The steps repeat after `period` seconds.
    """

    def __init__(
        self,
        times: Sequence[float],
        ratios: Sequence[float],
        period: float,
        rng: np.random.Generator,
        *,
        replay: Replay,
    ) -> None:
        super().__init__()
        self._times = [float(time) for time in times]
        self._ratios = [fraction("ScheduledLoss.ratios", float(ratio)) for ratio in ratios]
        self._period = period
        self._replay = replay
        self._rng = rng
        self._dice: list[float] = []

    def loses(self, packet: Packet) -> bool:
        if not self._dice:
            self._dice = self._rng.random(_BLOCK).tolist()
        step = bisect_right(self._times, self._replay.position(packet.at) % self._period) - 1
        return self._dice.pop() < self._ratios[step]
