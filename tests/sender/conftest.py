from pathlib import Path

import av
import numpy as np
import pytest


def write_video(path: Path, *, width: int = 320, height: int = 180, frames: int = 20, codec: str = "mpeg4") -> Path:
    """A small clip of moving gradients."""
    pixel_format = "yuv444p" if width % 2 or height % 2 else "yuv420p"
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = width, height, pixel_format
        ramp = np.add.outer(np.arange(height), np.arange(width))
        for index in range(frames):
            gray = ((ramp + 5 * index) % 256).astype(np.uint8)
            picture = av.VideoFrame.from_ndarray(gray, format="gray").reformat(format=pixel_format)
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    return path


@pytest.fixture
def make_video(tmp_path):
    return lambda name="clip.mkv", **options: write_video(tmp_path / name, **options)
