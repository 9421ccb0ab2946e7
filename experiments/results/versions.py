"""What the numbers were made with: versions of Python, of the packages, and of the codec libraries."""

import platform
import re
from fractions import Fraction
from importlib.metadata import PackageNotFoundError, version

PACKAGES = ("glassbench", "numpy", "pandas", "pyarrow", "av", "aioquic", "cryptography")


def versions() -> dict[str, str]:
    """Versions by name, for the manifest."""
    found = {"python": platform.python_version(), "platform": platform.platform()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed as a package"
    return {**found, **_codec_versions()}


def _codec_versions() -> dict[str, str]:
    import av
    from av.video.codeccontext import VideoCodecContext

    found = {"ffmpeg": av.ffmpeg_version_info}
    # x264 says its version in no interface, but writes it into the first frame of every stream.
    context = VideoCodecContext.create("libx264", "w")
    context.width, context.height, context.pix_fmt = 32, 32, "yuv420p"
    context.framerate = Fraction(25)
    context.options = {"preset": "ultrafast", "tune": "zerolatency"}
    packets = context.encode(av.VideoFrame(32, 32, "yuv420p"))
    match = re.search(rb"x264 - (core [0-9]+[ r0-9a-f]*)", b"".join(bytes(packet) for packet in packets))
    found["x264"] = match.group(1).decode().strip() if match else "unknown"
    return found
