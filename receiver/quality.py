"""Picture quality of what was on the screen, not of what was decoded: freezes count.

Source instant i is compared with the picture that was on the screen at captured_at(i) + offset, where offset is the
median glass-to-glass delay of the displayed pictures plus half a frame interval: the middle of the slot that picture i
would have had on a screen that runs late by the median delay. A picture that came later than that does not count for
its own instant; the one still on the screen does. Nor does one that came sooner take the place of those before it, so
a delay that changes (a queue that drains, adaptive playout) is no loss of quality as long as every picture is shown in
time. Before the first picture the screen is black.

Each picture that was shown, whenever that was, is also compared with its own capture: that is what its encoder left of
it, without the freezes.

The reference is the source as it was captured, stamp included. A picture that was encoded at a smaller size is scaled
up to that of the source, as a screen does it. Its stamp was drawn at the smaller size, so there it is no fault of the
encoder that it has other edges: that corner counts as equal. PSNR and SSIM (Wang et al. 2004, in FFmpeg's form: 8x8
windows in steps of 4) are of the luma. This is a pass after the run: it decodes the payloads once more, in order, those
of late pictures too, which gives the same pictures bit by bit, and holds two pictures at a time.
"""

import hashlib
import math
import statistics
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from typing import NamedTuple

import av
import numpy as np
from av.filter.context import FilterContext
from av.video.reformatter import Interpolation, VideoReformatter

from glassbench.receiver.decoded import Decoded
from glassbench.receiver.decoder import VideoDecoder
from glassbench.receiver.planes import luma
from glassbench.transport.stamp_code import corner

PSNR_CAP_DB = 100.0  # in the place of infinity, for identical pictures

# The same pixels on every processor: without these flags, SIMD code rounds in its own way.
_SCALING = Interpolation.BICUBIC | Interpolation.BITEXACT | Interpolation.ACCURATE_RND


class PictureQuality(NamedTuple):
    """Luma PSNR in dB, at most PSNR_CAP_DB, and luma SSIM, at most 1."""

    psnr_db: float
    ssim: float


class InstantQuality(NamedTuple):
    """Quality on the screen for one source instant. `shown_sequence` is None while the screen was black.

    `own_ssim` is the luma SSIM of the picture that was captured then, whenever it was shown; NaN if it never was.
    """

    captured_at: float
    shown_sequence: int | None
    psnr_db: float
    ssim: float
    own_ssim: float


class QualityMemo:
    """Compared pairs of this process, by content: arms that show the same pictures share the work.

    `max_pairs` bounds it (about 200 bytes each); the oldest go first.
    """

    def __init__(self, *, max_pairs: int = 200_000) -> None:
        self._pairs: dict[tuple[bytes, bytes], PictureQuality] = {}
        self._max_pairs = max_pairs

    def get(self, pair: tuple[bytes, bytes]) -> PictureQuality | None:
        return self._pairs.get(pair)

    def put(self, pair: tuple[bytes, bytes], quality: PictureQuality) -> None:
        self._pairs[pair] = quality
        if len(self._pairs) > self._max_pairs:
            del self._pairs[next(iter(self._pairs))]


def measure_quality(
    decoded: Sequence[Decoded],
    captured_at: Sequence[float],
    reference: Iterable[av.VideoFrame],
    *,
    reference_identity: str,
    media: str,
    width: int,
    height: int,
    interval: float,
    memo: QualityMemo,
) -> list[InstantQuality]:
    """Quality at each source instant: `captured_at` in increasing order, `reference` its pictures (yuv420p, `width` x
    `height`), read only as far as needed and only if something is not in `memo` yet.

    `reference_identity` names the content of the reference, stamps included; `interval` is the frame interval in
    seconds, `media` the codec of `decoded`, which must be in order of decoding.
    """
    on_screen = _on_screen(decoded, captured_at, interval)
    own = _own(decoded, captured_at, interval)
    digests = [*_content_digests(decoded, media), b"black"]

    def pair(index: int, number: int | None) -> tuple[bytes, bytes]:
        return digests[-1 if number is None else number], f"{reference_identity} {index}".encode()

    wanted = [
        [pair(index, number), *([] if own_number is None else [pair(index, own_number)])]
        for index, (number, own_number) in enumerate(zip(on_screen, own, strict=True))
    ]
    qualities = {each: quality for pairs in wanted for each in pairs if (quality := memo.get(each)) is not None}
    last_unknown = max((index for index, pairs in enumerate(wanted) if not qualities.keys() >= set(pairs)), default=-1)
    if last_unknown >= 0:
        comparison = PictureComparison(width, height)
        # Neither goes back, but the one may be behind the other.
        screens = [_Screen(decoded, media, width, height) for _ in range(2)]
        for index, picture in zip(range(last_unknown + 1), reference, strict=False):
            for screen, number, each in zip(screens, (on_screen[index], own[index]), wanted[index], strict=False):
                if each not in qualities:
                    qualities[each] = quality = comparison.compare(screen.picture(number, picture), picture)
                    memo.put(each, quality)
    return [
        InstantQuality(
            at,
            None if number is None else decoded[number].sequence,
            *qualities[pairs[0]],
            math.nan if own_number is None else qualities[pairs[1]].ssim,
        )
        for at, number, own_number, pairs in zip(captured_at, on_screen, own, wanted, strict=True)
    ]


class PictureComparison:
    """PSNR and SSIM of pairs of yuv420p pictures of one size, by FFmpeg's filters: about 0.25 ms at 640x272."""

    def __init__(self, width: int, height: int) -> None:
        self._graph = graph = av.filter.Graph()
        self._count = 0
        self._inputs = [
            graph.add_buffer(width=width, height=height, format=av.VideoFormat("yuv420p"), time_base=Fraction(1))
            for _ in range(2)
        ]
        ssim, split, psnr = graph.add("ssim"), graph.add("split"), graph.add("psnr")
        self._sink = graph.add("buffersink")
        displayed, reference = self._inputs
        displayed.link_to(ssim, 0, 0)
        reference.link_to(split)
        split.link_to(ssim, 0, 1)
        ssim.link_to(psnr, 0, 0)
        split.link_to(psnr, 1, 1)
        psnr.link_to(self._sink)
        graph.configure(auto_buffer=False)

    def compare(self, displayed: av.VideoFrame, reference: av.VideoFrame) -> PictureQuality:
        """The quality of `displayed`. Changes the timestamps of both pictures."""
        for picture, source in zip((displayed, reference), self._inputs, strict=True):
            picture.pts, picture.time_base = self._count, Fraction(1)
            source.push(picture)
        self._count += 1
        metadata = self._pull(self._sink).metadata
        psnr = min(float(metadata["lavfi.psnr.psnr.y"]), PSNR_CAP_DB)
        return PictureQuality(psnr, float(metadata["lavfi.ssim.Y"]))

    @staticmethod
    def _pull(sink: FilterContext) -> av.VideoFrame:
        picture = sink.pull()
        assert isinstance(picture, av.VideoFrame)
        return picture


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


class _Screen:
    """The pictures again, decoded in order, each at the size of the screen."""

    def __init__(self, decoded: Sequence[Decoded], media: str, width: int, height: int) -> None:
        self._size = width, height
        self._scaler = VideoReformatter()
        self._pictures = self._decode(decoded, VideoDecoder(media))
        self._number = -1
        self._current = black_picture(width, height)

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
