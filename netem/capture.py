"""What a link is told by the simulator, written into a capture: its packets where they enter and where they leave."""

from collections.abc import Sequence

from glassbench.netem.packet import Packet
from glassbench.netem.pcapng import Pcapng


class LinkCapture:
    """One link in a pcapng file, as two interfaces: "NAME, sent" and "NAME, delivered".

    What is on the first and not on the second was lost or dropped, or was still on its way at the end; the time
    between both is what the path took. `index` tells the links of one file apart in the packet ids.
    """

    def __init__(self, pcapng: Pcapng, name: str, *, index: int) -> None:
        self._pcapng = pcapng
        self._sent = pcapng.add_interface(f"{name}, sent")
        self._delivered = pcapng.add_interface(f"{name}, delivered")
        self._first_id = index << 48

    def sent(self, packets: Sequence[Packet], *, now: float) -> None:
        """These packets are about to enter the path."""
        self._add(self._sent, packets, now)

    def delivered(self, packets: Sequence[Packet], *, now: float) -> None:
        """These packets have left the path."""
        self._add(self._delivered, packets, now)

    def _add(self, interface: int, packets: Sequence[Packet], now: float) -> None:
        for packet in packets:
            self._pcapng.add_packet(interface, packet, self._first_id + (packet.flow << 32) + packet.number, now=now)
