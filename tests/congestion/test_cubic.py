"""CUBIC in congestion avoidance: RFC 9438, in both regions, beside Reno, and when somebody else comes."""

from itertools import pairwise

import pytest

C, BETA, ALPHA = 0.4, 0.7, 3 * (1 - 0.7) / (1 + 0.7)


def congested(rounds, packets, rtt):
    """A path whose window had so many packets before a reduction."""
    path = rounds("cubic", rtt=rtt)
    path.run_to(packets)
    reached = path.window
    path.run(lose=[0])
    return path, reached


def steps(windows):
    return [after - before for before, after in pairwise(windows)]


@pytest.mark.sampled(3)
@pytest.mark.parametrize("rtt", [0.05, 0.1, 0.2])
def test_the_window_is_the_cubic_of_the_time_since_congestion(rounds, rtt):
    path, most = congested(rounds, 640, rtt)
    k = (most * (1 - BETA) / C) ** (1 / 3)
    began_at = path.now
    while path.now < began_at + 1.5 * k:
        path.run()
        elapsed = path.now - began_at
        assert path.window == pytest.approx(C * (elapsed - k) ** 3 + most, rel=0.02)


def test_growth_is_concave_up_to_the_old_window_and_convex_beyond(rounds):
    path, most = congested(rounds, 640, 0.1)
    rounds_to_k = round((most * (1 - BETA) / C) ** (1 / 3) / path.rtt)
    concave = steps(path.run(rounds_to_k))
    assert path.window == pytest.approx(most, rel=0.01)
    convex = steps([path.window, *path.run(rounds_to_k)])
    assert all(after <= before + 0.01 for before, after in pairwise(concave))
    assert all(after >= before - 0.01 for before, after in pairwise(convex))
    assert concave[0] > 10 * concave[-1]
    assert convex[-1] > 10 * convex[0]


def test_where_reno_is_faster_growth_is_renos_with_seven_tenths_kept(rounds):
    """On a path of a short round trip: alpha packets each, up to the old window, then one (section 4.3)."""
    path, most = congested(rounds, 40, 0.01)
    windows = [path.window, *path.run(60)]
    for before, step in zip(windows, steps(windows), strict=False):
        if abs(before - most) > 1.5:
            assert step == pytest.approx(ALPHA if before < most else 1.0, rel=0.05)
    assert windows[-1] > most + 10


def test_a_second_congestion_below_the_old_window_makes_room_for_others(rounds):
    """Fast convergence (section 4.7): the plateau is not at the window of the congestion, but below it."""
    path, most = congested(rounds, 640, 0.1)
    path.run(10)
    again = path.window
    assert again < most
    path.run(lose=[0])
    plateau = again * (1 + BETA) / 2
    k = ((plateau - again * BETA) / C) ** (1 / 3)
    path.run(round(k / path.rtt))
    assert path.window == pytest.approx(plateau, rel=0.01)


def test_the_time_in_which_the_window_was_not_used_does_not_count(rounds):
    busy, _ = congested(rounds, 640, 0.1)
    paused, _ = congested(rounds, 640, 0.1)
    busy.run(10)
    paused.run(10)
    paused.run(100, share=0.3)
    assert paused.run(20) == pytest.approx(busy.run(20), rel=1e-3)


def test_in_one_round_trip_the_window_grows_by_a_half_at_most(rounds):
    path, _ = congested(rounds, 640, 20.0)
    before = path.window
    path.run()
    assert path.window <= 1.5 * before + 1
