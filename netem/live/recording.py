"""What passed a live emulator or a socket, kept in memory until the run is over, when a capture is written of it."""

from dataclasses import dataclass, field

from glassbench.netem.packet import Packet

MAX_BYTES = 500_000_000  # of packets, each wherever it is seen; from there on nothing is kept, and `left_out` counts
_PACKET_BYTES = 200  # what else a packet takes


@dataclass
class Recording:
    """Packets as (link, whether delivered, at, packet) in the order in which they were seen; `at` is session time."""

    seen: list[tuple[str, bool, float, Packet]] = field(default_factory=list)
    left_out: int = 0
    _bytes: int = 0

    def add(self, link: str, packet: Packet, *, delivered: bool, at: float) -> None:
        """Keep a copy: the packet itself goes on."""
        self._bytes += len(packet.data) + _PACKET_BYTES
        if self._bytes > MAX_BYTES:
            self.left_out += 1
            return
        copy = Packet(
            packet.data,
            packet.source,
            packet.destination,
            packet.ecn,
            packet.size_bytes,
            packet.number,
            packet.sent_at,
            at,
            packet.flow,
        )
        self.seen.append((link, delivered, at, copy))
