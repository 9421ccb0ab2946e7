"""A controller under the scheduler's books: on a path without a limit, one full round trip at a time, and at a
bottleneck, packet by packet."""

import heapq
from collections.abc import Callable, Collection, Iterable, Sequence
from itertools import count

import pytest

from glassbench.transport.congestion import CONTROLLERS
from glassbench.transport.congestion.flight import Flight

PACKET = 1200


class Rounds:
    """Each round sends a share of the window, and a round-trip time later settles it packet by packet.

    `step` is a packet's number in its round: those in `lose` are lost, which the acknowledgements after them show.
    """

    def __init__(self, name: str, *, rtt: float = 0.1) -> None:
        self.controller = CONTROLLERS[name].make(max_datagram_bytes=PACKET)
        self.flight = Flight(self.controller, max_datagram_bytes=PACKET)
        self.rtt = rtt
        self.now = 1000.0
        self._number = 0

    @property
    def window(self) -> float:
        """The window in packets."""
        return self.flight.allowance.window_bytes / PACKET

    def run(self, rounds: int = 1, *, lose: Collection[int] = (), share: float = 1.0) -> list[float]:
        """The window after each round."""
        return [self._round(lose, share) for _ in range(rounds)]

    def run_to(self, packets: float) -> None:
        """As many full rounds as it takes."""
        while self.window < packets:
            self.run()

    def send(self, packets: int) -> list[int]:
        numbers = list(range(self._number, self._number + packets))
        self._number += packets
        for number in numbers:
            self.flight.on_sent(number, PACKET, now=self.now)
        return numbers

    def settle(self, acked: Collection[int] = (), lost: Collection[int] = (), *, rtt: float | None = None) -> None:
        self.flight.on_settled(acked, lost, rtt=rtt, probe_timeout=3 * self.rtt, now=self.now)

    def _round(self, lose: Collection[int], share: float) -> float:
        self.now += 1e-6  # later than any reduction
        numbers = self.send(max(1, int(self.window * share)))
        self.now += self.rtt
        for step, number in enumerate(numbers):
            if step in lose:
                self.settle(lost=[number])
            else:
                self.settle([number], rtt=self.rtt)
        assert self.flight.bytes_in_flight == 0
        return self.window


class Bottleneck:
    """A drop-tail queue before a link, of one bandwidth-delay product if nothing else is said. Each flow has always
    something to send, or what `bursts` give the first one: (at, packets). A receiver collects what arrives within the
    ACK delay, but for what comes out of order. `lose(number)` says which packets the link loses. After each
    acknowledgement `watch` is called. Instants are counted from 0.
    """

    ack_delay = 0.005

    def __init__(
        self,
        names: Sequence[str],
        starts: Sequence[float] = (0.0,),
        *,
        rate_bps: float = 20e6,
        rtt: float = 0.04,
        queue_bytes: float | None = None,
        lose: Callable[[int], bool] = lambda number: False,
        bursts: Iterable[tuple[float, int]] | None = None,
        watch: Callable[[float, int], None] = lambda now, flow: None,
    ) -> None:
        self.rate, self.rtt = rate_bps / 8, rtt
        self.queue = self.rate * rtt if queue_bytes is None else queue_bytes
        self.flights = [
            Flight(CONTROLLERS[name].make(max_datagram_bytes=PACKET), max_datagram_bytes=PACKET) for name in names
        ]
        self.lose, self.watch = lose, watch
        self.now = 0.0
        self.delivered = [0.0 for _ in names]  # bytes since the last flow began
        self.waits: list[float] = []  # in the queue, of packets since then
        self._counted_from = max(starts)
        self._waiting: float | None = None if bursts is None else 0  # packets that the application gave
        self._free_at = 0.0
        self._numbers = count()
        self._order = count()
        self._events: list[tuple[float, int, Callable[..., None], tuple[object, ...]]] = []
        self._unacked: list[list[int]] = [[] for _ in names]  # arrived, and not acknowledged yet
        self._in_flight: list[dict[int, float]] = [{} for _ in names]  # sent at, by number
        self._waking: list[float | None] = [None for _ in names]
        for flow, at in enumerate(starts):
            self._schedule(at, self._send, flow)
        for at, packets in bursts or ():
            self._schedule(at, self._give, packets)

    def run(self, until: float) -> "Bottleneck":
        while self._events and self._events[0][0] < until:
            self.now, _, act, arguments = heapq.heappop(self._events)
            act(self.now, *arguments)
        self.now = until
        return self

    def _schedule(self, at: float, act: Callable[..., None], *arguments: object) -> None:
        heapq.heappush(self._events, (at, next(self._order), act, arguments))

    def _give(self, now: float, packets: int) -> None:
        assert self._waiting is not None
        self._waiting += packets
        self._send(now, 0)

    def _send(self, now: float, flow: int) -> None:
        flight = self.flights[flow]
        while packets := flight.packets_allowed(now=now):
            if self._waiting is not None:
                packets = int(min(packets, self._waiting))
                self._waiting -= packets
                if not packets:
                    break
            for _ in range(packets):
                self._push(now, flow, next(self._numbers))
        if self._waiting == 0:
            flight.on_idle(now=now)
            return
        at = flight.next_send_at()
        if at is not None and at != self._waking[flow]:
            self._waking[flow] = at
            self._schedule(max(at, now + 1e-6), self._send, flow)

    def _push(self, now: float, flow: int, number: int) -> None:
        self.flights[flow].on_sent(number, PACKET, now=now)
        self._in_flight[flow][number] = now
        wait = max(0.0, self._free_at - now)
        if wait * self.rate + PACKET > self.queue:
            return
        self._free_at = now + wait + PACKET / self.rate
        if now > self._counted_from:
            self.waits.append(wait)
        if not self.lose(number):
            self._schedule(self._free_at + self.rtt / 2, self._arrive, flow, number)

    def _arrive(self, now: float, flow: int, number: int) -> None:
        self.delivered[flow] += PACKET * (now > self._counted_from)
        waiting = self._unacked[flow]
        waiting.append(number)
        if len(waiting) == 1:
            self._schedule(now + self.ack_delay, self._acknowledge, flow)

    def _acknowledge(self, now: float, flow: int) -> None:
        numbers, self._unacked[flow] = self._unacked[flow], []
        self._schedule(now + self.rtt / 2, self._settle, flow, numbers)

    def _settle(self, now: float, flow: int, numbers: list[int]) -> None:
        sent = self._in_flight[flow]
        rtt = now - sent[numbers[-1]]
        for number in numbers:
            del sent[number]
        lost = [number for number in sent if number < numbers[-1]]
        for number in lost:
            del sent[number]
        self.flights[flow].on_settled(numbers, lost, rtt=rtt, probe_timeout=4 * self.rtt, now=now)
        self.watch(now, flow)
        self._send(now, flow)


@pytest.fixture
def rounds() -> type[Rounds]:
    return Rounds


@pytest.fixture(scope="module")
def bottleneck() -> type[Bottleneck]:
    return Bottleneck
