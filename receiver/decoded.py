"""What was decoded, and when it was on the screen."""

from typing import NamedTuple


class Decoded(NamedTuple):
    """A picture that was on the screen from `displayed_at` until the next one. `displayed_at` is None if it was late,
    and therefore only decoded. The payload is enough to decode it again after those before it, back to a keyframe."""

    sequence: int
    captured_at: float
    displayed_at: float | None
    keyframe: bool
    payload: bytes
