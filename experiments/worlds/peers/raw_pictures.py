"""Pictures as bytes: yuv420p without padding, plane after plane, as stacks take and give them."""

from fractions import Fraction

import av
import numpy as np

from glassbench.sender.encoder import Encoded


class RawPictures:
    """A `sender.encoder.PicturesEncoder` that leaves encoding to the stack."""

    def encode(self, picture: av.VideoFrame, *, force_keyframe: bool, budget_bytes: int | None = None) -> Encoded:
        return Encoded(picture.to_ndarray().tobytes(), keyframe=False)


def picture_of(data: bytes, width: int, height: int) -> av.VideoFrame:
    """The picture of `width * height * 3 / 2` bytes."""
    planes = np.frombuffer(data, np.uint8).reshape(height * 3 // 2, width)
    return av.VideoFrame.from_ndarray(planes, format="yuv420p")


class Lossless:
    """Encodes pictures of any size as H.264 without loss, each by itself, for whoever measures their quality later."""

    MEDIA = "h264"

    def __init__(self) -> None:
        self._encoders: dict[tuple[int, int], av.VideoCodecContext] = {}

    def encode(self, picture: av.VideoFrame) -> bytes:
        """The access unit of a yuv420p picture."""
        size = picture.width, picture.height
        encoder = self._encoders.setdefault(size, _opened(*size))
        picture.pts = None
        (packet,) = encoder.encode(picture)
        return bytes(packet)


def _opened(width: int, height: int) -> av.VideoCodecContext:
    context = av.CodecContext.create("libx264", "w")
    assert isinstance(context, av.VideoCodecContext)
    context.width, context.height, context.pix_fmt = width, height, "yuv420p"
    context.framerate = Fraction(30)  # it has no effect, but has to be there
    context.gop_size, context.max_b_frames, context.thread_count = 1, 0, 1
    context.options = {"preset": "ultrafast", "tune": "zerolatency", "qp": "0"}
    return context
