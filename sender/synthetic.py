"""A synthetic source: two textures with a natural spectrum slide over each other, under sensor noise."""

from collections.abc import Generator
from fractions import Fraction
from typing import TypeVar

import av
import numpy as np
import numpy.typing as npt

from glassbench.sender.planes import plane
from glassbench.sender.source import SourceError
from glassbench.transport.stamp_code import MIN_HEIGHT, MIN_WIDTH

_TILE = 512  # pixels; textures repeat after this, by construction without a seam
_Level = TypeVar("_Level", np.uint8, np.bool_)
_NOISE = 2  # luma levels, uniform, +-: enough to keep a codec from predicting perfectly


class SyntheticSource:
    """Deterministic in `seed`: the same pictures at each call of `pictures`. Raises SourceError for a bad size.

    Natural images have an amplitude spectrum of about 1/f (Field 1987), so the textures are noise shaped like that.
    """

    name = "synthetic"
    attribution = ""
    is_live = False

    def __init__(self, width: int | None, height: int | None, fps: Fraction | None, seed: int) -> None:
        self.width = (width or 640) & ~1
        self.height = (height or 360) & ~1
        if self.width < MIN_WIDTH or self.height < MIN_HEIGHT:
            raise SourceError(
                f"synthetic pictures of {self.width}x{self.height} are too small; "
                f"at least {MIN_WIDTH}x{MIN_HEIGHT} is needed for a readable stamp"
            )
        self.fps = fps or Fraction(30)
        self.identity = f"synthetic {seed} {self.width}x{self.height} numpy {np.__version__}"
        self._seed = seed

    @property
    def notes(self) -> tuple[str, ...]:
        return ()

    def pictures(self) -> Generator[av.VideoFrame]:
        """Endless; each picture is yuv420p and the caller's own."""
        texture_seed, noise_seed = np.random.SeedSequence(self._seed).spawn(2)
        textures = np.random.default_rng(texture_seed)
        back, front, blue, red, shape = (self._repeated(_texture(textures)) for _ in range(5))
        mask = shape > 140
        noise = np.random.default_rng(noise_seed)
        index = 0
        while True:
            picture = av.VideoFrame(self.width, self.height, "yuv420p")
            luma = np.where(
                self._window(mask, 3 * index, index),
                self._window(front, 3 * index, index),
                self._window(back, index, 0),
            )
            luma += noise.integers(0, 2 * _NOISE + 1, luma.shape, dtype=np.uint8)
            plane(picture, 0)[:, : self.width] = luma
            for number, chroma in ((1, blue), (2, red)):
                half = self._window(chroma, index // 2, 0)[: self.height // 2, : self.width // 2]
                plane(picture, number)[:, : self.width // 2] = 96 + half // 4
            yield picture
            index += 1

    def _repeated(self, tile: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """The tile, repeated until a window fits at any place in the first one."""
        return np.tile(tile, (1 - -self.height // _TILE, 1 - -self.width // _TILE))

    def _window(self, texture: npt.NDArray[_Level], left: int, top: int) -> npt.NDArray[_Level]:
        top, left = top % _TILE, left % _TILE
        return texture[top : top + self.height, left : left + self.width]


def _texture(rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """A tile of 1/f noise, luma 24 to 224."""
    frequency = np.hypot(np.fft.fftfreq(_TILE)[:, None], np.fft.rfftfreq(_TILE)[None, :])
    frequency[0, 0] = np.inf  # no mean
    shaped = np.fft.irfft2(np.fft.rfft2(rng.standard_normal((_TILE, _TILE))) / frequency)
    scaled = 124 + 50 * shaped / shaped.std()
    levels: npt.NDArray[np.uint8] = np.clip(np.rint(scaled), 24, 224).astype(np.uint8)
    return levels
