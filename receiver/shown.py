"""What was on the screen, and when."""

from typing import NamedTuple


class Shown(NamedTuple):
    """A picture that was on the screen from `displayed_at` until the next one. The payload is enough to decode it
    again after those before it, back to a keyframe."""

    sequence: int
    captured_at: float
    displayed_at: float
    keyframe: bool
    payload: bytes
