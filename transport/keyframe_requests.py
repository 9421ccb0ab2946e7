"""A limit on the keyframes that a peer can ask for: a keyframe is many times as large as the request."""

LEAST_INTERVAL = 0.1  # seconds


class KeyframeRequests:
    """Of each track one request is answered per round trip, and no more than one per LEAST_INTERVAL. Requests in
    between have crossed the answer, or are a flood. Whoever still needs a keyframe asks again."""

    __slots__ = ("_heard_at",)

    def __init__(self) -> None:
        self._heard_at: dict[int, float] = {}

    def hears(self, track: int, *, round_trip: float = 0.0, now: float) -> bool:
        """Whether this request should be answered. Times are in seconds."""
        heard_at = self._heard_at.get(track)
        if heard_at is not None and now - heard_at < max(round_trip, LEAST_INTERVAL):
            return False
        self._heard_at[track] = now
        return True
