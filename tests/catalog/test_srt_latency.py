"""The closed forms of the SRT latency surface."""

import pytest

from experiments.catalog.srt_latency import EXPERIMENT, LOSSES, MULTIPLIERS, RTTS, least_repairs, most_repairs, overhead


def test_no_repair_fits_into_less_than_a_round_trip():
    assert most_repairs(0.9) == least_repairs(0.9, 0.1) == 0


def test_the_first_repair_needs_one_round_trip_and_the_next_a_nak_interval_more():
    assert [least_repairs(m, 0.1) for m in (1.0, 2.4, 2.5, 3.9, 4.0)] == [1, 1, 2, 2, 3]


def test_below_a_round_trip_of_40_ms_the_nak_interval_is_20_ms():
    assert least_repairs(2.9, 0.02) == 1
    assert least_repairs(3.0, 0.02) == 2


@pytest.mark.parametrize("rtt", RTTS)
@pytest.mark.parametrize("multiplier", MULTIPLIERS)
def test_the_worst_case_is_never_better_than_the_best(rtt, multiplier):
    assert least_repairs(multiplier, rtt) <= most_repairs(multiplier)


def test_overhead_of_many_repairs_is_that_of_the_geometric_series():
    assert overhead(0.1, 50) == pytest.approx(0.1 / 0.9)
    assert overhead(0.1, 1) == 0.1


def test_the_plan_has_a_cell_per_point_of_the_surface():
    (plan,) = EXPERIMENT.plans()
    assert len(plan.cells) == len(RTTS) * len(MULTIPLIERS) * len(LOSSES)
    assert plan.cells[0].scenario.arms[0].options == (("latency_ms", 18),)
