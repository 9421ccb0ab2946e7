import itertools

import numpy as np
import pytest

from glassbench.sender.messages import Messages, periodic_instants, poisson_instants
from glassbench.transport.contract import Track

TRACK = Track(1, "chat", "data", 0)


@pytest.mark.parametrize(("interval", "count"), [(0.25, 8), (0.3, 7), (5.0, 1)])
def test_periodic_messages_fill_the_duration(interval, count):
    instants = periodic_instants(start_at=1002.0, duration=2.0, interval=interval)
    assert instants == pytest.approx([1002.0 + index * interval for index in range(count)], abs=1e-6)


def test_poisson_messages_have_the_mean_and_the_spread_of_their_process():
    instants = poisson_instants(start_at=1002.0, duration=2000.0, interval=0.5, rng=np.random.default_rng(3))
    gaps = [later - earlier for earlier, later in itertools.pairwise(instants)]
    assert np.mean(gaps) == pytest.approx(0.5, rel=0.05)
    assert np.std(gaps) == pytest.approx(0.5, rel=0.08)
    assert 1002.0 <= instants[0] <= instants[-1] < 3002.0
    assert all(round(at * 1e6) / 1e6 == at for at in instants)


def test_no_two_poisson_messages_have_the_same_microsecond():
    instants = poisson_instants(start_at=1002.0, duration=100.0, interval=1e-3, rng=np.random.default_rng(1))
    microseconds = [round(at * 1e6) for at in instants]
    steps = [later - earlier for earlier, later in itertools.pairwise(microseconds)]
    assert min(steps) == 1  # two fell into one
    assert all(number / 1e6 == at for number, at in zip(microseconds, instants, strict=True))


@pytest.mark.parametrize("size", [1, 3, 4, 100, 1000])
def test_payloads_have_their_size_and_differ(size):
    messages = Messages(TRACK, size, ())
    assert len(messages.payload(3)) == size
    if size >= 4:
        assert messages.payload(3) != messages.payload(4)


@pytest.mark.parametrize("size", [0, -1, 2**21])
def test_sizes_out_of_range_are_refused(size):
    with pytest.raises(ValueError, match="a message must have"):
        Messages(TRACK, size, ())


def test_intervals_out_of_range_are_refused():
    with pytest.raises(ValueError, match="interval of messages"):
        periodic_instants(start_at=0, duration=1, interval=0)
