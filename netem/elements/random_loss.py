"""Independent loss (iid): every packet with the same probability."""

import numpy as np

from glassbench.netem.checks import fraction
from glassbench.netem.medium import LossyMedium
from glassbench.netem.packet import Packet


class RandomLoss(LossyMedium):
    """Loses each packet with `probability`. Draws the geometric gap to the next loss instead of one die a packet."""

    def __init__(self, probability: float, rng: np.random.Generator) -> None:
        super().__init__()
        self._probability = fraction("RandomLoss.probability", probability)
        self._rng = rng
        self._until_loss = self._gap()

    def loses(self, packet: Packet) -> bool:
        self._until_loss -= 1
        if self._until_loss:
            return False
        self._until_loss = self._gap()
        return True

    def _gap(self) -> int:
        return int(self._rng.geometric(self._probability)) if self._probability else -1
