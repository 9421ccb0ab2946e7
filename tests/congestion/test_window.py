"""What RFC 9002 wants of every loss-based controller: slow start, recovery periods, use of the window."""

import pytest

PACKET = 1200
LOSS_BASED = ["reno", "cubic"]
KEPT = {"reno": 0.5, "cubic": 0.7}

every_controller = pytest.mark.parametrize("name", LOSS_BASED)


@every_controller
def test_slow_start_begins_with_ten_packets_and_doubles_each_round_trip(rounds, name):
    path = rounds(name)
    assert path.window == 10
    assert path.run(5) == [20, 40, 80, 160, 320]
    assert path.flight.allowance.probe


@every_controller
def test_congestion_leaves_a_half_of_reno_and_seven_tenths_of_cubic(rounds, name):
    path = rounds(name)
    path.run(3)
    path.settle(lost=path.send(80)[:1])
    assert path.window == pytest.approx(80 * KEPT[name], abs=0.01)
    assert not path.flight.allowance.probe


@every_controller
def test_there_is_one_reduction_in_a_recovery_period(rounds, name):
    path = rounds(name)
    path.run(3)
    numbers = path.send(80)
    path.now += path.rtt
    path.settle(numbers[3:6], numbers[:1], rtt=path.rtt)
    reduced = path.window
    path.now += path.rtt / 2
    path.settle(numbers[6:], numbers[1:3], rtt=path.rtt)
    assert path.window == reduced


@every_controller
def test_a_loss_of_what_was_sent_after_the_reduction_is_a_new_one(rounds, name):
    path = rounds(name)
    path.run(3)
    path.settle(lost=path.send(80)[:1])
    path.now += path.rtt
    before = path.window
    path.settle(lost=path.send(1))
    assert path.window == pytest.approx(before * KEPT[name], abs=0.01)


@every_controller
def test_the_window_is_never_less_than_two_packets(rounds, name):
    path = rounds(name)
    for _ in range(20):
        path.settle(lost=path.send(1))
        path.now += path.rtt
    assert path.window == 2


@every_controller
@pytest.mark.parametrize("lossy", [False, True], ids=["slow-start", "avoidance"])
def test_a_window_that_is_not_used_does_not_grow(rounds, name, lossy):
    path = rounds(name)
    path.run(3)
    path.run(lose=[0] if lossy else [])
    path.run(2)
    before = path.window
    assert path.run(20, share=0.5) == [before] * 20
    assert path.run()[0] > before


@every_controller
def test_packets_of_a_recovery_period_do_not_make_the_window_grow(rounds, name):
    path = rounds(name)
    path.run(3)
    numbers = path.send(80)
    path.now += path.rtt
    path.settle(lost=numbers[:1])
    reduced = path.window
    path.settle(numbers[1:], rtt=path.rtt)
    assert path.window == reduced


@every_controller
def test_three_probe_timeouts_without_an_arrival_leave_two_packets_and_slow_start_to_the_threshold(rounds, name):
    path = rounds(name)
    path.run(3)
    threshold = path.window * KEPT[name]
    numbers = path.send(20)
    path.now += 3 * 3 * path.rtt + 0.01
    numbers += path.send(20)
    path.now += path.rtt
    path.settle(path.send(1), numbers, rtt=path.rtt)
    assert path.window == 2
    assert path.run(2) == [4, 8]
    path.run_to(threshold)
    assert path.window < 1.1 * threshold + 1


@every_controller
def test_losses_over_a_long_time_with_an_arrival_between_them_are_no_persistent_congestion(rounds, name):
    path = rounds(name)
    path.run(3)
    numbers = path.send(20)
    path.now += 5 * path.rtt
    arrived = path.send(1)
    path.now += 5 * path.rtt
    numbers += path.send(20)
    path.now += path.rtt
    path.settle([*arrived, *path.send(1)], numbers, rtt=path.rtt)
    assert path.window == pytest.approx(80 * KEPT[name], abs=0.01)


@every_controller
def test_what_was_sent_before_the_first_round_trip_time_is_no_persistent_congestion(rounds, name):
    path = rounds(name)
    numbers = path.send(5)
    path.now += 10 * path.rtt
    numbers += path.send(5)
    path.now += path.rtt
    path.settle(path.send(1), numbers, rtt=path.rtt)
    assert path.window == pytest.approx(10 * KEPT[name], abs=0.01)


@every_controller
def test_a_reduction_that_was_wrong_is_undone(rounds, name):
    path = rounds(name)
    path.run(3)
    path.settle(lost=path.send(80)[:1])
    path.flight.undo_losses(now=path.now)
    assert path.window == 80
    assert path.flight.allowance.probe


@every_controller
def test_packets_leave_at_twice_the_window_per_round_trip_in_slow_start_and_then_at_a_quarter_more(rounds, name):
    path = rounds(name)
    path.run(3)
    assert path.flight.allowance.pacing_bps == pytest.approx(2 * 80 * PACKET * 8 / path.rtt)
    path.run(lose=[0])
    assert path.flight.allowance.pacing_bps == pytest.approx(1.25 * path.window * PACKET * 8 / path.rtt, rel=1e-4)
    assert path.flight.allowance.target_bps == pytest.approx(path.window * PACKET * 8 / path.rtt, rel=1e-4)


@every_controller
def test_the_first_window_leaves_at_once(rounds, name):
    path = rounds(name)
    for sent in range(10):
        assert path.flight.packets_allowed(now=path.now) == 10 - sent
        path.send(1)
    assert path.flight.packets_allowed(now=path.now) == 0
    assert path.flight.next_send_at() is None


@every_controller
def test_after_a_pause_up_to_ten_packets_leave_at_once(rounds, name):
    path = rounds(name)
    path.run(3)
    path.run(lose=[0])
    path.now += 10 * path.rtt
    assert path.flight.packets_allowed(now=path.now) == 10


@every_controller
def test_the_initial_window_is_of_packets_and_of_14720_bytes_at_most(rounds, name):
    path = rounds(name)
    path.flight.resize(1452)
    assert path.flight.allowance.window_bytes == 14520
    path.flight.resize(9000)
    assert path.flight.allowance.window_bytes == 18000
