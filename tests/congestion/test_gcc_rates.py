"""The rates of Google Congestion Control: what is acknowledged, AIMD, the loss limit.

Libwebrtc's are the inputs and outcomes of its `aimd_rate_control_unittest.cc`.
"""

import math

import pytest

from glassbench.transport.congestion.gcc.acknowledged import AcknowledgedRate
from glassbench.transport.congestion.gcc.aimd import AimdControl, CapacityEstimate
from glassbench.transport.congestion.gcc.loss import LossLimit
from glassbench.transport.congestion.gcc.overuse import Usage

CLOCK = 54321.0


def update_for(control, seconds, acknowledged_bps, *, since=1000.0, usage=Usage.NORMAL, interval=0.05):
    """Reports each `interval`; returns when the next one is due."""
    count = round(seconds / interval)
    for number in range(count + 1):
        control.update(usage, acknowledged_bps, now=since + number * interval)
    return since + (count + 1) * interval


def test_a_steady_stream_is_acknowledged_at_its_rate_after_half_a_second():
    rate = AcknowledgedRate()
    known = []
    for number in range(200):
        rate.add(1200, received_at=CLOCK + number * 0.0096)
        known.append(rate.bps)
    assert known[: int(0.5 / 0.0096)] == [None] * int(0.5 / 0.0096)
    assert set(known[60:]) != {None}
    assert all(bps == pytest.approx(1e6, rel=0.02) for bps in known[60:])


def test_half_a_second_after_the_rate_fell_to_a_fifth_it_is_known():
    rate = AcknowledgedRate()
    at = CLOCK
    for bps in [5e6] * 500 + [1e6] * 53:  # 0.5 s of the lower one
        at += 1200 * 8 / bps
        rate.add(1200, received_at=at)
    assert rate.bps == pytest.approx(1e6, rel=0.05)


def test_a_pause_takes_nothing_off_the_acknowledged_rate():
    rate = AcknowledgedRate()
    for number in range(200):
        rate.add(1200, received_at=CLOCK + number * 0.0096)
    for number in range(10):
        rate.add(1200, received_at=CLOCK + 10 + number * 0.0096)
        assert rate.bps == pytest.approx(1e6, rel=0.02)


def test_a_burst_after_a_lull_is_no_rate():
    rate = AcknowledgedRate()
    for number in range(200):
        rate.add(1200, received_at=CLOCK + number * 0.0096)
    for number in range(40):
        rate.add(1200, received_at=CLOCK + 200 * 0.0096 + 0.45 + number * 0.001)
    assert rate.bps < 1.1e6


@pytest.mark.parametrize("later", [0.0, -3600.0, 3600.0])
def test_a_peer_whose_clock_stands_or_jumps_fills_no_memory(later):
    rate = AcknowledgedRate()
    for number in range(10_000):
        rate.add(1200, received_at=CLOCK + later * (number % 2))
    assert len(rate._bins) <= 2


@pytest.mark.parametrize("interval", [0.001, 0.05, 0.25])
def test_without_overuse_the_rate_grows_by_eight_per_cent_a_second_however_often_reports_come(interval):
    control = AimdControl(1e6)
    update_for(control, 5, 10e6, interval=interval)
    assert control.rate_bps == pytest.approx(1e6 * 1.08**5, rel=0.001)


def test_a_long_silence_counts_as_one_second_of_growth():
    control = AimdControl(1e6)
    control.update(Usage.NORMAL, 10e6, now=1000.0)
    control.update(Usage.NORMAL, 10e6, now=1060.0)
    assert control.rate_bps == pytest.approx(1.08e6)


def test_overuse_takes_the_rate_to_85_per_cent_of_what_is_acknowledged():
    control = AimdControl(2e6)
    control.update(Usage.OVERUSE, 1.5e6, now=1000.0)
    assert control.rate_bps == pytest.approx(0.85 * 1.5e6)


def test_a_further_overuse_acts_after_a_round_trip_unless_half_of_the_rate_arrives():
    control = AimdControl(2e6)
    control.rtt = 0.1
    control.update(Usage.OVERUSE, 1.5e6, now=1000.0)
    control.update(Usage.OVERUSE, 1e6, now=1000.09)
    assert control.rate_bps == pytest.approx(1.275e6)
    control.update(Usage.OVERUSE, 1e6, now=1000.11)
    assert control.rate_bps == pytest.approx(0.85e6)
    control.update(Usage.OVERUSE, 0.4e6, now=1000.12)
    assert control.rate_bps == pytest.approx(0.34e6)


def test_overuse_never_raises_the_rate():
    control = AimdControl(1e6)
    control.update(Usage.OVERUSE, 5e6, now=1000.0)
    assert control.rate_bps == 1e6


def test_the_rate_holds_while_the_queue_drains():
    control = AimdControl(1e6)
    update_for(control, 5, 10e6, usage=Usage.UNDERUSE)
    assert control.rate_bps == 1e6


def test_the_time_of_the_draining_is_no_time_of_growth():
    control = AimdControl(1e6)
    control.update(Usage.OVERUSE, 1e6, now=1000.0)
    control.update(Usage.UNDERUSE, 1e6, now=1000.5)
    control.update(Usage.NORMAL, 1e6, now=1001.0)
    assert control.rate_bps == pytest.approx(0.85e6)
    control.update(Usage.NORMAL, 1e6, now=1001.5)
    assert control.rate_bps > 0.85e6


def test_overuse_while_more_arrives_than_the_rate_takes_it_to_85_per_cent_of_the_known_capacity():
    control = AimdControl(1e6)
    control.update(Usage.OVERUSE, 1e6, now=1000.0)
    control.update(Usage.OVERUSE, 1.05e6, now=1001.0)
    assert control.rate_bps == pytest.approx(0.85e6)
    control.set_rate(1e6, now=1001.5)
    control.update(Usage.OVERUSE, 1.3e6, now=1002.0)
    assert control.rate_bps == pytest.approx(0.85e6, rel=0.02)


def test_near_the_capacity_the_rate_grows_additively_and_beyond_it_by_eight_per_cent_again():
    control = AimdControl(2e6)
    control.rtt = 0.1
    control.update(Usage.OVERUSE, 2e6, now=1000.0)
    at = update_for(control, 2, 2e6, since=1000.2)
    per_second = (control.rate_bps - 1.7e6) / 2
    frame_bits = 1.7e6 / 30
    assert per_second == pytest.approx(frame_bits / math.ceil(frame_bits / 9600) / 0.4, rel=0.05)
    before = control.rate_bps
    update_for(control, 1, 4e6, since=at - 0.05)  # twice of what arrived at the overuse: another capacity
    assert control.rate_bps == pytest.approx(before * 1.08, rel=0.005)


def test_the_capacity_is_forgotten_at_three_deviations():
    capacity = CapacityEstimate()
    for bps in (500e3, 510e3, 490e3):
        capacity.add(bps)
    assert capacity.average == pytest.approx(500e3, rel=0.01)
    capacity.check(capacity.average + 40e3)  # 14 kbit/s at 500 kbit/s is a deviation
    assert capacity.average is not None
    capacity.add(300e3)  # too low to be the same
    assert capacity.average == 300e3
    capacity.check(400e3)
    assert capacity.average is None


@pytest.mark.parametrize(
    ("rate", "rtt", "per_second"), [(30e3, 0.2, 4e3), (90e3, 0.2, 5e3), (60e3, 0.1, 5e3), (0.85 * 300e3, 0.2, 14e3)]
)
def test_libwebrtc_growth_near_the_capacity(rate, rtt, per_second):
    control = AimdControl(rate)
    control.rtt = rtt
    assert control.additive_bps == pytest.approx(per_second, abs=1 if per_second < 14e3 else 1e3)


def test_libwebrtc_the_rate_grows_to_one_and_a_half_times_of_what_is_acknowledged_and_stays_when_less_is():
    control = AimdControl(10e3)
    at = update_for(control, 40, 10e3)
    assert control.rate_bps == pytest.approx(25e3)
    update_for(control, 5, 5e3, since=at)
    assert control.rate_bps == pytest.approx(25e3)


def test_libwebrtc_typical_drop():
    """Without its further 5 kbit/s."""
    control = AimdControl(264e3)
    control.update(Usage.OVERUSE, 216e3 / 0.85, now=1000.1)
    assert control.rate_bps == pytest.approx(216e3)
    assert control.additive_bps == pytest.approx(12e3)


def test_libwebrtc_the_rate_is_bounded_while_nothing_is_measured():
    control = AimdControl(123e3)
    update_for(control, 10, None)
    assert control.rate_bps <= 1.5 * 123e3 + 10e3


def test_before_anything_is_measured_overuse_takes_15_per_cent_off_each_200_ms():
    control = AimdControl(1e6)
    update_for(control, 0.55, None, usage=Usage.OVERUSE)
    assert control.rate_bps == pytest.approx(1e6 * 0.85**3)


@pytest.mark.parametrize(
    ("loss", "factor"),
    [(0.0, math.inf), (0.02, math.inf), (0.03, math.inf), (0.1, math.inf), (0.12, 0.94), (0.5, 0.75), (1.0, 0.5)],
)
def test_the_first_report_of_loss_limits_the_rate_by_half_of_it_if_it_is_over_ten_per_cent(loss, factor):
    limit = LossLimit()
    report(limit, loss, delay_bps=2e6, now=1000.0)
    assert limit.limit_bps == pytest.approx(factor * 2e6)


@pytest.mark.parametrize(
    ("loss", "after"), [(0.0, 1.08 * 1e6 + 1e3), (0.02, 1.08 * 1e6 + 1e3), (0.05, 1e6), (0.1, 1e6), (0.2, 0.9e6)]
)
def test_a_limit_rises_under_two_per_cent_stays_up_to_ten_and_falls_beyond(loss, after):
    limit = LossLimit()
    report(limit, 1.0, delay_bps=2e6, now=1000.0)
    report(limit, loss, delay_bps=2e6, now=1001.5)
    assert limit.limit_bps == pytest.approx(after)


def test_the_limit_is_gone_when_it_reaches_the_rate_of_the_delay():
    limit = LossLimit()
    report(limit, 0.2, delay_bps=1e6, now=1000.0)
    report(limit, 0.0, delay_bps=1e6, now=1001.5)
    assert limit.limit_bps < 1e6
    report(limit, 0.0, delay_bps=1e6, now=1003.0)
    assert limit.limit_bps == math.inf


def test_a_report_takes_a_second_and_twenty_packets():
    limit = LossLimit()
    limit.add(lost=19, arrived=0, delay_bps=1e6, now=1000.0)
    limit.add(lost=0, arrived=0, delay_bps=1e6, now=1005.0)
    assert limit.limit_bps == math.inf
    limit.add(lost=1, arrived=0, delay_bps=1e6, now=1005.1)
    assert limit.limit_bps == 0.5e6
    limit.add(lost=30, arrived=0, delay_bps=1e6, now=1005.2)
    assert limit.limit_bps == 0.5e6


def test_losses_that_were_none_give_the_limit_back():
    limit = LossLimit()
    report(limit, 0.5, delay_bps=1e6, now=1000.0)
    report(limit, 0.5, delay_bps=1e6, now=1002.0)
    limit.undo(since=1002.5)
    assert limit.limit_bps < 1e6
    limit.undo(since=999.0)
    assert limit.limit_bps == math.inf


def report(limit, loss, *, delay_bps, now):
    lost = round(100 * loss)
    limit.add(lost=0, arrived=0, delay_bps=delay_bps, now=now)
    limit.add(lost=lost, arrived=100 - lost, delay_bps=delay_bps, now=now + 1.0)
