"""Delays, jitter, reordering and duplication against their closed forms."""

from collections import Counter

import numpy as np
import pytest

from glassbench.netem.elements.delay import Delay
from glassbench.netem.elements.duplication import Duplication
from glassbench.netem.elements.jitter import Jitter
from glassbench.netem.elements.random_delay import DISTRIBUTIONS, RandomDelay
from glassbench.netem.elements.reordering import Reordering
from glassbench.netem.elements.scheduled_delay import ScheduledDelay
from glassbench.netem.replay import Replay

T0 = 1000.0


@pytest.mark.parametrize("delay", [0.0, 0.001, 0.25])
def test_a_constant_delay_moves_every_packet_by_itself(delay, packets, drive):
    times = T0 + np.array([0.0, 0.0, 0.1, 0.10001, 3.0])
    assert [packet.at for packet in drive(Delay(delay), packets(times))] == [time + delay for time in times]


@pytest.mark.sampled(3)
@pytest.mark.parametrize("name", DISTRIBUTIONS)
@pytest.mark.parametrize(("mean", "deviation"), [(0.05, 0.01), (0.1, 0.0), (0.02, 0.004)])
def test_a_distributed_delay_has_its_mean_and_deviation(name, mean, deviation, packets, drive):
    count = 20_000
    element = RandomDelay(name, mean, deviation, np.random.default_rng(1), reorder=True)
    delays = np.array([packet.at - packet.sent_at for packet in drive(element, packets(T0 + np.arange(count) * 0.001))])
    assert delays.min() >= 0
    assert delays.mean() == pytest.approx(mean, abs=5 * deviation / np.sqrt(count) + 1e-9)
    assert delays.std() == pytest.approx(deviation, rel=0.1, abs=1e-9)  # heavy tails: the deviation itself varies


def test_distributed_delay_keeps_order_by_waiting_for_the_slowest_ahead_unless_asked(packets, drive):
    times = T0 + np.arange(2000) * 0.001
    free = drive(RandomDelay("uniform", 0.02, 0.01, np.random.default_rng(1), reorder=True), packets(times))
    kept = drive(RandomDelay("uniform", 0.02, 0.01, np.random.default_rng(1)), packets(times))
    drawn = np.array([packet.at for packet in sorted(free, key=lambda packet: packet.number)])
    assert [packet.number for packet in free] != sorted(packet.number for packet in free)
    assert [packet.at for packet in kept] == np.maximum.accumulate(drawn).tolist()


def test_a_scheduled_delay_follows_its_steps_and_keeps_order(packets, drive):
    element = ScheduledDelay([0.0, 1.0], [0.3, 0.1], 2.0, replay=Replay(T0))
    popped = drive(element, packets([T0, T0 + 0.95, T0 + 1.0, T0 + 1.2, T0 + 2.0]))
    assert [packet.at - T0 for packet in popped] == pytest.approx([0.3, 1.25, 1.25, 1.3, 2.3])


@pytest.mark.parametrize(("mean", "correlation_time"), [(0.002, 0.02), (0.02, 0.1)])
def test_jitter_is_exponential_and_correlated_over_its_time(mean, correlation_time):
    element = Jitter(mean, correlation_time, np.random.default_rng(2), epoch=T0)
    step = correlation_time / 8  # the points of the process itself
    delays = np.array([element.delay_at(T0 + n * step) for n in range(200_000)])
    independent = len(delays) * step / (2 * correlation_time)
    assert delays.mean() == pytest.approx(mean, rel=5 / np.sqrt(independent))
    for multiple in (0.5, 1.0, 3.0):
        law = np.exp(-multiple)
        assert (delays > multiple * mean).mean() == pytest.approx(law, abs=5 * np.sqrt(law / independent))
    for lag in (4, 8, 16):
        correlation = np.corrcoef(delays[:-lag], delays[lag:])[0, 1]
        assert correlation == pytest.approx(np.exp(-lag / 8), abs=0.05)


def test_every_packet_stream_meets_the_same_jitter_at_the_same_instant():
    def delays(times):
        element = Jitter(0.01, 0.05, np.random.default_rng(3), epoch=T0)
        return {time: element.delay_at(time) for time in times.tolist()}

    times = T0 + np.arange(30_000) * 0.0007
    dense, sparse = delays(times), delays(times[7::501])
    assert sparse == {time: dense[time] for time in sparse}


@pytest.mark.parametrize("probability", [0.0, 0.05, 0.4])
def test_reordering_by_time_holds_its_share_for_its_lateness(probability, packets, drive):
    count, lateness = 20_000, 0.0105
    popped = drive(
        Reordering(probability, np.random.default_rng(4), lateness=lateness), packets(T0 + np.arange(count) * 0.001)
    )
    delays = np.array([packet.at - packet.sent_at for packet in popped])
    held = delays > 0
    assert held.mean() == pytest.approx(probability, abs=5 * np.sqrt(probability / count) + 1e-12)
    assert delays[held] == pytest.approx(lateness)
    numbers = [packet.number for packet in popped]
    assert (numbers == sorted(numbers)) == (probability == 0.0)


@pytest.mark.parametrize("extent", [1, 3, 10])
def test_reordering_by_extent_lets_that_many_packets_pass(extent, packets, drive):
    popped = drive(
        Reordering(0.002, np.random.default_rng(5), lateness=10.0, extent=extent), packets(T0 + np.arange(5000) * 0.001)
    )
    numbers = [packet.number for packet in popped]
    late = [place for place in range(1, len(numbers)) if numbers[place] < max(numbers[:place])]
    assert late
    for place in late:
        passed_by = [number for number in numbers[:place] if number > numbers[place]]
        assert len(passed_by) == extent  # RFC 4737's extent; at this probability no two are held at once


def test_reordering_by_extent_lets_the_end_of_a_stream_go_after_its_lateness(packets, drive):
    popped = drive(Reordering(1.0, np.random.default_rng(6), lateness=0.2, extent=3), packets([T0, T0 + 0.1]))
    assert [packet.at for packet in popped] == pytest.approx([T0 + 0.2, T0 + 0.3], abs=1e-9)


@pytest.mark.parametrize("probability", [0.0, 0.1, 1.0])
def test_duplicates_follow_their_original_and_are_packets_of_their_own(probability, packets, drive):
    count = 20_000
    popped = drive(Duplication(probability, np.random.default_rng(7)), packets(T0 + np.arange(count) * 0.001))
    copies = Counter(packet.number for packet in popped)
    duplicated = [number for number, times in copies.items() if times == 2]
    assert set(copies) == set(range(count))
    assert len(popped) == count + len(duplicated)
    assert len({id(packet) for packet in popped}) == len(popped)
    error = 5 * np.sqrt(probability * (1 - probability) / count)
    assert len(duplicated) / count == pytest.approx(probability, abs=error)
