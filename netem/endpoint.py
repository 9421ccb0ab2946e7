"""What the simulator and the emulators ask of an endpoint: aioquic's verbs. An endpoint needs no base class of ours."""

from collections.abc import Sequence
from typing import Protocol

from glassbench.netem.packet import Address


class Endpoint(Protocol):
    """A protocol end, a pipeline or a relay. The simulator drains `datagrams_to_send` and re-reads `get_timer` after
    every call that changes state."""

    def receive_datagram(self, data: bytes, peer: Address, ecn: int = 0, *, now: float) -> None:
        """One UDP payload from `peer`."""

    def datagrams_to_send(self, *, now: float) -> Sequence[tuple[bytes, Address, int]]:
        """UDP payloads that leave at `now`: data, destination, ECN codepoint."""

    def get_timer(self) -> float | None:
        """When `handle_timer` is due, or None."""

    def handle_timer(self, *, now: float) -> None:
        """Act on all that is due at `now`."""
