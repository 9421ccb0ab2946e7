"""How often somebody may do something."""


class Throttle:
    """`per_second` times a second, and as many at once as `most`."""

    def __init__(self, per_second: float, most: float) -> None:
        self._per_second = per_second
        self._most = most
        self._left = most
        self._at = 0.0

    def take(self, *, now: float) -> bool:
        """Whether it may be done now; then it counts. `now` in seconds."""
        self._left = min(self._most, self._left + (now - self._at) * self._per_second)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True
