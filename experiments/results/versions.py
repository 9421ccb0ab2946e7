"""What the numbers were made with: versions of Python, of the packages, of the codec libraries, and our own source."""

import hashlib
import platform
import re
from fractions import Fraction
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

ROOMS = ("transport", "sender", "receiver", "netem", "experiments")
PACKAGES = ("glassbench", "numpy", "pandas", "pyarrow", "av", "aioquic", "cryptography")


def versions() -> dict[str, str]:
    """Versions by name, for the manifest."""
    of_packages = {"python": platform.python_version(), "platform": platform.platform()}
    for package in PACKAGES:
        try:
            of_packages[package] = version(package)
        except PackageNotFoundError:
            of_packages[package] = "not installed as a package"
    return {**of_packages, "source": _source_digest(), **_codec_versions()}


def _source_digest() -> str:
    """A digest of all our Python files: results of before and after a change must not be taken for the same."""
    root = Path(__file__).parents[2]
    digest = hashlib.sha256()
    for room in ROOMS:
        for file in sorted((root / room).rglob("*.py")):
            digest.update(str(file.relative_to(root)).encode() + file.read_bytes())
    return digest.hexdigest()[:16]


@cache
def _codec_versions() -> dict[str, str]:
    import av
    from av.video.codeccontext import VideoCodecContext

    of_codecs = {"ffmpeg": av.ffmpeg_version_info}
    # x264 says its version in no interface, but writes it into the first frame of every stream.
    context = VideoCodecContext.create("libx264", "w")
    context.width, context.height, context.pix_fmt = 32, 32, "yuv420p"
    context.framerate = Fraction(25)
    context.options = {"preset": "ultrafast", "tune": "zerolatency"}
    packets = context.encode(av.VideoFrame(32, 32, "yuv420p"))
    match = re.search(rb"x264 - (core [0-9]+[ r0-9a-f]*)", b"".join(bytes(packet) for packet in packets))
    of_codecs["x264"] = match.group(1).decode().strip() if match else "unknown"
    return of_codecs
