"""What VMAF costs beside PSNR and SSIM: processor time a picture, decoding included, and the ratio of both.

python benchmarks/vmaf_cost.py
"""

import itertools
import resource
from fractions import Fraction

from glassbench.receiver.decoded import Decoded
from glassbench.receiver.quality import QualityMemo, measure_quality
from glassbench.receiver.viewing import Viewing
from glassbench.receiver.vmaf import measure_vmaf
from glassbench.sender.encoder import EncoderSettings, PictureEncoder
from glassbench.sender.sources import SourceRequest, open_source

SIZES = ((640, 272), (1280, 720))
FPS = 25
FRAMES = 100


def main() -> None:
    for width, height in SIZES:
        pictures = list(
            itertools.islice(open_source("bikes", SourceRequest(width, height, Fraction(FPS))).pictures(), FRAMES)
        )
        encoder = PictureEncoder(EncoderSettings(bitrate_bps=2_000_000), width=width, height=height, fps=Fraction(FPS))
        instants = [number / FPS for number in range(FRAMES)]
        decoded = []
        for number, (at, picture) in enumerate(zip(instants, pictures, strict=True)):
            unit = encoder.encode(picture, force_keyframe=False)
            decoded.append(Decoded(number, at, at + 0.1, unit.keyframe, unit.payload))
        viewing = Viewing(
            decoded, instants, reference_identity="", media="h264", width=width, height=height, interval=1 / FPS
        )
        memo, begun = QualityMemo(), spent()
        measure_quality(viewing, pictures, memo=memo.compared)
        between = spent()
        measure_vmaf(viewing, pictures, memo=memo.vmaf, stop=lambda: False)
        plain, vmaf = (1e3 * (end - start) / FRAMES for start, end in ((begun, between), (between, spent())))
        print(f"{width}x{height}: PSNR and SSIM {plain:.1f} ms, VMAF {vmaf:.1f} ms, {vmaf / plain:.0f} times as long")


def spent() -> float:
    """Seconds of the processor until now, of this process and of those that it started."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


if __name__ == "__main__":
    main()
