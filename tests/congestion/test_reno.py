"""NewReno in congestion avoidance: RFC 9002 section 7.3.3."""

from itertools import pairwise

import pytest


@pytest.mark.parametrize("rtt", [0.02, 0.3])
def test_the_window_grows_by_a_packet_each_round_trip_whatever_that_takes(rounds, rtt):
    path = rounds("reno", rtt=rtt)
    path.run(3)
    path.run(lose=[0])
    windows = [path.window, *path.run(50)]
    steps = [after - before for before, after in pairwise(windows)]
    assert min(steps) > 0.9
    assert max(steps) <= 1.0
