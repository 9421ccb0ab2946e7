"""Many connections on one UDP socket, in an asyncio loop: each caller gets an end of its own."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from glassbench.experiments.worlds.browser.way import Way
from glassbench.netem.live.clock import LiveClock
from glassbench.netem.live.udp_socket import UdpSocket
from glassbench.transport.contract import Address, Closed, Datagram

_LONG_HEADER, _INITIAL = 0xC0, 0x30  # RFC 9000 17.2: of a long header the type is in two further bits
_LEAST_INITIAL = 1200  # bytes of a datagram with an Initial packet (RFC 9000 14.1)
_SHORT_ID = slice(1, 9)  # where a short header has the connection id that aioquic chose
_HANDSHAKE_PATIENCE = 10.0  # seconds until a caller has a session
_CROWDED_PATIENCE = 1.0  # seconds after which one without gives way, where no more handshakes may be open
SILENCE = 8.0  # seconds without a sign of life until a caller to whom something was sent is given up
_SWEEP = 1.0  # seconds between two looks at who has gone


class ListeningEnd(Protocol):
    """What the listener makes for a caller: an endpoint over a QUIC end that listens."""

    @property
    def closed(self) -> Closed | None: ...
    @property
    def connected_at(self) -> float | None: ...
    def is_begun(self) -> bool:
        """Whether a packet of its caller was authentic."""

    def is_for(self, connection_id: bytes) -> bool:
        """Whether a packet with this connection id is its own."""

    def silence(self, *, now: float) -> float:
        """For how many seconds its caller has acknowledged nothing, though there was cause to."""

    def refused(self) -> int:
        """How much of what its caller sent was none of what it may send."""

    def receive_datagram(self, data: bytes, peer: Address, ecn: int = 0, *, now: float) -> None: ...
    def datagrams_to_send(self, *, now: float) -> Sequence[Datagram]: ...
    def get_timer(self) -> float | None: ...
    def handle_timer(self, *, now: float) -> None: ...
    def close(self, *, now: float) -> None: ...


@dataclass
class ManyLimits:
    """How many connections there may be, and how many of them may be without a session."""

    connections: int = 64
    handshakes: int = 32


@dataclass(eq=False)
class ListeningConnection:
    """A caller, where its packets come from, and its end."""

    end: ListeningEnd
    peer: Address
    begun_at: float
    way: Way | None = None
    timer: asyncio.TimerHandle | None = field(default=None, repr=False)


class ManyListener:
    """Gives each caller an end that `make` makes, up to `limits`; `gone` is told of those that have ended. What is
    turned away is in `counted`: `strangers` (no packet that begins a connection), `full`, `slow` (no session in
    time, of which there is less while others wait), `silent` (gone without a word), `nonsense` (of callers who have
    gone). With `make_way(now)` there is an emulated network between."""

    def __init__(
        self,
        udp: UdpSocket,
        clock: LiveClock,
        make: Callable[[Address], ListeningEnd],
        gone: Callable[[ListeningEnd], None],
        *,
        limits: ManyLimits | None = None,
        make_way: Callable[[float], Way] | None = None,
    ) -> None:
        self.connections: dict[Address, ListeningConnection] = {}
        self.counted = Counter(dict.fromkeys(("strangers", "full", "slow", "silent", "nonsense"), 0))
        self._udp = udp
        self._clock = clock
        self._make = make
        self._gone = gone
        self._limits = limits or ManyLimits()
        self._make_way = make_way
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(udp.fileno(), self._read)
        self._sweep_timer = self._loop.call_later(_SWEEP, self._sweep)

    def refusals(self) -> dict[str, int]:
        """What was turned away, with the nonsense of those who are there."""
        here = sum(each.end.refused() for each in self.connections.values())
        return {**self.counted, "nonsense": self.counted["nonsense"] + here}

    def now(self) -> float:
        """Session time."""
        return self._clock.now()

    def wake(self, end: ListeningEnd) -> None:
        """Something was handed to an end: send what may leave now."""
        for connection in self.connections.values():
            if connection.end is end:
                self._go(connection, self.now())
                return

    def close(self) -> None:
        """End all connections, and listen no more."""
        self._sweep_timer.cancel()
        self._loop.remove_reader(self._udp.fileno())
        for connection in list(self.connections.values()):
            self._send_away(connection, self.now())
        self._udp.close()

    def _read(self) -> None:
        touched: dict[int, ListeningConnection] = {}
        now = 0.0
        for data, peer, ecn, at in self._udp.receive():
            now = max(now, at)
            connection = self._of(data, peer, now)
            if connection is None:
                continue
            if connection.way is not None:
                connection.way.come(data, peer, ecn, now)
                touched[id(connection)] = connection
            elif self._give(connection, data, peer, ecn, now):
                touched[id(connection)] = connection
        for connection in touched.values():
            if self.connections.get(connection.peer) is connection:  # none that gave way meanwhile
                self._go(connection, max(now, self.now()))

    def _give(self, connection: ListeningConnection, data: bytes, peer: Address, ecn: int, now: float) -> bool:
        """Give an end its datagram; False if it was no beginning, and the connection is forgotten."""
        connection.end.receive_datagram(data, peer, ecn, now=now)
        if connection.end.is_begun():
            return True
        self.counted["strangers"] += 1
        self._remove(connection)
        return False

    def _of(self, data: bytes, peer: Address, now: float) -> ListeningConnection | None:
        """The connection of a datagram, a new one if it begins one."""
        if (connection := self.connections.get(peer)) is not None:
            return connection
        if data and data[0] & _LONG_HEADER == 0x40:  # whose address has changed on the way, is known by its id
            for connection in self.connections.values():
                if connection.end.is_for(data[_SHORT_ID]):
                    del self.connections[connection.peer]
                    connection.peer = peer
                    self.connections[peer] = connection
                    return connection
        if len(data) < _LEAST_INITIAL or data[0] & (_LONG_HEADER | _INITIAL) != _LONG_HEADER:
            self.counted["strangers"] += 1
            return None
        waiting = [each for each in self.connections.values() if each.end.connected_at is None]
        if len(waiting) >= self._limits.handshakes and now > (oldest := waiting[0]).begun_at + _CROWDED_PATIENCE:
            self.counted["slow"] += 1
            self._remove(oldest)
            waiting.remove(oldest)
        if len(self.connections) >= self._limits.connections or len(waiting) >= self._limits.handshakes:
            self.counted["full"] += 1
            return None
        way = None if self._make_way is None else self._make_way(now)
        connection = self.connections[peer] = ListeningConnection(self._make(peer), peer, now, way)
        return connection

    def _go(self, connection: ListeningConnection, now: float) -> None:
        """Send what may leave, and be called again when something is due."""
        end, way = connection.end, connection.way
        if way is None:
            self._udp.send(end.datagrams_to_send(now=now))
        else:
            for data, peer, ecn, at in way.came(now):
                if not self._give(connection, data, peer, ecn, at):
                    return
            way.leave(end.datagrams_to_send(now=now), now)
            self._udp.send((data, peer, ecn) for data, peer, ecn, _ in way.left(now))
        if connection.timer is not None:
            connection.timer.cancel()
            connection.timer = None
        if end.closed is not None:
            self._remove(connection)
            return
        timers = [at for at in (end.get_timer(), None if way is None else way.due_at()) if at is not None]
        if timers:
            at = min(timers)
            connection.timer = self._loop.call_later(max(0.0, at - self.now()), self._due, connection)

    def _due(self, connection: ListeningConnection) -> None:
        now = self.now()
        connection.end.handle_timer(now=now)
        self._go(connection, now)

    def _sweep(self) -> None:
        now = self.now()
        for connection in list(self.connections.values()):
            if connection.end.connected_at is None and now > connection.begun_at + _HANDSHAKE_PATIENCE:
                self.counted["slow"] += 1
                self._remove(connection)
            elif connection.end.silence(now=now) > SILENCE:
                self.counted["silent"] += 1
                self._send_away(connection, now)
        self._sweep_timer = self._loop.call_later(_SWEEP, self._sweep)

    def _send_away(self, connection: ListeningConnection, now: float) -> None:
        connection.end.close(now=now)
        self._udp.send(connection.end.datagrams_to_send(now=now))
        self._remove(connection)

    def _remove(self, connection: ListeningConnection) -> None:
        if connection.timer is not None:
            connection.timer.cancel()
        if self.connections.pop(connection.peer, None) is connection:
            self.counted["nonsense"] += connection.end.refused()
            self._gone(connection.end)
