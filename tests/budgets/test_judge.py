"""The judge: exact where the same code gives the same numbers, and elsewhere only as far as chance allows."""

import math

import numpy as np
import pytest

from glassbench.experiments.budgets.judge import LEAST_RUNS, judge
from glassbench.experiments.budgets.limits import parse_limits
from glassbench.experiments.budgets.value import HELD, Value

INF = math.inf


def limit(metric, **content):
    (only,) = parse_limits(HELD[metric], content)
    return only


def exactly(metric, value, reference=None, **content):
    """The margin of one value in an exact world."""
    before = None if reference is None else Value(reference, (reference,))
    lower = HELD[metric].lower_is_better
    return judge(limit(metric, **content), Value(value, (value,)), before, lower_is_better=lower, exact=True)


@pytest.mark.parametrize(
    ("metric", "content", "reference", "kept", "broken"),
    [
        ("p95", {"max": "60ms"}, None, 60.0, 60.001),
        ("p95", {"max_increase": "5%"}, 100.0, 105.0, 105.001),
        ("p95", {"max_increase": "3ms"}, 100.0, 103.0, 103.001),
        ("p95", {"max_increase": "0ms"}, 61.234567, 61.234567, 61.235),
        ("p95", {"max": "60ms"}, None, 0.0, INF),
        ("p95", {"max_increase": "5%"}, 100.0, 99.0, INF),
        ("freezes", {"max": 2}, None, 2, 3),
        ("freezes", {"max_increase": 0}, 4, 4, 5),
        ("shown", {"min": "99%"}, None, 0.99, 0.989),
        ("shown", {"max_decrease": "0.5%"}, 0.9, 0.895, 0.894),
        ("vmaf", {"min": 80}, None, 80.0, 79.999),
        ("vmaf", {"max_decrease": 1.5}, 90.0, 88.5, 88.499),
        ("floor_ratio", {"max": 1.5}, None, 1.5, 1.501),
        ("floor_ratio", {"max_increase": "10%"}, 2.0, 2.2, 2.201),
        ("floor_ratio", {"max_increase": 0.1}, 2.0, 2.1, 2.101),
    ],
)
def test_an_exact_value_keeps_its_limit_up_to_the_last_digit_and_breaks_it_beyond(
    metric, content, reference, kept, broken
):
    assert exactly(metric, kept, reference, **content).kept
    margin = exactly(metric, broken, reference, **content)
    assert not margin.kept
    assert margin.excess > 0


def test_against_an_infinite_baseline_nothing_is_worse_and_the_note_says_so():
    for value in (INF, 50.0):
        for content in ({"max_increase": "0%"}, {"max_increase": "5ms"}):
            margin = exactly("p99", value, INF, **content)
            assert margin.kept
            assert "infinite" in margin.note


def test_the_exact_verdict_is_about_all_runs_together_not_about_one_of_them():
    value = Value(50.0, (40.0, 90.0))
    assert judge(limit("p95", max="60ms"), value, lower_is_better=True, exact=True).kept


def test_where_chance_has_a_part_a_limit_breaks_only_if_the_bound_of_the_median_is_beyond_it():
    runs = (55.0, 61.0, 62.0, 63.0, 64.0, 65.0, 66.0)  # of seven, the least is the 95 % bound (0.5^7); not the second

    def live(bound):
        return judge(limit("p95", max=bound), Value(63.0, runs), lower_is_better=True, exact=False)

    assert live("63ms").kept and not live("63ms").note
    doubtful = live("60ms")
    assert doubtful.kept
    assert "not with 95% confidence over 7 runs" in doubtful.note
    assert doubtful.value == 63.0
    assert not live("54.9ms").kept


def test_where_chance_has_a_part_a_share_breaks_by_its_upper_bound():
    runs = tuple(0.90 + 0.001 * index for index in range(7))

    def live(least):
        value = Value(0.903, runs)
        return judge(limit("shown", min=least), value, lower_is_better=False, exact=False)

    assert live("90%").kept
    assert live("90.5%").kept and live("90.5%").note
    assert not live("91%").kept


def test_too_few_runs_break_nothing_where_chance_has_a_part():
    assert LEAST_RUNS == 5
    few = Value(500.0, (500.0,) * (LEAST_RUNS - 1))
    margin = judge(limit("p95", max="60ms"), few, lower_is_better=True, exact=False)
    assert margin.kept
    assert "needs 5" in margin.note
    enough = Value(500.0, (500.0,) * LEAST_RUNS)
    assert not judge(limit("p95", max="60ms"), enough, lower_is_better=True, exact=False).kept


def test_the_chance_in_a_baseline_counts_too():
    before = Value(50.0, (40.0, 50.0, 50.0, 50.0, 50.0, 50.0, 80.0))
    now = Value(70.0, (70.0,) * 7)
    increase = limit("p95", max_increase="0ms")
    assert judge(increase, now, before, lower_is_better=True, exact=False).kept  # its median may be 80
    later = Value(90.0, (90.0,) * 7)
    assert not judge(increase, later, before, lower_is_better=True, exact=False).kept


def test_two_measurements_of_the_same_thing_seldom_break_a_limit_without_room():
    """At most 5 % each way by construction; both together are rarer."""
    seed = 20
    print("seed", seed)
    rng = np.random.default_rng(seed)
    increase = limit("p95", max_increase="0ms")
    broken = 0
    for _ in range(300):
        now, before = rng.lognormal(4, 0.5, 12), rng.lognormal(4, 0.5, 12)
        values = [Value(float(np.median(runs)), tuple(map(float, runs))) for runs in (now, before)]
        broken += not judge(increase, *values, lower_is_better=True, exact=False).kept
    assert broken <= 0.05 * 300
