"""What a viewer saw: which picture was on the screen in the place of each source instant, and these pictures again.

Source instant i is compared with the picture that was on the screen at captured_at(i) + offset, where offset is the
median glass-to-glass delay of the displayed pictures plus half a frame interval: the middle of the slot that picture i
would have had on a screen that runs late by the median delay. A picture that came later than that does not count for
its own instant; the one still on the screen does. Nor does one that came sooner take the place of those before it, so
a delay that changes (a queue that drains, adaptive playout) is no loss of quality as long as every picture is shown in
time. Before the first picture the screen is black.

Each picture that was shown, whenever that was, is also compared with its own capture: that is what its encoder left of
it, without the freezes.
"""

import hashlib
import statistics
from bisect import bisect_left
from collections.abc import Iterator, Sequence

import av
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter

from glassbench.receiver.decoded import Decoded
from glassbench.receiver.decoder import VideoDecoder
from glassbench.receiver.planes import luma
from glassbench.transport.stamp_code import corner

# The same pixels on every processor: without these flags, SIMD code rounds in its own way.
_SCALING = Interpolation.BICUBIC | Interpolation.BITEXACT | Interpolation.ACCURATE_RND

Pair = tuple[bytes, bytes]
"""A picture and its reference, each by its content."""


class Viewing:
    """What was seen of `decoded`, which is in order of decoding, at the source instants `captured_at`, in increasing
    order.

    `on_screen` has for each instant the number in `decoded` of the picture that was on the screen in its place, None
    while that was black; `own` the number of the picture that was captured then, None if it was never shown.
    `reference_identity` names the content of the source, stamps included; `media` is the codec of `decoded`, `interval`
    the frame interval in seconds, and `width` and `height` are those of the source.
    """

    def __init__(
        self,
        decoded: Sequence[Decoded],
        captured_at: Sequence[float],
        *,
        reference_identity: str,
        media: str,
        width: int,
        height: int,
        interval: float,
    ) -> None:
        self.decoded = decoded
        self.captured_at = captured_at
        self.media = media
        self.width = width
        self.height = height
        self.on_screen = _on_screen(decoded, captured_at, interval)
        self.own = _own(decoded, captured_at, interval)
        self._reference_identity = reference_identity
        self._digests = [*_content_digests(decoded, media), b"black"]

    def pair(self, index: int, number: int | None) -> Pair:
        """Picture `number`, black for None, beside source instant `index`."""
        return self._digests[-1 if number is None else number], f"{self._reference_identity} {index}".encode()


class Screen:
    """The pictures of a viewing again, decoded in order, each at the size of the source."""

    def __init__(self, viewing: Viewing) -> None:
        self._size = viewing.width, viewing.height
        self._scaler = VideoReformatter()
        self._pictures = self._decode(viewing.decoded, VideoDecoder(viewing.media))
        self._number = -1
        self._current = black_picture(*self._size)

    def picture(self, number: int | None, reference: av.VideoFrame) -> av.VideoFrame:
        """Picture `number`, which never goes back; black for None. `reference` has the stamp of a picture that is
        scaled."""
        while number is not None and self._number < number:
            self._current = next(self._pictures)
            self._number += 1
        if (self._current.width, self._current.height) == self._size:
            return self._current
        scaled = self._scaler.reformat(self._current, *self._size, interpolation=_SCALING, threads=1)
        width, height = corner(*self._size)
        luma(scaled)[:height, :width] = luma(reference)[:height, :width]
        return scaled

    @staticmethod
    def _decode(decoded: Sequence[Decoded], decoder: VideoDecoder) -> Iterator[av.VideoFrame]:
        for picture in decoded:
            yield decoder.decode(picture.payload)


def black_picture(width: int, height: int) -> av.VideoFrame:
    """A black screen: yuv420p, limited range."""
    planes = np.full((height * 3 // 2, width), 128, np.uint8)
    planes[:height] = 16
    return av.VideoFrame.from_ndarray(planes, format="yuv420p")


def _on_screen(decoded: Sequence[Decoded], captured_at: Sequence[float], interval: float) -> list[int | None]:
    """For each source instant, the index into `decoded` of the picture that it is compared with. That is never a newer
    one, and never one that was not displayed."""
    shown = [(index, each, each.displayed_at) for index, each in enumerate(decoded) if each.displayed_at is not None]
    if not shown:
        return [None] * len(captured_at)
    offset = statistics.median(displayed_at - picture.captured_at for _, picture, displayed_at in shown) + interval / 2
    numbers: list[int | None] = []
    number: int | None = None
    following = 0
    for at in captured_at:
        while following < len(shown):
            index, picture, displayed_at = shown[following]
            if displayed_at > at + offset or picture.captured_at >= at + interval / 2:
                break
            number = index
            following += 1
        numbers.append(number)
    return numbers


def _own(decoded: Sequence[Decoded], captured_at: Sequence[float], interval: float) -> list[int | None]:
    """For each source instant, the index into `decoded` of the picture that was captured then; None if it was never
    shown."""
    numbers: list[int | None] = [None] * len(captured_at)
    for number, picture in enumerate(decoded):
        if picture.displayed_at is not None:
            numbers[bisect_left(captured_at, picture.captured_at - interval / 2)] = number
    return numbers


def _content_digests(decoded: Sequence[Decoded], media: str) -> list[bytes]:
    """What identifies each picture: all payloads since its keyframe."""
    digests = []
    digest = b""
    for picture in decoded:
        before = media.encode() if picture.keyframe else digest
        digest = hashlib.blake2b(
            before + hashlib.blake2b(picture.payload, digest_size=16).digest(), digest_size=16
        ).digest()
        digests.append(digest)
    return digests
