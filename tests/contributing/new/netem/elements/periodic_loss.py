"""Loss without chance: one of so many packets, counted from the first."""

from glassbench.netem.medium import LossyMedium
from glassbench.netem.packet import Packet


class PeriodicLoss(LossyMedium):
    """Loses each packet whose place in the row is a multiple of `every`."""

    def __init__(self, every: int) -> None:
        super().__init__()
        if every < 1:
            raise ValueError(f"PeriodicLoss.every: found {every}, accepted is 1 or more")
        self._every = every

    def loses(self, packet: Packet) -> bool:
        return self._pushed % self._every == 0
