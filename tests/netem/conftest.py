"""Packets for tests, and a driver that checks what every element promises while it drives."""

from collections.abc import Callable, Iterable
from math import inf
from typing import Protocol

import pytest

from glassbench.netem.element import Counts, Element
from glassbench.netem.packet import Packet

A, B = ("10.0.0.1", 1000), ("10.0.0.2", 1000)


class Drive(Protocol):
    def __call__(self, element: Element, packets: Iterable[Packet], *, step: float = 0.0) -> list[Packet]: ...


@pytest.fixture(scope="session")
def packets() -> Callable[..., list[Packet]]:
    """packets(times, sizes=1228, ecn=0): one packet per time, numbered."""

    def make(times: Iterable[float], sizes: int | Iterable[int] = 1228, ecn: int = 0) -> list[Packet]:
        instants = [float(time) for time in times]
        lengths = [sizes] * len(instants) if isinstance(sizes, int) else list(sizes)
        return [
            Packet(b"", A, B, ecn, size, number, at, at)
            for number, (at, size) in enumerate(zip(instants, lengths, strict=True))
        ]

    return make


@pytest.fixture(scope="session")
def drive() -> Drive:
    """Push all packets and pop until nothing is inside, at each timer, or at multiples of `step` as a late driver does.

    Checks on the way: what is popped is due and ordered, no timer stays at or before now, packets are conserved.
    """

    def run(element: Element, packets: Iterable[Packet], *, step: float = 0.0) -> list[Packet]:
        popped: list[Packet] = []
        pushed = 0

        def wake(until: float) -> None:
            while (timer := element.get_timer()) is not None and timer < inf:
                now = timer if not step else (timer // step + 1) * step
                if now > until:
                    return
                got = element.pop(now)
                times = [packet.at for packet in popped[-1:] + got]
                assert times == sorted(times) and times[-1:] <= [now]
                popped.extend(got)
                after = element.get_timer()
                assert after is None or after > now
                check()

        def check() -> None:
            counts: Counts = element.counts()
            assert (counts.pushed, counts.popped) == (pushed, len(popped))
            gone = counts.dropped + counts.lost
            assert pushed + counts.duplicated == len(popped) + gone + counts.inside
            assert min(counts.dropped, counts.lost, counts.duplicated, counts.inside) >= 0

        for packet in packets:
            wake(packet.at)
            element.push(packet)
            pushed += 1
            check()
        wake(inf)
        assert element.get_timer() in (None, inf)
        return popped

    return run
