"""Schedules against a sum over small steps, and by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glassbench.netem.schedule import OPPORTUNITY_BYTES, OpportunitySchedule, RateSchedule

RATES = st.lists(st.sampled_from([0.0, 0.0, 1e4, 3.3e5, 8e6]), min_size=1, max_size=8).filter(any)


def schedule(rates):
    """Steps of 0.25 s."""
    return RateSchedule(np.arange(len(rates)) * 0.25, np.array(rates), len(rates) * 0.25)


@pytest.mark.parametrize("rate", [1e5, 12e6, 1e9])
@pytest.mark.parametrize("size_bytes", [29, 1500])
def test_a_constant_rate_takes_size_over_rate_also_across_repeats(rate, size_bytes):
    constant = RateSchedule(np.zeros(1), np.array([rate]), 0.01)
    for start in (0.0, 0.0099999, 0.01, 7.123):
        assert constant.departure(start, size_bytes) == pytest.approx(start + size_bytes * 8 / rate, abs=1e-9)


def test_time_without_capacity_is_waited_out_and_steps_are_integrated():
    steps = RateSchedule(np.array([0.0, 1.0, 2.0]), np.array([0.0, 8000.0, 4000.0]), 3.0)
    for start, size_bytes, departure in [
        (0.0, 1000, 2.0),  # ends with its step
        (0.0, 1500, 3.0),  # ends with its period: does not wait for the next one
        (0.0, 1501, 4.001),
        (1.5, 500, 2.0),
        (2.5, 250, 3.0),
        (2.5, 4500, 11.5),  # two whole periods on the way
        (3_000_000.25, 500, 3_000_001.5),
    ]:
        assert steps.departure(start, size_bytes) == pytest.approx(departure, abs=1e-8)


@pytest.mark.parametrize("steps", [2, 3, 7, 30])
@pytest.mark.parametrize("size_bytes", [1228, 1504, 997])
def test_a_packet_that_ends_with_the_capacity_does_not_wait_for_more(steps, size_bytes):
    """Many steps of awkward rates carry exactly the packet, then comes a second of nothing."""
    times = np.append(np.arange(steps) * 0.1, [steps * 0.1, steps * 0.1 + 1])
    weights = np.sqrt(np.arange(1, steps + 1))
    rates = np.append(weights / weights.sum() * size_bytes * 8 / 0.1, [0.0, 1e6])
    for repeats in range(100):
        schedule = RateSchedule(times, rates, steps * 0.1 + 2)
        start = repeats * schedule.period
        assert schedule.departure(start, size_bytes) == pytest.approx(start + steps * 0.1, abs=1e-6)


@settings(max_examples=200)
@given(rates=RATES, start=st.floats(0, 20), size_bytes=st.integers(1, 300_000))
def test_exactly_the_size_fits_between_start_and_departure(rates, start, size_bytes):
    steps = schedule(rates)
    departure = steps.departure(start, size_bytes)
    assert departure >= start
    assert steps.capacity_bytes(start, departure) == pytest.approx(size_bytes, abs=1e-2)
    # And no earlier: until just before it the link has carried less.
    assert steps.capacity_bytes(start, max(start, departure - 1e-5)) < size_bytes


@settings(max_examples=100)
@given(rates=RATES, t0=st.floats(0, 10), duration=st.floats(0, 10))
def test_capacity_is_the_integral_of_the_rate(rates, t0, duration):
    grid = np.linspace(t0, t0 + duration, 4001)
    middles = (grid[1:] + grid[:-1]) / 2
    held = np.array(rates)[(middles // 0.25).astype(int) % len(rates)]
    integral = held.sum() / 8 * duration / 4000
    error = max(rates) / 8 * duration / 4000 * (duration / 0.25 + 2)  # one wrong cell for each step
    assert schedule(rates).capacity_bytes(t0, t0 + duration) == pytest.approx(integral, abs=error + 1e-6)


def test_opportunities_repeat_from_the_last_one_and_none_is_counted_twice():
    marks = OpportunitySchedule(np.array([0, 1, 1, 5]))
    expected_ms = [0, 1, 1, 5, 5, 6, 6, 10, 10, 11]
    assert [round(marks.opportunity_at(index) * 1000) for index in range(10)] == expected_ms
    assert marks.period == 0.005
    for ms in range(12):
        assert marks.passed(ms / 1000) == sum(mark <= ms for mark in expected_ms) or ms > 10
        assert marks.passed(ms / 1000 + 0.0004) == marks.passed(ms / 1000)
    assert marks.capacity_bytes(0.0, 0.005) == 4 * OPPORTUNITY_BYTES
    assert marks.capacity_bytes(0.0, 5.0) == 4000 * OPPORTUNITY_BYTES


def test_one_opportunity_a_millisecond_is_12_032_mbps():
    line_per_ms = OpportunitySchedule(np.arange(1, 1001))
    for seconds in (1, 7, 600):
        assert line_per_ms.capacity_bytes(0.0, seconds) * 8 / seconds == 12.032e6


@pytest.mark.parametrize(
    ("times", "rates", "period", "named"),
    [
        ([], [], 1.0, "0 times"),
        ([0.0], [1.0, 2.0], 1.0, "1 times and 2 rates"),
        ([0.5], [1.0], 1.0, "start at 0"),
        ([0.0, 0.0], [1.0, 1.0], 1.0, "increase"),
        ([0.0, 1.0], [1.0, 1.0], 1.0, "up to the period"),
        ([0.0], [-1.0], 1.0, "not negative"),
        ([0.0], [float("nan")], 1.0, "finite"),
        ([0.0, 1.0], [0.0, 0.0], 2.0, "never carries"),
    ],
)
def test_a_rate_schedule_refuses_nonsense(times, rates, period, named):
    with pytest.raises(ValueError, match=named):
        RateSchedule(np.array(times), np.array(rates), period)


@pytest.mark.parametrize("marks", [[], [0], [0, 0], [2, 1], [-1, 4]])
def test_an_opportunity_schedule_refuses_nonsense(marks):
    with pytest.raises(ValueError, match="OpportunitySchedule"):
        OpportunitySchedule(np.array(marks, dtype=np.int64))
