"""What a source of pictures promises, and the one error of all sources."""

from collections.abc import Generator
from fractions import Fraction
from typing import Protocol

import av

MIN_FPS, MAX_FPS = 1, 240
MAX_SIDE = 8192  # pixels


class SourceError(ValueError):
    """A source that cannot be used, in one sentence: what was found and what is accepted."""


class PixelSource(Protocol):
    """An endless run of pictures, always the same.

    `identity` names the content: two sources with the same identity give the same pictures, unless they are live. `fps`
    is the rate at which they are captured. Of one that `is_live` the pictures are there when they are taken, and never
    again. `notes` are the sentences that a reader of the results has to know (looped, scaled, cropped).
    """

    name: str
    width: int
    height: int
    fps: Fraction
    identity: str
    attribution: str
    is_live: bool

    @property
    def notes(self) -> tuple[str, ...]:
        """What is known so far. More may come while pictures are read, such as that a file is damaged."""

    def pictures(self) -> Generator[av.VideoFrame]:
        """The pictures from the first on: yuv420p, each the caller's own to write to."""
