"""What chance alone makes of counts of lost packets."""

import math


def deviation(share: float, count: int) -> float:
    """The standard deviation of a share that is counted in so many, each of which has that probability (binomial)."""
    return math.sqrt(share * (1 - share) / count)


def beyond(count: float, low: float, high: float) -> float:
    """By how many standard deviations (of a Poisson distribution) a count lies outside of `low` to `high` that are
    expected, one more or less left out because counts are whole; 0 within."""
    return max((count - 1 - high) / math.sqrt(high), (low - 1 - count) / math.sqrt(low), 0.0)
