"""A port of the emulator that is a UDP socket: a relay on loopback, without any privilege."""

from netem.live.udp_socket import UdpSocket
from netem.packet import IP_UDP_HEADER_BYTES, Address, Packet

_IPV6_EXTRA_BYTES = 20  # its header is so much longer than that of IPv4


class RelayPort:
    """What the end at the address `end` sends here goes to the end at `other`, whose packets leave from here.

    `foreign` counts datagrams of anybody else, which are dropped.
    """

    def __init__(self, udp: UdpSocket, *, end: Address, other: Address) -> None:
        self.udp = udp
        self.foreign = 0
        self._end = end
        self._other = other
        self._header_bytes = IP_UDP_HEADER_BYTES + (_IPV6_EXTRA_BYTES if ":" in end[0] else 0)

    def fileno(self) -> int:
        return self.udp.fileno()

    def receive(self) -> list[Packet]:
        packets = []
        for data, peer, ecn, at in self.udp.receive():
            if peer == self._end:
                packets.append(Packet(data, peer, self._other, ecn, len(data) + self._header_bytes, 0, at, at))
            else:
                self.foreign += 1
        return packets

    def send(self, packet: Packet) -> None:
        self.udp.send([(packet.data, self._end, packet.ecn)])
