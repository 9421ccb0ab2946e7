"""The closed forms of the bufferbloat experiment."""

import numpy as np
import pytest

from glassbench.experiments.catalog.bufferbloat import (
    BDP,
    CODEL,
    EXPERIMENT,
    ArmAtQueue,
    _codel_drops_by_the_control_law,
    _realtime_stays_at_its_target,
    codel_drops,
    full_buffer_delay,
    reno_utilization,
)


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


@pytest.mark.parametrize(("queue", "holds"), [(0.025, True), (0.06, False), (0.002, False)])
def test_the_target_of_our_control_is_a_queue_neither_longer_nor_shorter(queue, holds):
    table = [_point("realtime", name, met=queue) for name in ("1 BDP", "4 BDP")]
    assert _realtime_stays_at_its_target(table).holds == holds


@pytest.mark.parametrize(("interval", "holds"), [(0.1, True), (0.11, False), (0.05, False)])
def test_drops_by_another_interval_break_the_control_law(interval, holds):
    counts = [0, *(codel_drops(0.05 + step / 10, interval=interval) for step in range(40))]
    drops = np.concatenate((np.zeros(3), np.diff(counts)))
    assert _codel_drops_by_the_control_law([_point("udp", CODEL, drops=drops)]).holds == holds


def _point(arm: str, queue: str, *, met: float = 0.0, drops=()) -> ArmAtQueue:
    return ArmAtQueue(arm, queue, np.full(10, met), 1.0, 0.0, np.array(drops, dtype=float))
