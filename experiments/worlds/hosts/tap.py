"""What one host sees of a run between two: the datagrams of its own socket."""

from collections.abc import Sequence

from glassbench.netem.endpoint import Endpoint
from glassbench.netem.live.recording import Recording
from glassbench.netem.packet import IP_UDP_HEADER_BYTES, Address, Packet


class Tap:
    """The endpoint `media`, whose datagrams are recorded: down where they leave, up where they have arrived."""

    def __init__(self, media: Endpoint, recording: Recording, here: Address) -> None:
        self._media = media
        self._recording = recording
        self._here = here
        self._numbers: dict[str, int] = {"down": 0, "up": 0}

    def receive_datagram(self, data: bytes, peer: Address, ecn: int = 0, *, now: float) -> None:
        self._record("up", data, (peer, self._here), ecn, now)
        self._media.receive_datagram(data, peer, ecn, now=now)

    def datagrams_to_send(self, *, now: float) -> Sequence[tuple[bytes, Address, int]]:
        datagrams = self._media.datagrams_to_send(now=now)
        for data, peer, ecn in datagrams:
            self._record("down", data, (self._here, peer), ecn, now)
        return datagrams

    def get_timer(self) -> float | None:
        return self._media.get_timer()

    def handle_timer(self, *, now: float) -> None:
        self._media.handle_timer(now=now)

    def _record(self, way: str, data: bytes, hosts: tuple[Address, Address], ecn: int, now: float) -> None:
        packet = Packet(data, *hosts, ecn, len(data) + IP_UDP_HEADER_BYTES, self._numbers[way], now, now)
        self._numbers[way] += 1
        self._recording.add(way, packet, delivered=way == "up", at=now)
