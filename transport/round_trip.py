"""How long the way to the peer and back takes, smoothed over the samples (RFC 6298)."""


class RoundTrip:
    """The smoothed time and its variance, in seconds. Both are guesses until there is a sample (`is_measured`)."""

    __slots__ = ("is_measured", "smoothed", "variance")

    def __init__(self, guess: float) -> None:
        self.smoothed = guess
        self.variance = guess / 2
        self.is_measured = False

    def timeout(self, granularity: float = 0.0) -> float:
        """How long an answer may take before it counts as lost: at least `granularity` above the mean."""
        return self.smoothed + max(4 * self.variance, granularity)

    def add(self, sample: float) -> None:
        """Take a sample. The first one replaces the guess."""
        if self.is_measured:
            self.variance += (abs(sample - self.smoothed) - self.variance) / 4
            self.smoothed += (sample - self.smoothed) / 8
        else:
            self.smoothed, self.variance, self.is_measured = sample, sample / 2, True
