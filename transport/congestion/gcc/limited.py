"""The application-limited region: the application sends so little that what arrives says nothing of the path.

libwebrtc's `alr_detector.cc`: a budget fills at 65 % of the target, for half a second at most, and what is sent empties
it. Over 80 % of it the region begins, under 50 % it ends.
"""

_USED_SHARE = 0.65  # of the target
_BUDGET = 0.5  # seconds
_BEGIN = 0.8
_END = 0.5


class ApplicationLimit:
    """`since` is when the region began, or None outside of it; `ended_at` is when the last one ended."""

    def __init__(self) -> None:
        self.since: float | None = None
        self.ended_at: float | None = None
        self._saved = 0.0  # seconds of the budget, negative if more was sent
        self._sent_at: float | None = None

    def on_sent(self, size_bytes: int, target_bps: float, *, at: float) -> None:
        """A packet left at `at`, while the target was `target_bps`."""
        if self._sent_at is not None:
            spent = size_bytes * 8 / (_USED_SHARE * target_bps)
            saved = self._saved + (at - self._sent_at) - spent
            self._saved = min(max(saved, -_BUDGET), _BUDGET)
        self._sent_at = at
        level = self._saved / _BUDGET
        if self.since is None and level > _BEGIN:
            self.since = at
        elif self.since is not None and level < _END:
            self.since = None
            self.ended_at = at
