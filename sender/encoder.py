"""x"""

from typing import NamedTuple, Protocol


class Encoded(NamedTuple):
    """One access unit: Annex B for H.264 and HEVC."""

    payload: bytes
    keyframe: bool


class FrameEncoder(Protocol):
    """What the pipeline asks of an encoder: one frame in, one out."""

    def encode(self, capture: int, captured_at: float, *, force_keyframe: bool) -> Encoded:
        """Encode source instant `capture` as the next frame. Captures increase; the first frame is a keyframe."""
