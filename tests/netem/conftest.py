"""Packets for tests, and the driver of elements."""

from collections.abc import Callable, Iterable

import pytest

from glassbench.netem.packet import Packet
from glassbench.netem.testing.drive import drive as drive_element

A, B = ("10.0.0.1", 1000), ("10.0.0.2", 1000)


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
def drive() -> Callable[..., list[Packet]]:
    """drive(element, packets, step=0.0): what comes out; the driver checks on the way what holds for every element."""
    return drive_element
