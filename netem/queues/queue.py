"""What a bottleneck asks of the queue discipline in front of it."""

from typing import Protocol

from glassbench.netem.packet import Packet


class Queue(Protocol):
    """Packets that wait for the link. The packet on the wire is not among them."""

    gone: list[Packet]
    """The packets that were dropped; whoever drives the queue empties the list, in place."""

    @property
    def bytes(self) -> int:
        """Size on the wire of all that waits."""

    @property
    def dropped(self) -> int:
        """Packets refused at the tail or dropped inside."""

    def push(self, packet: Packet) -> None:
        """Take a packet that comes at `packet.at`, or drop it."""

    def pop(self, now: float) -> Packet | None:
        """The packet to serialise at `now`, or None if nothing is left."""

    def __len__(self) -> int:
        """How many packets wait."""
