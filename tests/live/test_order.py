"""The order of packets is that in which they came, whatever the clocks say of when that was."""

import os
from collections.abc import Sequence
from itertools import pairwise

import pytest

from glassbench.netem.link_log import LinkLog
from glassbench.netem.live import clock as clock_module
from glassbench.netem.live.clock import LiveClock, monotonic_ns
from glassbench.netem.live.emulator import EmulatedLink, between, emulate
from glassbench.netem.packet import Packet
from glassbench.netem.path import Path
from glassbench.netem.simulator import START_AT

NOWHERE = ("", 0)


class JitteryPort:
    """All packets are there at once; the stamps of some are earlier than those of packets before them."""

    def __init__(self, instants: Sequence[float]) -> None:
        self.sent: list[bytes] = []
        self._packets = [
            Packet(bytes([number]), NOWHERE, NOWHERE, 0, 100, 0, at, at, 0) for number, at in enumerate(instants)
        ]
        self._readable, self._write = os.pipe()
        if instants:
            os.write(self._write, b"x")

    def fileno(self) -> int:
        return self._readable

    def receive(self) -> list[Packet]:
        packets, self._packets = self._packets, []
        if packets:
            os.read(self._readable, 1)
        return packets

    def send(self, packet: Packet) -> None:
        self.sent.append(packet.data)

    def close(self) -> None:
        os.close(self._readable)
        os.close(self._write)


def test_packets_of_a_port_are_not_reordered_by_stamps_that_go_back() -> None:
    clock = LiveClock(monotonic_ns())
    now = clock.now()
    # As seen on a machine whose interrupts delay one of two readings of clocks by some microseconds.
    sender, receiver = JitteryPort([now, now + 12e-6, now + 1e-6, now + 2e-6, now + 15e-6]), JitteryPort([])
    down, up = (
        EmulatedLink(path, LinkLog(path, start_at=now), name) for path, name in ((Path([]), "d"), (Path([]), "u"))
    )
    try:
        emulate(
            between(sender, receiver, down, up),
            [down, up],
            clock,
            until=now + 2.0,
            done=lambda: len(receiver.sent) == 5,
        )
    finally:
        sender.close()
        receiver.close()
    assert receiver.sent == [bytes([number]) for number in range(5)]


def test_arrivals_of_a_batch_keep_the_distances_of_their_stamps_though_the_clocks_are_read_with_interruptions(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = LiveClock(0)
    monotonic, wall = (
        iter([10, 5_000_012, 5_000_020, 5_000_022, 5_000_030, 5_000_040]),
        iter([12, 5_000_021, 5_000_031]),
    )

    class Time:
        monotonic_ns = staticmethod(lambda: next(monotonic))
        time_ns = staticmethod(lambda: 10**18 + next(wall))

    monkeypatch.setattr(clock_module, "time", Time)
    arrival = clock.arrivals()
    instants = [arrival(10**18 + 5_000_021 + later) for later in (0, 1_000_000, 3_000_000)]
    assert [round((after - before) * 1e3, 6) for before, after in pairwise(instants)] == [1.0, 2.0]
    assert instants[0] == pytest.approx(START_AT + 5_000_021e-9, abs=1e-8)
