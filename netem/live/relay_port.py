"""A port of the emulator that is a UDP socket: a relay on loopback, without any privilege."""

from glassbench.netem.live.udp_socket import UdpSocket
from glassbench.netem.packet import IP_UDP_HEADER_BYTES, Address, Packet

_IPV6_EXTRA_BYTES = 20  # its header is so much longer than that of IPv4


class RelayPort:
    """What the end that is the peer of `udp` sends here goes to the end at `other`, whose packets leave from here. All
    of it belongs to `flow`."""

    def __init__(self, udp: UdpSocket, *, other: Address, flow: int = 0) -> None:
        assert udp.peer is not None
        self.udp = udp
        self._end = udp.peer
        self._other = other
        self._flow = flow
        self._header_bytes = IP_UDP_HEADER_BYTES + (_IPV6_EXTRA_BYTES if ":" in self._end[0] else 0)

    def fileno(self) -> int:
        return self.udp.fileno()

    @property
    def foreign(self) -> int:
        """Datagrams of anybody else, which are dropped."""
        return self.udp.foreign

    def receive(self) -> list[Packet]:
        return [
            Packet(data, peer, self._other, ecn, len(data) + self._header_bytes, 0, at, at, self._flow)
            for data, peer, ecn, at in self.udp.receive()
        ]

    def send(self, packet: Packet) -> None:
        self.udp.send([(packet.data, self._end, packet.ecn)])
