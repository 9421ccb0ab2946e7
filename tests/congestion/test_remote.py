"""What a receiver believes of the path of a sender that measures nothing itself."""

from collections.abc import Callable

import numpy as np
import pytest

from glassbench.transport.congestion.gcc.remote import RemoteEstimate

FPS = 30


class Path:
    """A link with a queue, over which frames go at the rate that the receiver says, after a report's delay."""

    def __init__(
        self, capacity: Callable[[float], float], *, start_bps: float, most_bps: float, ahead: float = 0.0
    ) -> None:
        self.estimate = RemoteEstimate(start_bps)
        self.rates: list[float] = []
        self.queues: list[float] = []
        self._capacity = capacity
        self._most = most_bps
        self._ahead = ahead  # of the sender's clock
        self._free_at = 0.0

    def run(self, seconds: float, *, loss: float = 0.0, seed: int = 1) -> "Path":
        dice = np.random.default_rng(seed)
        waiting: list[tuple[float, int, float, float]] = []
        for n in range(round(seconds * FPS)):
            at = n / FPS
            while waiting and waiting[0][3] + 0.1 <= at:  # a report comes a little after the frame
                sent_at, size, first, complete = waiting.pop(0)
                if dice.random() < loss:
                    self.estimate.lost(now=complete)
                else:
                    self.estimate.arrived(
                        size, sent_at=sent_at + self._ahead, first_arrival_at=first, complete_at=complete
                    )
            rate = min(self.estimate.rate_bps, self._most)
            self.rates.append(rate)
            size = round(rate / FPS / 8 * dice.uniform(0.8, 1.2))
            begin = max(at, self._free_at)
            self._free_at = begin + size * 8 / self._capacity(at)
            self.queues.append(begin - at)
            waiting.append((at, size, begin + 0.02, self._free_at + 0.02))
        return self


@pytest.mark.parametrize("capacity", [0.4e6, 1e6, 8e6])
def test_the_rate_falls_below_a_capacity_that_is_half_of_what_was_asked_and_the_queue_drains(capacity: float) -> None:
    path = Path(lambda at: capacity, start_bps=2 * capacity, most_bps=2 * capacity).run(30)
    later = slice(15 * FPS, None)
    assert 0.6 * capacity < np.median(path.rates[later]) < 1.05 * capacity
    assert np.median(path.queues[later]) < 0.05
    assert max(path.queues) < 3


def test_a_path_that_carries_what_is_asked_leaves_the_rate_alone() -> None:
    path = Path(lambda at: 4e6, start_bps=1.5e6, most_bps=1.5e6).run(20)
    assert min(path.rates) == 1.5e6


def test_the_rate_comes_back_when_the_capacity_does() -> None:
    path = Path(lambda at: 0.5e6 if at < 10 else 3e6, start_bps=1.5e6, most_bps=1.5e6).run(40)
    assert np.median(path.rates[6 * FPS : 10 * FPS]) < 0.6e6
    assert path.rates[-1] > 1.2e6, "8 % a second"


def test_heavy_loss_lowers_the_rate_and_light_loss_does_not() -> None:
    heavy = Path(lambda at: 10e6, start_bps=1e6, most_bps=1e6).run(20, loss=0.3)
    light = Path(lambda at: 10e6, start_bps=1e6, most_bps=1e6).run(20, loss=0.01)
    assert heavy.rates[-1] < 0.5e6
    assert light.rates[-1] == 1e6


def test_it_is_the_same_by_another_clock_of_the_sender() -> None:
    one, other = (Path(lambda at: 1e6, start_bps=2e6, most_bps=2e6, ahead=ahead).run(10) for ahead in (0.0, 4096.0))
    assert one.rates == pytest.approx(other.rates)
