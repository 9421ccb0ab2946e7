"""Many arms: Holm's adjustment, the verdicts, and sentences that are true."""

import math

import numpy as np
import pytest

from glassbench.experiments.results.statistics.blocks import time_blocks
from glassbench.experiments.results.statistics.comparison import compare_arms
from glassbench.experiments.results.statistics.holm import holm


def rng(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


def runs(shift: float, *, count: int, seed: int) -> list[np.ndarray]:
    network = np.random.default_rng(99).lognormal(-2.5, 0.5, size=count)
    dice = np.random.default_rng(seed)
    return [level * dice.lognormal(0, 0.2, size=200) + shift for level in network]


def test_holm_gives_the_values_of_the_textbook() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []
    assert holm([0.5, 0.9]) == [1.0, 1.0]


def test_arms_that_are_alike_share_the_first_place_and_the_other_is_later() -> None:
    comparison = compare_arms(
        {
            "a": runs(0, count=20, seed=1),
            "b": runs(0, count=20, seed=2),
            "late": runs(0.05, count=20, seed=3),
        },
        rng=rng(),
    )
    assert {arm.arm: arm.verdict for arm in comparison.arms}["late"] == "later"
    assert "; not distinguishable from it (tied): b; " in comparison.answer
    assert "late is" in comparison.answer
    assert comparison.arms[0].against_best is None
    assert comparison.arms[-1].p_value is not None and comparison.arms[-1].p_value < 0.05


def test_one_run_decides_nothing_and_says_how_many_would() -> None:
    comparison = compare_arms({"a": runs(0, count=1, seed=1), "b": runs(1.0, count=1, seed=2)}, rng=rng())
    assert comparison.answer.startswith("Soonest at p95: a, ")
    assert "not distinguishable from it (tied): b" in comparison.answer
    assert comparison.answer.endswith("One run cannot tell so many arms apart: at least 6 can.")
    assert comparison.arms[0].interval.high == math.inf


def test_a_tie_of_many_arms_is_counted_with_what_they_were_compared_over() -> None:
    arms = {name: runs(0, count=2, seed=seed) for seed, name in enumerate("abcde")}
    answer = compare_arms(arms, rng=rng(), network="over 4 Mbit/s, 20 ms each way").answer
    assert answer.startswith("Soonest of 5 arms over 4 Mbit/s, 20 ms each way, at p95: ")
    assert "; not distinguishable from it (tied): all 4 others" in answer


def test_a_single_arm_is_described_not_ranked() -> None:
    assert compare_arms({"a": [np.full(60, 0.1)] * 3}, rng=rng()).answer == (
        "a has a p95 of 100 ms in a typical run of 3 runs."
    )


def test_no_arm_is_soonest_that_another_one_is_told_to_be_sooner_than() -> None:
    first = [np.full(5, at) for at in [0.05] * 9 + [0.10] + [0.30] * 10]
    second = [np.full(5, at) for at in [0.049] * 9 + [0.101] + [0.20] * 10]  # its typical block is later
    comparison = compare_arms({"first": first, "second": second}, rng=rng())
    assert comparison.best.arm == "second"
    assert "not distinguishable" not in comparison.answer


def test_arms_that_differ_in_some_runs_only_are_said_to() -> None:
    late = [np.full(60, 0.1)] * 11 + [np.full(60, 0.15)] * 9
    comparison = compare_arms({"even": [np.full(60, 0.1)] * 20, "late": late}, rng=rng())
    assert comparison.answer == "Soonest at p95: even, 100 ms in a typical run of 20 runs; late is later in some runs."


def test_many_arms_over_few_blocks_come_to_an_end() -> None:
    comparison = compare_arms({str(arm): [np.full(5, 0.1 + arm)] * 3 for arm in range(40)}, rng=rng())
    assert "at least 15 can" in comparison.answer


def test_where_nothing_is_shown_there_is_no_winner() -> None:
    never = [np.full(10, math.inf)] * 8
    assert "no arm shows 95%" in compare_arms({"a": never, "b": never}, rng=rng()).answer


def test_the_pooled_percentile_counts_every_frame_of_every_run() -> None:
    comparison = compare_arms({"a": [np.full(95, 0.1), np.full(5, math.inf)]}, rng=rng(), share=0.95)
    assert comparison.arms[0].pooled == 0.1


def test_arms_with_other_blocks_are_refused() -> None:
    with pytest.raises(ValueError, match="the same blocks"):
        compare_arms({"a": runs(0, count=2, seed=1), "b": runs(0, count=3, seed=1)}, rng=rng())
    with pytest.raises(ValueError, match="no arms"):
        compare_arms({}, rng=rng())


def test_a_long_run_is_cut_into_blocks_of_ten_seconds_and_not_shorter() -> None:
    captured_at = np.arange(750) / 25
    blocks = time_blocks(captured_at, captured_at)
    assert [len(block) for block in blocks] == [250, 250, 250]
    assert [len(block) for block in time_blocks(captured_at[:620], captured_at[:620])] == [250, 370]
    assert [len(block) for block in time_blocks(captured_at[:9], captured_at[:9])] == [9]
    assert time_blocks(captured_at[:0], captured_at[:0]) == []
    with pytest.raises(ValueError, match="at least 10 s, found 5 s"):
        time_blocks(captured_at, captured_at, length=5.0)
