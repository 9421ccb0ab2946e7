"""Bursty loss per packet: the two-state chain of Gilbert (1960) and Elliott (1963)."""

import numpy as np

from glassbench.netem.checks import fraction, positive
from glassbench.netem.medium import LossyMedium
from glassbench.netem.packet import Packet


class GilbertElliottLoss(LossyMedium):
    """All packets are lost in the bad state and none in the good one (Gilbert's model with h = 0).

    With p = P(good to bad) and r = P(bad to good) per packet, bursts are geometric with mean length 1 / r and the share
    of the bad state is p / (p + r) (Hasslinger and Hohlfeld, MMB 2008). So for a given mean loss and mean burst in
    packets r = 1 / mean_burst and p = r mean_loss / (1 - mean_loss). It starts in the stationary distribution, and
    draws the lengths of runs, not one die a packet.

    The chain counts packets, so streams of different packet rates meet other bad moments: it is for closed forms and
    for comparison with the literature; `LossEpisodes` is for comparing transports.
    """

    def __init__(self, mean_loss: float, mean_burst: float, rng: np.random.Generator) -> None:
        super().__init__()
        loss = fraction("GilbertElliottLoss.mean_loss", mean_loss, below_one=True)
        self._r = 1 / positive("GilbertElliottLoss.mean_burst", mean_burst)
        self._p = self._r * loss / (1 - loss)
        if self._r > 1 or self._p > 1:
            smallest = max(1.0, loss / (1 - loss))
            raise ValueError(
                f"GilbertElliottLoss.mean_burst: found {mean_burst} packets, accepted is {smallest:g} or more "
                f"at a mean loss of {mean_loss}"
            )
        self._rng = rng
        self._bad = bool(rng.random() < loss)
        self._left = self._run()  # packets that still fall into this state

    def loses(self, packet: Packet) -> bool:
        if not self._left:
            self._bad = not self._bad
            self._left = self._run()
        self._left -= 1
        return self._bad

    def _run(self) -> int:
        leave = self._r if self._bad else self._p
        return int(self._rng.geometric(leave)) if leave else -1
