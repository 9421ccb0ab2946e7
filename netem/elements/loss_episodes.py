"""Loss episodes in time: bad moments that are the same for everyone who shares the seed."""

import numpy as np

from glassbench.netem.checks import fraction, positive
from glassbench.netem.medium import LossyMedium
from glassbench.netem.packet import Packet


class LossEpisodes(LossyMedium):
    """Alternates between good and bad periods of exponential length; packets that come in a bad one are lost.

    Bad periods last `mean_duration` seconds on average and take `mean_loss` of all time (the continuous-time Gilbert
    model). Their instants come from the generator alone, not from the packets: transports that are compared under one
    seed meet the same bad moments (common random numbers), however many packets each of them sends.
    """

    def __init__(self, mean_loss: float, mean_duration: float, rng: np.random.Generator, *, epoch: float) -> None:
        super().__init__()
        loss = fraction("LossEpisodes.mean_loss", mean_loss, below_one=True)
        bad = positive("LossEpisodes.mean_duration", mean_duration)
        good = bad * (1 - loss) / loss if loss else np.inf
        self._means = (good, bad)
        self._rng = rng
        self._bad = bool(rng.random() < loss)  # stationary from the start: exponential periods have no memory
        self._change_at = epoch + self._period()

    def loses(self, packet: Packet) -> bool:
        while packet.at >= self._change_at:
            self._bad = not self._bad
            self._change_at += self._period()
        return self._bad

    def _period(self) -> float:
        return float(self._rng.standard_exponential() * self._means[self._bad])
