"""How far the stamp goes: the share of frames whose stamp is read, over codec, quantiser, picture size and scaling.

`python benchmarks/stamp_robustness.py [--frames 50]` prints one table a codec. A row is a quantiser on the codec's own
scale, a column a clip size; "x0.5" is read after the decoded picture was scaled by that factor. A false read (a stamp
that passes its checksum and is wrong) anywhere makes the exit code 1. "-" is below the smallest picture that is read.
"""

import argparse
import itertools
import os
import sys
from collections.abc import Iterator
from fractions import Fraction
from typing import NamedTuple

import av
import numpy as np

from glassbench.receiver.decoder import VideoDecoder
from glassbench.receiver.stamp import read_stamp
from glassbench.sender.encoder import ENCODERS
from glassbench.sender.size_model import SizeSource
from glassbench.sender.sources import SourceRequest, open_source
from glassbench.sender.stamp import write_stamp
from glassbench.transport.stamp_code import MIN_HEIGHT, Stamp


class Clip(NamedTuple):
    name: str
    width: int
    height: int

    def pictures(self) -> Iterator[av.VideoFrame]:
        source = open_source(self.name, SourceRequest(width=self.width, height=self.height))
        assert not isinstance(source, SizeSource)
        return source.pictures()


BIKES = Clip("bikes", 640, 272)
CLIPS = (BIKES, Clip("bigbuckbunny", 1280, 720), Clip("bikes", 320, 180), Clip("bikes", 160, 90))
SCALES = (0.5, 0.75, 1.0, 2.0)
QUANTISERS = {
    "h264": (20, 30, 40, 45, 51),
    "hevc": (20, 30, 40, 45, 51),
    "vp8": (10, 30, 50, 63),
    "vp9": (10, 30, 50, 63),
    "av1": (10, 30, 50, 63),
}
FPS = Fraction(25)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=50)
    frames = parser.parse_args().frames
    false_reads = reads = 0
    for codec, quantisers in QUANTISERS.items():
        print(f"\n{codec}: % of stamps read" + "".join(f"{f'{width}x{height}':>31}" for _, width, height in CLIPS))
        print(f"{'quantiser':>12}" + "".join(f"{f'x{scale:g}':>7}" for _ in CLIPS for scale in SCALES))
        for quantiser in quantisers:
            cells = []
            for clip in CLIPS:
                read, false = measure(codec, quantiser, clip, frames)
                cells += [
                    f"{100 * count / frames:7.0f}" if clip.height * scale >= MIN_HEIGHT else f"{'-':>7}"
                    for count, scale in zip(read, SCALES, strict=True)
                ]
                reads += sum(read)
                false_reads += false
            print(f"{quantiser:12}" + "".join(cells), flush=True)
    print(f"\n{reads} stamps read, {false_reads} false; what the stamp costs in h264, bikes:")
    print("\n".join(cost(quantiser, frames) for quantiser in (20, 28, 40)))
    return 1 if false_reads else 0


def measure(codec: str, quantiser: int, clip: Clip, frames: int) -> tuple[list[int], int]:
    """Stamps read at each of SCALES, and false reads over all of them."""
    rng = np.random.default_rng(quantiser)
    context = encoder(codec, quantiser, clip)
    decoder = VideoDecoder(codec)
    read, false = [0] * len(SCALES), 0
    for index, picture in enumerate(itertools.islice(clip.pictures(), frames)):
        stamp = Stamp(int(rng.integers(2**32)), int(rng.integers(2**51)) / 1e6)
        write_stamp(picture, stamp)
        picture.pts, picture.time_base, picture.pict_type = index, 1 / FPS, 0
        (packet,) = context.encode(picture)
        decoded = decoder.decode(bytes(packet))
        for number, scale in enumerate(SCALES):
            stamp_read = read_stamp(scaled(decoded, scale))
            read[number] += stamp_read == stamp
            false += stamp_read is not None and stamp_read != stamp
    return read, false


def scaled(picture: av.VideoFrame, scale: float) -> av.VideoFrame:
    if scale == 1:
        return picture
    return picture.reformat(width=round(picture.width * scale), height=round(picture.height * scale))


def encoder(codec: str, quantiser: int, clip: Clip) -> av.VideoCodecContext:
    """An encoder with a constant quantiser and otherwise the settings of `sender.encoder`."""
    constant = {"qmin": str(quantiser), "qmax": str(quantiser)}
    library, options = {
        "h264": ("libx264", {"preset": "ultrafast", "tune": "zerolatency", "qp": str(quantiser)}),
        "hevc": (
            "libx265",
            {"preset": "ultrafast", "tune": "zerolatency", "x265-params": f"log-level=none:pools=none:qp={quantiser}"},
        ),
        "vp8": ("libvpx", {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0", **constant}),
        "vp9": ("libvpx-vp9", {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0", **constant}),
        "av1": (
            "libsvtav1",
            {
                "preset": ENCODERS["av1"].preset,
                "svtav1-params": f"pred-struct=1:rtc=1:lookahead=0:lp=1:rc=0:aq-mode=0:qp={quantiser}",
            },
        ),
    }[codec]
    os.environ.setdefault("SVT_LOG", "0")
    context = av.CodecContext.create(library, "w")
    assert isinstance(context, av.VideoCodecContext)
    context.width, context.height, context.pix_fmt = clip.width, clip.height, "yuv420p"
    context.time_base, context.framerate = 1 / FPS, FPS
    context.gop_size, context.max_b_frames, context.thread_count = 1_000_000, 0, 1
    context.bit_rate = 4_000_000 if codec in ("vp8", "vp9") else 0
    context.options = options
    return context


def cost(quantiser: int, frames: int) -> str:
    """What the stamp adds to each frame at a constant quantiser (h264, bikes at its own size)."""
    sizes = []
    for stamped in (False, True):
        context = encoder("h264", quantiser, BIKES)
        size = 0
        for index, picture in enumerate(itertools.islice(BIKES.pictures(), frames)):
            if stamped:
                write_stamp(picture, Stamp(index, round((1002 + index / FPS) * 1e6) / 1e6))
            picture.pts, picture.time_base, picture.pict_type = index, 1 / FPS, 0
            (packet,) = context.encode(picture)
            size += packet.size
        sizes.append(size / frames)
    return f"  quantiser {quantiser}: {sizes[0]:.0f} B a frame without stamp, {sizes[1]:.0f} B with it"


if __name__ == "__main__":
    sys.exit(main())
