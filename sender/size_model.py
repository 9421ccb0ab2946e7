"""Size models: frame sizes without pixels and without a codec, for studies of transports alone.

The payload looks like H.264 in Annex B, one NAL unit a slice (start code, header, filler without zero bytes), so that a
transport which reads NAL units can carry it; no decoder could read it.
"""

import io
import itertools
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import numpy as np

from glassbench.sender.encoder import Encoded, EncoderSettings
from glassbench.sender.regular_file import read_regular_text
from glassbench.sender.slices import even_bounds
from glassbench.sender.source import SourceError
from glassbench.transport.framing import MAX_FRAME_BYTES
from glassbench.transport.layers import RATE_SHARES, layer_of, spacing

MIN_FRAME_BYTES = 16
_MAX_FILE_BYTES = 8 * 2**20
_IDR, _NON_IDR = b"\0\0\0\1\x65", b"\0\0\0\1\x41"


class FrameSize(NamedTuple):
    """One frame of a model: its size if it is sent as it is, and if it is made a keyframe."""

    size_bytes: int
    keyframe_bytes: int
    keyframe: bool


class LognormalSizes:
    """Independent log-normal sizes whose mean gives the bitrate over a keyframe interval.

    A keyframe is `keyframe_ratio` times a delta frame; `sigma` is the standard deviation of the logarithm. Frame sizes
    of video under rate control are right-skewed, log-normal to a first approximation (Krunz and Tripathi 1997).
    """

    name = "lognormal"

    def __init__(self, fps: Fraction, *, seed: int, sigma: float = 0.25, keyframe_ratio: float = 4.0) -> None:
        self.fps = fps
        self._seed = seed
        self._sigma = sigma
        self._ratio = keyframe_ratio

    @property
    def notes(self) -> tuple[str, ...]:
        return ("frame sizes are drawn from a model: nothing is encoded or decoded",)

    def sizes(self, settings: EncoderSettings) -> Iterator[FrameSize]:
        mean = settings.bitrate_bps / 8 / float(self.fps)
        interval = settings.keyframe_interval
        delta = mean if interval is None else mean * interval / (interval - 1 + self._ratio)
        rng = np.random.default_rng(self._seed)
        for _ in itertools.count():
            size = delta * rng.lognormal(-(self._sigma**2) / 2, self._sigma)
            yield FrameSize(_whole(size), _whole(size * self._ratio), keyframe=False)


class RecordedSizes:
    """Sizes from a text file, one frame a line: its bytes, and the word `key` after it if it is a keyframe; # comments.

    Repeated from its end. A frame that is made a keyframe out of turn is as large as the last recorded keyframe.
    Raises SourceError naming file and line.
    """

    def __init__(self, path: Path, fps: Fraction) -> None:
        self.name = path.name
        self.fps = fps
        self._frames = read_sizes(path)

    @property
    def notes(self) -> tuple[str, ...]:
        return (f"{self.name} gives the sizes of {len(self._frames)} frames, repeated: nothing is encoded or decoded",)

    def sizes(self, settings: EncoderSettings) -> Iterator[FrameSize]:
        last_keyframe = next((size for size, keyframe in self._frames if keyframe), self._frames[0][0])
        for size, keyframe in itertools.cycle(self._frames):
            if keyframe:
                last_keyframe = size
            yield FrameSize(size, max(size, last_keyframe), keyframe)


SizeSource = LognormalSizes | RecordedSizes


class SizeEncoder:
    """A size model in the place of an encoder. The keyframe interval counts from the last keyframe."""

    def __init__(self, source: SizeSource, settings: EncoderSettings) -> None:
        self._sizes = source.sizes(settings)
        self._interval = settings.keyframe_interval
        self._slices = settings.slices
        self._layers = settings.layers
        self._since_keyframe: int | None = None

    def encode(
        self, capture: int, captured_at: float, *, force_keyframe: bool, budget_bytes: int | None = None
    ) -> Encoded:
        """The next frame of the model. With a budget it uses all of it, like an encoder that has more to show."""
        frame = next(self._sizes)
        due = self._since_keyframe is None or self._since_keyframe + 1 == self._interval
        keyframe = frame.keyframe or force_keyframe or due
        self._since_keyframe = 0 if keyframe or self._since_keyframe is None else self._since_keyframe + 1
        size = frame.keyframe_bytes if keyframe else self._of_layer(frame.size_bytes)
        if budget_bytes is not None:
            size = max(MIN_FRAME_BYTES, budget_bytes)
        return Encoded(_payload(_IDR if keyframe else _NON_IDR, size, self._slices), keyframe)

    def _of_layer(self, size: int) -> int:
        """The size of the frame that is next, so that its layer has its share of the rate."""
        layer = layer_of(self._since_keyframe or 0, self._layers)
        return _whole(size * RATE_SHARES[self._layers][layer] * spacing(layer, self._layers))


def _payload(head: bytes, size: int, slices: int) -> bytes:
    """NAL units of like size, as many as slices; they are no smaller than their heads."""
    return b"".join(head.ljust(end - begin, b"\x55") for begin, end in itertools.pairwise(even_bounds(size, slices)))


def _whole(size: float) -> int:
    return min(max(MIN_FRAME_BYTES, round(size)), MAX_FRAME_BYTES)


def read_sizes(path: Path) -> list[tuple[int, bool]]:
    """The recorded frames of a file: their bytes, and whether they are keyframes. Raises SourceError."""
    try:
        content = read_regular_text(path, most_bytes=_MAX_FILE_BYTES)
    except OSError as error:
        raise SourceError(f"cannot read the list of frame sizes {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SourceError(f"the list of frame sizes {path} is not a text in UTF-8") from None
    frames = [
        _parse_size(fields, f"{path} line {number}")
        for number, line in enumerate(io.StringIO(content, newline=None), start=1)
        if (fields := line.partition("#")[0].split())
    ]
    if not frames:
        raise SourceError(f"{path} holds no frame sizes; one number of bytes a line is accepted")
    return frames


def _parse_size(fields: list[str], where: str) -> tuple[int, bool]:
    accepted = f"{MIN_FRAME_BYTES} to {MAX_FRAME_BYTES} bytes, optionally followed by 'key'"
    keyframe = fields[1:] == ["key"]
    if len(fields) > 1 and not keyframe:
        raise SourceError(f"{where}: found {' '.join(fields)[:40]!r}; accepted is {accepted}")
    try:
        size = int(fields[0])
    except ValueError:
        size = -1
    if not MIN_FRAME_BYTES <= size <= MAX_FRAME_BYTES:
        raise SourceError(f"{where}: {fields[0][:40]!r} is not a frame size; accepted is {accepted}")
    return size, keyframe
