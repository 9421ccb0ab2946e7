"""Two flows that fill one link: what each gets, and what both leave unused."""

import heapq
from itertools import count
from statistics import median

import pytest

from glassbench.transport.congestion import CONTROLLERS
from glassbench.transport.congestion.flight import Flight

PACKET = 1200
RATE = 20e6 / 8  # bytes per second
RTT = 0.04
QUEUE = RATE * RTT  # one bandwidth-delay product
ACK_DELAY = 0.005
SECONDS = 60.0


class Bottleneck:
    """A drop-tail queue before a link. Each flow has always something to send, and its receiver collects what arrives
    within the ACK delay, but for what comes out of order. Instants are counted from 0."""

    def __init__(self, names, starts):
        self.flights = [
            Flight(CONTROLLERS[name].make(max_datagram_bytes=PACKET), max_datagram_bytes=PACKET) for name in names
        ]
        self.delivered = [0.0 for _ in names]  # bytes since the last flow began
        self._counted_from = max(starts)
        self._free_at = 0.0
        self._numbers = count()
        self._order = count()
        self._events = []
        self._unacked = [[] for _ in names]  # (number, sent at) that arrived and are not acknowledged yet
        self._in_flight = [{} for _ in names]  # sent at, by number
        self._waking = [None for _ in names]
        for flow, at in enumerate(starts):
            self._schedule(at, self._send, flow)

    def run(self):
        while self._events and self._events[0][0] < SECONDS:
            at, _, act, arguments = heapq.heappop(self._events)
            act(at, *arguments)
        return self

    def _schedule(self, at, act, *arguments):
        heapq.heappush(self._events, (at, next(self._order), act, arguments))

    def _send(self, now, flow):
        flight = self.flights[flow]
        while packets := flight.packets_allowed(now=now):
            for _ in range(packets):
                number = next(self._numbers)
                flight.on_sent(number, PACKET, now=now)
                self._in_flight[flow][number] = now
                if max(0.0, self._free_at - now) * RATE + PACKET <= QUEUE:
                    self._free_at = max(now, self._free_at) + PACKET / RATE
                    self._schedule(self._free_at + RTT / 2, self._arrive, flow, number)
        at = flight.next_send_at()
        if at is not None and at != self._waking[flow]:
            self._waking[flow] = at
            self._schedule(max(at, now + 1e-6), self._send, flow)

    def _arrive(self, now, flow, number):
        self.delivered[flow] += PACKET * (now > self._counted_from)
        waiting = self._unacked[flow]
        waiting.append(number)
        if len(waiting) == 1:
            self._schedule(now + ACK_DELAY, self._acknowledge, flow)

    def _acknowledge(self, now, flow):
        numbers, self._unacked[flow] = self._unacked[flow], []
        self._schedule(now + RTT / 2, self._settle, flow, numbers, ACK_DELAY)

    def _settle(self, now, flow, numbers, delay):
        sent = self._in_flight[flow]
        rtt = now - sent[numbers[-1]]
        for number in numbers:
            del sent[number]
        lost = [number for number in sent if number < numbers[-1]]
        for number in lost:
            del sent[number]
        self.flights[flow].on_settled(numbers, lost, rtt=rtt, probe_timeout=4 * RTT, now=now)
        self._send(now, flow)


@pytest.mark.parametrize("name", [pytest.param("reno", marks=pytest.mark.long), "cubic"])
def test_two_flows_of_a_kind_share_a_link_that_neither_leaves_idle(name):
    fair, used = [], []
    for start in (1.0, 2.6, 5.0):
        path = Bottleneck([name, name], [0.0, start]).run()
        total = sum(path.delivered)
        fair.append(total**2 / (2 * sum(each**2 for each in path.delivered)))  # Jain's index
        used.append(total / RATE / (SECONDS - start))
    assert median(fair) > 0.95
    assert min(used) > 0.9
