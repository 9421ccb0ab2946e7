"""A controller under the scheduler's books, on a path without a limit, one full round trip at a time."""

from collections.abc import Collection

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


@pytest.fixture
def rounds() -> type[Rounds]:
    return Rounds
