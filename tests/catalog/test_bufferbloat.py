"""The closed forms of the bufferbloat experiment."""

import pytest

from experiments.catalog.bufferbloat import BDP, EXPERIMENT, codel_drops, full_buffer_delay, reno_utilization


def test_a_full_buffer_of_one_bandwidth_delay_product_delays_by_one_round_trip():
    assert full_buffer_delay(BDP, 4e6) == pytest.approx(0.05)


def test_reno_uses_three_quarters_of_a_link_without_buffer_and_all_with_a_bandwidth_delay_product():
    assert reno_utilization(0.0) == pytest.approx(0.75)
    assert reno_utilization(1.0) == reno_utilization(4.0) == 1.0
    assert reno_utilization(0.999) == pytest.approx(1.0, abs=1e-4)


def test_codel_drops_after_the_interval_over_the_square_root_of_their_number():
    assert codel_drops(0.099) == 1
    assert codel_drops(0.101) == 2  # then 0.0707 s later
    assert codel_drops(0.170) == 2
    assert codel_drops(0.171) == 3


def test_codels_drops_grow_with_the_square_of_time():
    assert codel_drops(10.0) == pytest.approx((10 / 0.2) ** 2, rel=0.03)


def test_only_the_arm_without_control_gets_no_answers():
    (plan,) = EXPERIMENT.plans()
    for cell in plan.cells:
        (up,) = cell.scenario.network.paths()[1]
        assert (up.kind == "random-loss") == (cell.axes["control"] == "udp")
