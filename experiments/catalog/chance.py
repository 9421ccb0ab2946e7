"""How far counts of lost packets vary by chance alone."""

import math


def deviation(share: float, count: int) -> float:
    """The standard deviation of a share, counted over `count` trials that each have that probability (binomial)."""
    return math.sqrt(share * (1 - share) / count)


def beyond(count: float, low: float, high: float) -> float:
    """By how many standard deviations (of a Poisson distribution) a count lies outside of the expected `low` to `high`;
    0 within. The bounds are one wider, because counts are whole."""
    return max((count - 1 - high) / math.sqrt(high), (low - 1 - count) / math.sqrt(low), 0.0)
