"""One end for tests: a transport in the simulator, with planned calls, and all that it did written down."""

from bisect import insort
from collections.abc import Callable
from typing import TypeVar

from glassbench.transport.contract import Address, Datagram, Event, Transport

EventType = TypeVar("EventType")


class RecordedEnd:
    """Makes planned calls on a transport; keeps its events, and each datagram with the instant at which it left."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport
        self.events: list[Event] = []
        self.wire: list[tuple[float, bytes]] = []
        self.wake_ups = 0
        self._plan: list[tuple[float, Callable[[float], None]]] = []

    @property
    def sent(self) -> list[bytes]:
        """Its datagrams, in the order in which they left."""
        return [data for _, data in self.wire]

    def at(self, instant: float, call: Callable[[float], None]) -> None:
        """Plan a call, before the simulation gets there."""
        insort(self._plan, (instant, call), key=lambda entry: entry[0])

    def of(self, kind: type[EventType]) -> list[EventType]:
        """Its events of one kind."""
        return [event for event in self.events if isinstance(event, kind)]

    def receive_datagram(self, data: bytes, peer: Address, ecn: int = 0, *, now: float) -> None:
        self.transport.receive_datagram(data, peer, ecn, now=now)
        self.take_events()

    def datagrams_to_send(self, *, now: float) -> list[Datagram]:
        datagrams = list(self.transport.datagrams_to_send(now=now))
        self.wire += [(now, datagram.data) for datagram in datagrams]
        self.take_events()
        return datagrams

    def get_timer(self) -> float | None:
        timers = [self.transport.get_timer(), self._plan[0][0] if self._plan else None]
        return min((timer for timer in timers if timer is not None), default=None)

    def handle_timer(self, *, now: float) -> None:
        self.wake_ups += 1
        while self._plan and self._plan[0][0] <= now:
            self._plan.pop(0)[1](now)
        self.transport.handle_timer(now=now)
        self.take_events()

    def take_events(self) -> None:
        """The events so far, for somebody who calls the transport beside the simulator."""
        while (event := self.transport.next_event()) is not None:
            self.events.append(event)
