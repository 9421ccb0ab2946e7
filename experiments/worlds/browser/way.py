"""An emulated network between a server and one of its viewers, inside of the server: what leaves and what comes passes
a path each way, and no packet needs another port or process."""

from collections.abc import Sequence
from typing import NamedTuple

from glassbench.netem.packet import IP_UDP_HEADER_BYTES, Packet
from glassbench.netem.path import Path
from glassbench.netem.simulator import START_AT
from glassbench.transport.contract import Address, Datagram

_MOST_INSIDE = 10_000  # packets of a path; those above are dropped


class Emerged(NamedTuple):
    """A datagram that has passed, and when."""

    data: bytes
    peer: Address
    ecn: int
    at: float


class Way:
    """The network of one viewer: it begins at `begun_at`, so that everybody has the same trace from its start.

    Times are those of the server's session. `refused` counts datagrams for which there was no room.
    """

    def __init__(self, down: Path, up: Path, begun_at: float) -> None:
        self.refused = 0
        self._paths = {"down": down, "up": up}
        self._now = {"down": START_AT, "up": START_AT}
        self._later = begun_at - START_AT
        self._numbers = {"down": 0, "up": 0}

    def leave(self, datagrams: Sequence[Datagram], now: float) -> None:
        """Datagrams of the server set out."""
        for datagram in datagrams:
            self._push("down", datagram.data, datagram.peer, datagram.ecn, now)

    def come(self, data: bytes, peer: Address, ecn: int, at: float) -> None:
        """A datagram of the viewer sets out."""
        self._push("up", data, peer, ecn, at)

    def left(self, now: float) -> list[Emerged]:
        """What has come out at the viewer's end, and is to be sent now."""
        return self._pop("down", now)

    def came(self, now: float) -> list[Emerged]:
        """What has come out at the server's end."""
        return self._pop("up", now)

    def due_at(self) -> float | None:
        """When something may come out."""
        timers = [at for path in self._paths.values() if (at := path.get_timer()) is not None]
        return min(timers) + self._later if timers else None

    def _push(self, name: str, data: bytes, peer: Address, ecn: int, at: float) -> None:
        path = self._paths[name]
        if path.counts().inside >= _MOST_INSIDE:
            self.refused += 1
            return
        now = self._now[name] = max(self._now[name], at - self._later)
        size = len(data) + IP_UDP_HEADER_BYTES
        path.push(Packet(data, peer, peer, ecn, size, self._numbers[name], now, now))
        self._numbers[name] += 1

    def _pop(self, name: str, now: float) -> list[Emerged]:
        now = self._now[name] = max(self._now[name], now - self._later)
        return [
            Emerged(each.data, each.destination, each.ecn, each.at + self._later) for each in self._paths[name].pop(now)
        ]
