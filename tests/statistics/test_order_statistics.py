"""Intervals from order statistics: published values, coverage by simulation, honesty about few runs."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glassbench.experiments.account.metrics import values_needed
from glassbench.experiments.results.statistics.order_statistics import binomial_quantile, lower_bound, quantile_interval


@pytest.mark.parametrize(
    ("quantile", "confidence", "runs"),
    [  # the table of TriScale (2021)
        *((0.50, 0.95, 5), (0.75, 0.95, 11), (0.90, 0.95, 29), (0.95, 0.95, 59), (0.99, 0.95, 299)),
        *((0.50, 0.99, 7), (0.75, 0.99, 17), (0.90, 0.99, 44), (0.95, 0.99, 90), (0.99, 0.99, 459)),
        *((0.999, 0.95, 2995), (0.05, 0.95, 59)),
    ],
)
def test_so_many_runs_bound_a_quantile(quantile: float, confidence: float, runs: int) -> None:
    assert values_needed(quantile, confidence=confidence) == runs


@pytest.fixture(scope="session")
def binom() -> Any:
    from scipy.stats import binom  # takes a second, which only who needs it waits for

    return binom


@given(st.floats(0.001, 0.999), st.integers(1, 500), st.floats(0.001, 0.999))
def test_quantiles_of_a_binomial_number_are_the_least_that_reach_the_share(
    binom: Any, share: float, n: int, p: float
) -> None:
    quantile = binomial_quantile(share, n, p)
    assert binom.cdf(quantile, n, p) >= share - 1e-9
    assert binom.cdf(quantile - 1, n, p) < share + 1e-9


@pytest.mark.parametrize(("n", "low", "high"), [(6, 1, 6), (10, 2, 9), (20, 6, 15), (50, 18, 33)])
def test_the_ranks_around_a_median_are_those_of_the_tables(n: int, low: int, high: int) -> None:
    # Le Boudec, appendix A: ranks for the median at 95 %.
    interval = quantile_interval(np.arange(1.0, n + 1))
    assert (interval.low, interval.high) == (low, high)
    assert interval.confidence >= 0.95


def test_too_few_runs_bound_nothing_and_say_so() -> None:
    interval = quantile_interval([1.0, 2.0, 3.0])
    assert (interval.low, interval.high) == (-math.inf, math.inf)
    assert quantile_interval(list(range(20)), 0.95).high == math.inf
    assert lower_bound([5.0, 6.0]) == -math.inf
    assert lower_bound([5.0, 6.0, 7.0, 8.0, 9.0]) == 5.0


def test_an_infinite_run_only_moves_the_bound_it_reaches() -> None:
    values = [float(value) for value in range(19)] + [math.inf]
    assert quantile_interval(values).high == 14.0


def test_a_median_is_covered_as_often_as_the_interval_says() -> None:
    seed = 20
    print(f"seed {seed}")
    rng = np.random.default_rng(seed)
    covered = 0
    for _ in range(2000):
        interval = quantile_interval(rng.lognormal(0, 1.5, size=15))
        covered += interval.low <= 1.0 <= interval.high
    confidence = quantile_interval(np.arange(15.0)).confidence
    assert abs(covered / 2000 - confidence) < 3 * math.sqrt(confidence * (1 - confidence) / 2000)


@given(
    st.lists(st.floats(0, 10) | st.just(math.inf), min_size=1, max_size=80), st.floats(0.01, 0.99), st.floats(0.5, 0.99)
)
def test_an_interval_is_in_order_and_as_sure_as_asked(values: list[float], quantile: float, confidence: float) -> None:
    interval = quantile_interval(values, quantile, confidence=confidence)
    assert interval.low <= interval.high
    assert interval.confidence >= confidence - 1e-9
    assert lower_bound(values, quantile, confidence=confidence) <= interval.high


@pytest.mark.parametrize("quantile", [0.0, 1.0, -1.0, math.nan])
def test_a_quantile_that_is_none_is_refused(quantile: float) -> None:
    with pytest.raises(ValueError, match="quantile must be between 0 and 1"):
        quantile_interval([1.0], quantile)
