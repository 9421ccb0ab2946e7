"""Decoders: one access unit in, one picture out, nothing concealed."""

import math
from typing import Protocol

import av
from av.codec.context import Flags, ThreadType

from glassbench.transport.codecs import CODECS

DECODERS: dict[str, tuple[str, dict[str, str]]] = {
    # Track.media: FFmpeg's decoder and its options.
    name: (codec.decoder[0], dict(codec.decoder[1]))
    for name, codec in CODECS.items()
}

_LARGEST_BLOCK = 128  # pixels, of AV1


class DecodeError(Exception):
    """An access unit that did not give exactly one sound picture."""


class Decoder(Protocol):
    """What the pipeline asks of a decoder. Access units come in decoding order, the first and the one after a failure
    being a keyframe, each other one after those that it refers to."""

    def decode(self, payload: bytes) -> av.VideoFrame | None:
        """The picture, or None where there are no pixels (size model). Raises DecodeError."""


class VideoDecoder:
    """Decodes the real bytes of one codec with FFmpeg.

    The caller keeps the reference chain whole, so that FFmpeg has nothing to conceal; what it still marks as corrupt is
    an error. Pictures may change their size at a keyframe. With a `size`, width and height, a picture with a larger
    side is an error, and one with more pixels is refused before it takes memory.
    """

    def __init__(self, media: str, size: tuple[int, int] | None = None) -> None:
        if media not in DECODERS:
            raise ValueError(f"no decoder for {media!r}; accepted are {', '.join(DECODERS)}")
        name, options = DECODERS[media]
        context = av.CodecContext.create(name, "r")
        assert isinstance(context, av.VideoCodecContext)
        self._context = context
        self._context.thread_count = 1
        self._context.thread_type = ThreadType.NONE
        self._context.flags |= Flags.low_delay
        self._size = size
        limit = {} if size is None else {"max_pixels": str(math.prod(_padded(side) for side in size))}
        self._context.options = {"err_detect": "explode", **limit, **options}

    def decode(self, payload: bytes) -> av.VideoFrame:
        """The picture of one access unit. Raises DecodeError."""
        try:
            pictures = self._context.decode(av.Packet(payload)) if payload else []
        except av.FFmpegError as error:
            self._context.flush_buffers()
            raise DecodeError(f"the decoder refused a frame of {len(payload)} bytes: {error}") from None
        if len(pictures) != 1 or pictures[0].is_corrupt:
            self._context.flush_buffers()
            raise DecodeError(f"a frame of {len(payload)} bytes gave {len(pictures)} pictures, or a corrupt one")
        picture = pictures[0]
        if self._size is not None and (picture.width > self._size[0] or picture.height > self._size[1]):
            self._context.flush_buffers()
            raise DecodeError(f"a picture of {picture.width}x{picture.height} is larger than was agreed")
        return picture


def _padded(side: int) -> int:
    """The pixels of a side as codecs store it, in whole blocks."""
    return -(-side // _LARGEST_BLOCK) * _LARGEST_BLOCK


class NullDecoder:
    """For the size model: every access unit is accepted, and there is no picture."""

    def decode(self, payload: bytes) -> None:
        return None
