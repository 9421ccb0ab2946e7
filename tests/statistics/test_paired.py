"""Paired comparisons: the level is what is stated, shifts are found, infinities and ties have a meaning."""

import itertools
import math

import numpy as np
import pytest
import scipy  # it imports scipy.stats when that is used, which takes a second
from hypothesis import given
from hypothesis import strategies as st

from glassbench.experiments.results.statistics.false_positives import false_positives, split_against_itself
from glassbench.experiments.results.statistics.paired import compare_paired
from glassbench.experiments.results.statistics.signed_rank import blocks_needed, least_p, sign_flip_p

VALUES = st.floats(0, 10) | st.just(math.inf)


def rng(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize("blocks", [8, 20])
def test_like_and_like_are_called_different_as_often_as_the_level_says(blocks: int) -> None:
    seed = 1
    print(f"seed {seed}")
    dice = rng(seed)
    p_values = []
    for _ in range(1000):
        network = dice.lognormal(0, 1, size=blocks)  # bad drives are bad for both
        a, b = (network * dice.lognormal(0, 0.3, size=blocks) for _ in range(2))
        a[dice.random(blocks) < 0.05] = math.inf
        b[dice.random(blocks) < 0.05] = math.inf
        p_values.append(compare_paired(a, b, rng=dice).p_value)
    called = false_positives(p_values).called
    by_chance = scipy.stats.binom(1000, 0.05)
    assert by_chance.ppf(0.0005) <= called <= by_chance.ppf(0.9995)  # one seed in a thousand is outside


def test_a_shift_is_found_although_runs_differ_by_far_more() -> None:
    dice = rng(3)
    network = dice.lognormal(-2, 1, size=20)
    paired = compare_paired(network + 0.010 + dice.normal(0, 0.003, size=20), network, rng=dice)
    assert paired.p_value < 0.01
    assert paired.low <= 0.010 <= paired.high


def test_the_same_numbers_are_no_difference() -> None:
    paired = compare_paired([1.0, math.inf, 2.0] * 2, [1.0, math.inf, 2.0] * 2, rng=rng())
    assert (paired.difference, paired.low, paired.high, paired.p_value) == (0.0, 0.0, 0.0, 1.0)


def test_an_arm_that_never_shows_its_frames_is_infinitely_later() -> None:
    paired = compare_paired([math.inf] * 10, [0.1] * 10, rng=rng())
    assert (paired.difference, paired.low, paired.high) == (math.inf, math.inf, math.inf)
    assert paired.p_value == least_p(10) == 2**-9


def test_a_few_disasters_do_not_decide_against_many_small_advantages() -> None:
    first = [0.09] * 18 + [math.inf] * 2
    paired = compare_paired(first, [0.1] * 20, rng=rng())
    assert paired.difference == pytest.approx(-0.01)
    assert paired.p_value < 0.05


@pytest.mark.parametrize("blocks", [1, 2, 3, 5])
def test_too_few_blocks_bound_nothing(blocks: int) -> None:
    paired = compare_paired(np.arange(1.0, blocks + 1), np.zeros(blocks), rng=rng())
    assert (paired.low, paired.high) == (-math.inf, math.inf)
    assert paired.p_value == least_p(blocks)


def test_ties_and_infinities_are_counted_as_by_trying_all_signs() -> None:
    seed = 3
    print(f"seed {seed}")
    dice = rng(seed)
    signs = np.array(list(itertools.product((-1.0, 1.0), repeat=9)))
    for _ in range(40):
        values = dice.choice([0.0, 0.1, 0.1, 0.2, -0.1, -0.3, math.inf, -math.inf], size=9)
        signed = scipy.stats.rankdata(np.abs(values)) * np.sign(values)
        exact = np.mean(np.abs(signs @ signed) >= abs(signed.sum()) - 1e-9)
        assert sign_flip_p(values) == pytest.approx(exact)


def test_so_many_blocks_can_tell_arms_apart() -> None:
    assert blocks_needed(0.05, 1) == 6
    assert least_p(blocks_needed(0.05, 55)) * 55 <= 0.05 < least_p(blocks_needed(0.05, 55) - 1) * 55


def test_small_samples_agree_with_the_exact_signed_rank_test() -> None:
    differences = np.array([0.3, -0.1, 0.55, 0.21, 0.81, -0.43, 0.62, 0.94, 0.15])
    exact = scipy.stats.wilcoxon(differences, method="exact").pvalue
    assert compare_paired(differences, np.zeros(9), rng=rng()).p_value == pytest.approx(exact)


def test_the_bootstrap_interval_covers_the_true_difference_about_as_often_as_it_says() -> None:
    seed = 11
    print(f"seed {seed}")
    dice = rng(seed)
    covered = 0
    for _ in range(300):
        paired = compare_paired(dice.exponential(1.0, 25) + math.log(2), dice.exponential(1.0, 25), rng=dice)
        covered += paired.low <= math.log(2) <= paired.high  # the difference of two exponentials is symmetric
    assert 0.90 <= covered / 300 <= 0.99


@given(st.lists(st.tuples(VALUES, VALUES), min_size=1, max_size=40))
def test_turning_the_arms_around_turns_the_result_around(pairs: list[tuple[float, float]]) -> None:
    a, b = (np.array(side) for side in zip(*pairs, strict=True))
    forth, back = compare_paired(a, b, rng=rng()), compare_paired(b, a, rng=rng())
    assert forth.difference == -back.difference
    assert forth.p_value == back.p_value
    assert forth.direction == -back.direction
    assert forth.turned().direction == back.direction
    assert 0 < forth.p_value <= 1
    assert forth.low <= forth.high


def test_the_same_generator_gives_the_same_numbers() -> None:
    a, b = rng(5).random(25), rng(6).random(25)
    assert compare_paired(a, b, rng=rng(9)) == compare_paired(a, b, rng=rng(9))


def test_an_arm_split_against_itself_is_called_different_as_often_as_stated() -> None:
    split = split_against_itself(rng(4).lognormal(0, 1, size=40), rng=rng(5))
    assert split.pairs == 200
    assert split.least <= split.called <= split.most, split
    assert not split.too_often
    with pytest.raises(ValueError, match="at least 12 runs, found 11"):
        split_against_itself(np.ones(11), rng=rng())


def test_blocks_of_two_arms_must_be_as_many() -> None:
    with pytest.raises(ValueError, match="as many blocks of both arms"):
        compare_paired([1.0], [1.0, 2.0], rng=rng())
