"""What encoding and decoding cost on this machine: the numbers behind the tables of `sender/cost.py`.

`python benchmarks/codec_cost.py [--frames 100]` prints CPU milliseconds a frame of this process (median), for two
natural clips at 4 Mbit/s, and the line through both points.
"""

import argparse
import itertools
import statistics
import time

from glassbench.receiver.decoder import VideoDecoder
from glassbench.sender.encoder import ENCODERS, EncoderSettings, PictureEncoder
from glassbench.sender.size_model import SizeSource
from glassbench.sender.sources import SourceRequest, open_source

CLIPS = (("bikes", 320, 136), ("bigbuckbunny", 1280, 720))
PRESETS = {"h264": ("ultrafast", "superfast"), "hevc": ("ultrafast",)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=100)
    frames = parser.parse_args().frames
    print(f"{'':18}" + "".join(f"{f'{width}x{height} enc/dec':>22}" for _, width, height in CLIPS), end="")
    print(f"{'enc ms + ms/Mpx':>22}{'dec ms + ms/Mpx':>22}")
    for codec, entry in ENCODERS.items():
        for preset in PRESETS.get(codec, (entry.preset,)):
            points = [measure(EncoderSettings(codec=codec, preset=preset), *clip, frames) for clip in CLIPS]
            cells = [f"{f'{encode:.2f} / {decode:.2f}':>22}" for encode, decode in points]
            cells += [f"{line([point[kind] for point in points]):>22}" for kind in (0, 1)]
            print(f"{f'{codec} {preset}':18}" + "".join(cells), flush=True)


def measure(settings: EncoderSettings, name: str, width: int, height: int, frames: int) -> tuple[float, float]:
    """Median milliseconds of encoding and decoding one frame."""
    source = open_source(name, SourceRequest(width=width, height=height))
    assert not isinstance(source, SizeSource)
    encoder = PictureEncoder(settings, width=width, height=height, fps=source.fps)
    decoder = VideoDecoder(settings.codec)
    encode, decode = [], []
    for picture in itertools.islice(source.pictures(), frames):
        start = time.process_time()
        encoded = encoder.encode(picture, force_keyframe=False)
        middle = time.process_time()
        decoder.decode(encoded.payload)
        encode.append(middle - start)
        decode.append(time.process_time() - middle)
    return 1e3 * statistics.median(encode), 1e3 * statistics.median(decode)


def line(milliseconds: list[float]) -> str:
    pixels = [width * height / 1e6 for _, width, height in CLIPS]
    slope = (milliseconds[1] - milliseconds[0]) / (pixels[1] - pixels[0])
    return f"{milliseconds[0] - slope * pixels[0]:.2f} + {slope:.2f}"


if __name__ == "__main__":
    main()
