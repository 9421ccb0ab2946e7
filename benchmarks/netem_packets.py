"""Packets per CPU second through a usual path: how much of an experiment the network costs.

    python benchmarks/netem_packets.py

The path is loss episodes, a bottleneck, propagation and jitter. One row drives the path alone, the others the whole
simulator with two endpoints that do nothing but send and count; the cost of these is in the figure.
"""

import time
from collections.abc import Callable

import numpy as np

from glassbench.netem.element import Element
from glassbench.netem.elements.delay import Delay
from glassbench.netem.elements.fixed_rate import FixedRate
from glassbench.netem.elements.jitter import Jitter
from glassbench.netem.elements.loss_episodes import LossEpisodes
from glassbench.netem.elements.trace_driven import trace_driven
from glassbench.netem.link_log import LinkLog
from glassbench.netem.packet import Address, Packet
from glassbench.netem.path import Path
from glassbench.netem.queues.codel import CoDel
from glassbench.netem.queues.drop_tail import DropTail
from glassbench.netem.replay import Replay, replayed
from glassbench.netem.schedule import OpportunitySchedule, RateSchedule
from glassbench.netem.simulator import START_AT, Simulator

PACKETS = 50_000
GAP = 0.002  # seconds between packets: 1200 bytes each, 4.9 Mbit/s
SOURCE, SINK = ("10.0.0.1", 5000), ("10.0.0.2", 5000)


class Source:
    """Sends a packet every GAP seconds."""

    def __init__(self) -> None:
        self._payload = bytes(1200)
        self._sent = 0
        self._due = False

    def receive_datagram(self, data: bytes, peer: Address, ecn: int = 0, *, now: float) -> None:
        pass

    def datagrams_to_send(self, *, now: float) -> list[tuple[bytes, Address, int]]:
        if not self._due:
            return []
        self._due = False
        return [(self._payload, SINK, 0)]

    def get_timer(self) -> float | None:
        return START_AT + self._sent * GAP if self._sent < PACKETS else None

    def handle_timer(self, *, now: float) -> None:
        self._due = True
        self._sent += 1


class Sink:
    """Counts what arrives."""

    def __init__(self) -> None:
        self.received = 0

    def receive_datagram(self, data: bytes, peer: Address, ecn: int = 0, *, now: float) -> None:
        self.received += 1

    def datagrams_to_send(self, *, now: float) -> list[tuple[bytes, Address, int]]:
        return []

    def get_timer(self) -> float | None:
        return None

    def handle_timer(self, *, now: float) -> None:
        pass


def path(bottleneck: Element) -> Path:
    loss = LossEpisodes(0.01, 0.02, np.random.default_rng(1), epoch=START_AT)
    jitter = Jitter(0.002, 0.02, np.random.default_rng(2), epoch=START_AT)
    return Path([loss, bottleneck, Delay(0.02), jitter])


def queue() -> DropTail:
    return DropTail(limit_bytes=100_000)


def drive_path(bottleneck: Element) -> float:
    """CPU seconds of a path that is driven without a simulator, at every one of its timers."""
    element = path(bottleneck)
    packets = [Packet(b"", SOURCE, SINK, 0, 1228, n, at := START_AT + n * GAP, at) for n in range(PACKETS)]
    started = time.process_time()
    for packet in packets:
        at = packet.at
        while (timer := element.get_timer()) is not None and timer <= at:
            element.pop(timer)
        element.push(packet)
    return time.process_time() - started


def simulate(bottleneck: Element, *, log: bool = False) -> float:
    """CPU seconds of a run in the simulator."""
    simulator = Simulator()
    simulator.add_node("source", SOURCE, Source())
    simulator.add_node("sink", SINK, Sink())
    way = path(bottleneck)
    simulator.add_route(SOURCE, SINK, [simulator.add_link(way, log=LinkLog(way, start_at=START_AT) if log else None)])
    started = time.process_time()
    simulator.run(until=START_AT + PACKETS * GAP + 1)
    return time.process_time() - started


def main() -> None:
    rate = RateSchedule(np.linspace(0.0, 9.9, 100), np.linspace(5e6, 9e6, 100), 10.0)
    opportunities = OpportunitySchedule(np.arange(1, 10_001))
    rows: dict[str, Callable[[], float]] = {
        "path alone, fixed rate": lambda: drive_path(FixedRate(6e6, queue())),
        "simulator, fixed rate": lambda: simulate(FixedRate(6e6, queue())),
        "simulator, fixed rate, CoDel": lambda: simulate(FixedRate(6e6, CoDel(limit_bytes=100_000))),
        "simulator, rate trace": lambda: simulate(trace_driven(replayed(rate, Replay(START_AT)), queue())),
        "simulator, mahimahi trace": lambda: simulate(trace_driven(replayed(opportunities, Replay(START_AT)), queue())),
        "simulator, fixed rate, with a log": lambda: simulate(FixedRate(6e6, queue()), log=True),
    }
    print(f"{'4-element path':36} {'packets/CPU s':>14} {'us/packet':>10}")
    for name, run in rows.items():
        seconds = min(run() for _ in range(3))
        print(f"{name:36} {PACKETS / seconds:14,.0f} {seconds / PACKETS * 1e6:10.1f}")


if __name__ == "__main__":
    main()
