"""Picture quality of what was on the screen, not of what was decoded: freezes count.

`viewing` says which picture is compared with which. The reference is the source as it was captured, stamp included. A
picture that was encoded at a smaller size is scaled up to that of the source, as a screen does it. Its stamp was drawn
at the smaller size, so there it is no fault of the encoder that it has other edges: that corner counts as equal. PSNR
and SSIM (Wang et al. 2004, in FFmpeg's form: 8x8 windows in steps of 4) are of the luma. This is a pass after the run:
it decodes the payloads once more, in order, those of late pictures too, which gives the same pictures bit by bit, and
holds two pictures at a time.
"""

import math
from collections.abc import Iterable
from fractions import Fraction
from typing import Generic, NamedTuple, TypeVar

import av
from av.filter.context import FilterContext

from glassbench.receiver.viewing import Pair, Screen, Viewing

PSNR_CAP_DB = 100.0  # in the place of infinity, for identical pictures

_Measured = TypeVar("_Measured")


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


class PairMemo(Generic[_Measured]):
    """What was measured of pairs of pictures. `max_pairs` bounds it (about 200 bytes each); the oldest go first."""

    def __init__(self, max_pairs: int) -> None:
        self._pairs: dict[Pair, _Measured] = {}
        self._max_pairs = max_pairs

    def get(self, pair: Pair) -> _Measured | None:
        return self._pairs.get(pair)

    def put(self, pair: Pair, measured: _Measured) -> None:
        self._pairs[pair] = measured
        if len(self._pairs) > self._max_pairs:
            del self._pairs[next(iter(self._pairs))]

    def known(self, pairs: Iterable[Pair]) -> dict[Pair, _Measured]:
        """What is known of these pairs."""
        return {pair: measured for pair in pairs if (measured := self._pairs.get(pair)) is not None}


class QualityMemo:
    """Compared pairs of this process, by content: arms that show the same pictures share the work. `compared` has PSNR
    and SSIM, `vmaf` the scores of VMAF."""

    def __init__(self, *, max_pairs: int = 200_000) -> None:
        self.compared = PairMemo[PictureQuality](max_pairs)
        self.vmaf = PairMemo[float](max_pairs)


def measure_quality(
    viewing: Viewing, reference: Iterable[av.VideoFrame], *, memo: PairMemo[PictureQuality]
) -> list[InstantQuality]:
    """Quality at each source instant: `reference` are its pictures (yuv420p, of the size of the viewing), read only as
    far as needed and only if something is not in `memo` yet."""
    both = list(zip(viewing.on_screen, viewing.own, strict=True))
    wanted = [
        [viewing.pair(index, number), *([] if own is None else [viewing.pair(index, own)])]
        for index, (number, own) in enumerate(both)
    ]
    qualities = memo.known(pair for pairs in wanted for pair in pairs)
    last_unknown = max((index for index, pairs in enumerate(wanted) if not qualities.keys() >= set(pairs)), default=-1)
    if last_unknown >= 0:
        comparison = PictureComparison(viewing.width, viewing.height)
        # Neither goes back, but the one may be behind the other.
        screens = [Screen(viewing) for _ in range(2)]
        for index, picture in zip(range(last_unknown + 1), reference, strict=False):
            for screen, number, pair in zip(screens, both[index], wanted[index], strict=False):
                if pair not in qualities:
                    qualities[pair] = quality = comparison.compare(screen.picture(number, picture), picture)
                    memo.put(pair, quality)
    return [
        InstantQuality(
            at,
            None if number is None else viewing.decoded[number].sequence,
            *qualities[pairs[0]],
            math.nan if own is None else qualities[pairs[1]].ssim,
        )
        for at, (number, own), pairs in zip(viewing.captured_at, both, wanted, strict=True)
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
