"""What all losses share: a packet passes at once, or is lost by the medium."""

from glassbench.netem.element import Counts
from glassbench.netem.line import Line
from glassbench.netem.packet import Packet


class LossyMedium(Line):
    """Passes or loses each packet; a subclass decides which."""

    def __init__(self) -> None:
        super().__init__()
        self._lost = 0

    def push(self, packet: Packet) -> None:
        self._pushed += 1
        if self.loses(packet):
            self._lost += 1
            self.gone.append(packet)
        else:
            self._leaving.append(packet)

    def loses(self, packet: Packet) -> bool:
        """The fate of the packet that reaches the medium at `packet.at`; called once a packet, in order."""
        raise NotImplementedError

    def counts(self) -> Counts:
        counts = super().counts()
        counts.lost = self._lost
        return counts
