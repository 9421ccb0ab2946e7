"""How often a sender makes a keyframe because its peer asks for one: a keyframe is many times the request."""

LEAST_INTERVAL = 0.1  # seconds


class KeyframeRequests:
    """A request is heard once in a round trip and in LEAST_INTERVAL, for each track: those in between crossed the
    answer, or are a flood. Whoever still needs a keyframe asks again."""

    __slots__ = ("_heard_at",)

    def __init__(self) -> None:
        self._heard_at: dict[int, float] = {}

    def hears(self, track: int, *, round_trip: float = 0.0, now: float) -> bool:
        """Whether this request is one to answer. Times in seconds."""
        heard_at = self._heard_at.get(track)
        if heard_at is not None and now - heard_at < max(round_trip, LEAST_INTERVAL):
            return False
        self._heard_at[track] = now
        return True
