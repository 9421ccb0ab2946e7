"""When the application hears of another rate."""

import math

from glassbench.transport.congestion.controller import Allowance
from glassbench.transport.congestion.target import TargetRate


def at_rate(target_bps, *, probe=False):
    return Allowance(10_000, 0, target_bps, 2400, target_bps, 0.04, probe)


def test_nothing_is_said_while_the_path_has_shown_no_limit():
    target = TargetRate()
    assert target.change(at_rate(1e6, probe=True), now=1000.0) is None
    assert target.change(at_rate(3e6, probe=True), now=1001.0) is None


def test_the_first_limit_is_said_at_once_and_then_changes_of_five_per_cent():
    target = TargetRate()
    assert target.change(at_rate(3e6), now=1000.0) == 3e6
    assert target.change(at_rate(3.1e6), now=1001.0) is None
    assert target.change(at_rate(3.2e6), now=1002.0) == 3.2e6
    assert target.change(at_rate(3e6), now=1003.0) == 3e6


def test_a_change_waits_for_a_tenth_of_a_second_after_the_last_one():
    target = TargetRate()
    target.change(at_rate(3e6), now=1000.0)
    assert target.change(at_rate(1e6), now=1000.09) is None
    assert target.change(at_rate(1e6), now=1000.11) == 1e6


def test_a_limit_that_was_none_is_taken_back():
    target = TargetRate()
    target.change(at_rate(3e6), now=1000.0)
    assert target.change(at_rate(3e6, probe=True), now=1001.0) == math.inf
