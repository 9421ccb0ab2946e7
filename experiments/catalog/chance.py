"""How far counts of lost packets are from what chance would give."""

import math


def deviation(share: float, expected: float, count: int) -> float:
    """By how many standard deviations of the binomial distribution a share of `count` is off the expected one."""
    return abs(share - expected) / math.sqrt(expected * (1 - expected) / count)


def beyond(count: float, low: float, high: float) -> float:
    """By how many standard deviations (of a Poisson distribution) a count lies outside of `low` to `high` that are
    expected, one more or less left out because counts are whole; 0 within."""
    return max((count - 1 - high) / math.sqrt(high), (low - 1 - count) / math.sqrt(low), 0.0)
