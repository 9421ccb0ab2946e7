"""What an element of a path promises: one effect, its own dice, logical time."""

from typing import Protocol

from glassbench.netem.packet import Packet


class Element(Protocol):
    """One effect on packets. A path is a list of elements.

    Packets are pushed in the order of their `at`. `pop(now)` returns, in order of `at`, the packets that leave at or
    before `now`, each with `at` set to the instant it left. `get_timer` is the instant of the next departure that is
    already known, or None. An element may be driven late: what comes out does not depend on when one looks.

    `shortest` is the least time in seconds that any packet spends inside, as far as known for all packets to come.
    `gone` names the packets that were dropped or lost; whoever drives the element empties the list, in place.
    """

    shortest: float
    gone: list[Packet]

    def push(self, packet: Packet) -> None:
        """Take a packet that reaches the element at `packet.at`."""

    def pop(self, now: float) -> list[Packet]:
        """The packets that leave at or before `now`."""

    def get_timer(self) -> float | None:
        """When the next packet leaves, or when the element must look again; None when it is empty."""

    def counts(self) -> "Counts":
        """What became of the packets: conservation holds at every instant."""


class Counts:
    """Packets pushed = popped + dropped (by a queue) + lost (by the medium) + inside - duplicated."""

    __slots__ = ("dropped", "duplicated", "inside", "lost", "popped", "pushed")

    def __init__(self) -> None:
        self.pushed = 0
        self.popped = 0
        self.dropped = 0
        self.lost = 0
        self.duplicated = 0
        self.inside = 0
