from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.stream import Disposition


def write_video(
    path: Path,
    *,
    width: int = 320,
    height: int = 180,
    frames: int = 20,
    codec: str = "mpeg4",
    rate: Fraction = Fraction(25),
    pixel_aspect: Fraction | None = None,
    instants: Callable[[int], int] = lambda index: index,
    options: Mapping[str, str] | None = None,
    cover: bool = False,
) -> Path:
    """A small clip of moving gradients; `instants` are the times of its pictures, in pictures."""
    pixel_format = "yuv444p" if width % 2 or height % 2 else "yuv420p"
    with av.open(str(path), "w", options={"avoid_negative_ts": "disabled"}) as container:
        covers = [container.add_stream("mjpeg", rate=25)] if cover else []  # the first stream, as movies from a shop do
        stream = container.add_stream(codec, rate=rate, options=dict(options or {}))
        stream.width, stream.height, stream.pix_fmt = width, height, pixel_format
        stream.codec_context.sample_aspect_ratio = pixel_aspect or Fraction(1)
        for other in covers:
            other.width, other.height, other.pix_fmt = 320, 180, "yuvj420p"
            other.disposition = Disposition.attached_pic
            container.mux(other.encode(av.VideoFrame(320, 180, "yuvj420p")))
        ramp = np.add.outer(np.arange(height), np.arange(width))
        for index in range(frames):
            gray = ((ramp + 5 * index) % 256).astype(np.uint8)
            picture = av.VideoFrame.from_ndarray(gray, format="gray").reformat(format=pixel_format)
            picture.pts, picture.time_base = instants(index), 1 / rate
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    return path


def turn(path: Path, matrix: tuple[int, int, int, int]) -> Path:
    """Write (a, b, c, d) into the display matrix of the only track of an mp4."""
    content = bytearray(path.read_bytes())
    at = content.index(b"tkhd") + 4 + 40  # behind version, times, track, duration, layer and volume
    for offset, value in zip((0, 4, 12, 16), matrix, strict=True):
        content[at + offset : at + offset + 4] = (value << 16).to_bytes(4, "big", signed=True)
    path.write_bytes(content)
    return path


@pytest.fixture
def turned():
    return turn


@pytest.fixture
def make_video(tmp_path):
    return lambda name="clip.mkv", **options: write_video(tmp_path / name, **options)
