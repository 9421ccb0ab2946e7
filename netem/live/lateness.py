"""How late things were done: a histogram of fixed size, however long the run."""

_STEP = 10e-6  # seconds
_STEPS = 10_000  # up to 0.1 s; what is later is counted as that


class Lateness:
    """Counts delays of 10 us each, so that percentiles of any number of them take the same memory."""

    def __init__(self) -> None:
        self._counts = [0] * (_STEPS + 1)
        self.total = 0
        self.largest = 0.0

    def add(self, seconds: float) -> None:
        """Count one. What was early counts as on time."""
        self.total += 1
        self.largest = max(self.largest, seconds)
        self._counts[min(_STEPS, max(0, int(seconds / _STEP)))] += 1

    def percentile(self, share: float) -> float:
        """The seconds that `share` of them were not later than, to the next 10 us; 0 if there are none."""
        left = share * self.total
        for step, count in enumerate(self._counts):
            left -= count
            if left <= 0:
                return (step + (count > 0)) * _STEP
        return self.largest

    def summary(self) -> dict[str, float]:
        """In milliseconds, for a result file."""
        return {
            "packets": self.total,
            "p50_ms": round(self.percentile(0.5) * 1e3, 3),
            "p99_ms": round(self.percentile(0.99) * 1e3, 3),
            "max_ms": round(self.largest * 1e3, 3),
        }
