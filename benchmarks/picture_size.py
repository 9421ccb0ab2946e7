"""At which size of the picture a budget of bytes looks best: the numbers behind `scales` in transport/codecs.py.

python benchmarks/picture_size.py
python benchmarks/picture_size.py --codec h264 --source my.mp4 --size 1280x720 --fps 60

Each picture is scaled down, encoded with the same budget for every frame as an encoder that follows has it, decoded,
and scaled up to the size of the source, as a screen shows it. Luma PSNR and SSIM are means over the frames after the
first second: what comes before shows how long a keyframe in a small frame takes to become a picture. That is in the
column of SSIM over the first ten frames; a change of the size costs it. Shares of the budget are those of all frames
and of the first.
"""

import argparse
from fractions import Fraction

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from glassbench.receiver.decoder import VideoDecoder
from glassbench.receiver.quality import PictureComparison
from glassbench.sender.display import SCALING
from glassbench.sender.encoder import ENCODERS, EncoderSettings, PictureEncoder
from glassbench.sender.size_model import SizeSource
from glassbench.sender.sources import SourceRequest, open_source

SHARES = (1.0, 0.75, 0.5, 0.25)
BITS_PER_PIXEL = (0.0045, 0.009, 0.018, 0.03, 0.045, 0.07, 0.1, 0.15)
START = 10  # frames


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--codec", choices=ENCODERS, action="append")
    parser.add_argument("--source", default="bigbuckbunny")
    parser.add_argument("--size", default="1280x720")
    parser.add_argument("--fps", type=int, default=30)
    parser.add_argument("--seconds", type=float, default=5.0)
    asked = parser.parse_args()
    width, height = map(int, asked.size.split("x"))
    source = open_source(asked.source, SourceRequest(width, height, Fraction(asked.fps)))
    assert not isinstance(source, SizeSource)
    pictures = [picture for _, picture in zip(range(round(asked.seconds * asked.fps)), source.pictures(), strict=False)]
    print(f"{asked.source}, {asked.size}, {asked.fps} fps: SSIM, PSNR, SSIM at the start, shares of the budget")
    for codec in asked.codec or ENCODERS:
        print(f"| {codec}, B a frame | bits per pixel | {' | '.join(f'{share:g}' for share in SHARES)} |")
        print(f"|---|---|{'---|' * len(SHARES)}")
        for bits_per_pixel in BITS_PER_PIXEL:
            budget = round(bits_per_pixel * width * height / 8)
            cells = [measure(codec, budget, share, pictures, source.fps) for share in SHARES]
            print(f"| {budget} | {bits_per_pixel} | {' | '.join(cells)} |", flush=True)


def measure(codec: str, budget: int, share: float, pictures: list[av.VideoFrame], fps: Fraction) -> str:
    """What one size gives for one budget."""
    whole = pictures[0].width, pictures[0].height
    width, height = (int(side * share) & ~1 for side in whole)
    bitrate = 100_000_000 if ENCODERS[codec].keeps_budgets else round(budget * 8 * fps)
    encoder = PictureEncoder(
        EncoderSettings(codec=codec, bitrate_bps=bitrate, follows=True), width=width, height=height, fps=fps
    )
    decoder, comparison = VideoDecoder(codec), PictureComparison(*whole)
    down, up = VideoReformatter(), VideoReformatter()
    qualities, sizes = [], []
    for picture in pictures:
        small = down.reformat(picture, width, height, interpolation=SCALING, threads=1)
        payload = encoder.encode(small, force_keyframe=False, budget_bytes=budget).payload
        shown = up.reformat(decoder.decode(payload), *whole, interpolation=SCALING, threads=1)
        qualities.append(comparison.compare(shown, picture))
        sizes.append(len(payload))
    psnr, ssim = np.mean(qualities[round(fps) :], axis=0)
    start = np.mean([quality.ssim for quality in qualities[:START]])
    return f"{ssim:.3f}, {psnr:.1f}, {start:.3f}, {np.mean(sizes) / budget:.2f}, {sizes[0] / budget:.1f}"


if __name__ == "__main__":
    main()
