"""Codecs whose cost is what they took, by the clock, instead of what a model says."""

import av

from netem.live.clock import LiveClock
from receiver.decoder import Decoder
from sender.encoder import Encoded, FrameEncoder


class MeasuredEncoder:
    """An encoder that keeps how long its last frame took."""

    def __init__(self, encoder: FrameEncoder, clock: LiveClock) -> None:
        self._encoder = encoder
        self._clock = clock
        self._took = 0.0

    def encode(self, capture: int, captured_at: float, *, force_keyframe: bool) -> Encoded:
        begun_at = self._clock.now()
        encoded = self._encoder.encode(capture, captured_at, force_keyframe=force_keyframe)
        self._took = self._clock.now() - begun_at
        return encoded

    def cost(self, sequence: int, keyframe: bool) -> float:
        """Seconds that the frame took which was encoded last: the one that is asked for."""
        return self._took


class MeasuredDecoder:
    """A decoder that keeps how long its last frame took."""

    def __init__(self, decoder: Decoder, clock: LiveClock) -> None:
        self._decoder = decoder
        self._clock = clock
        self._took = 0.0

    def decode(self, payload: bytes) -> av.VideoFrame | None:
        begun_at = self._clock.now()
        try:
            return self._decoder.decode(payload)
        finally:
            self._took = self._clock.now() - begun_at

    def cost(self, sequence: int, keyframe: bool) -> float:
        """Seconds that the last frame took; for one that is not decoded yet, the best guess."""
        return self._took
