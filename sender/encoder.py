"""Encoders: one picture in, one access unit out, at once, and the same bytes on every run.

libx264 and libx265 are GPL; they come with the FFmpeg inside PyAV's wheel.
"""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import NamedTuple, Protocol

import av
from av.codec.codec import UnknownCodecError
from av.video.frame import PictureType
from av.video.reformatter import VideoReformatter

from glassbench.sender.display import SCALING
from glassbench.sender.ladder import EncoderLadder, Rung, rungs_of_rates, rungs_of_sizes
from glassbench.sender.source import PixelSource
from glassbench.sender.stamp import write_stamp
from glassbench.sender.thread_priority import same_priority
from glassbench.sender.told_rates import ToldRates
from glassbench.transport.codecs import CODECS, EncoderEntry
from glassbench.transport.stamp_code import Stamp

ENCODERS: dict[str, EncoderEntry] = {name: codec.encoder for name, codec in CODECS.items()}

MACROBLOCK = 16  # lines: an encoder gives no slice less than a row of them
_NO_INTERVAL = 1_000_000  # frames: longer than any run
_FRAME_BUFFER_BITS = 1000
_FRAME_BUFFER_SHARE = 0.9  # of a frame, on a rung of a ladder


class EncoderError(ValueError):
    """An encoder that does not exist or does not keep one in, one out, in one sentence."""


class Encoded(NamedTuple):
    """One access unit: Annex B for H.264 and HEVC, a temporal unit for AV1, a (super)frame for VP8 and VP9. `size` is
    the width and height of the picture in it, None where there are no pictures."""

    payload: bytes
    keyframe: bool
    size: tuple[int, int] | None = None


class FrameEncoder(Protocol):
    """What the pipeline asks of an encoder, cached or not."""

    def encode(
        self, capture: int, captured_at: float, *, force_keyframe: bool, budget_bytes: int | None = None
    ) -> Encoded:
        """Encode source instant `capture` as the next frame. Captures increase; the first frame is a keyframe.

        `budget_bytes` is how large the frame may be, for an encoder whose settings say that it `follows`. A codec that
        cannot keep to it comes as near as the rung of its ladder (`sender/ladder.py`).
        """


class PicturesEncoder(Protocol):
    """What turns pictures into access units, one in and one out."""

    def encode(self, picture: av.VideoFrame, *, force_keyframe: bool, budget_bytes: int | None = None) -> Encoded:
        """The access unit of a picture, or, where parts of it were given away before, the rest. Raises EncoderError."""


class MakeEncoder(Protocol):
    """Opens an encoder for pictures of a size."""

    def __call__(
        self, settings: "EncoderSettings", /, *, width: int, height: int, fps: Fraction
    ) -> PicturesEncoder: ...


@dataclass(frozen=True, slots=True)
class _FrameByFrame:
    """The rate control of an encoder that follows budgets: with a buffer of less than a frame each frame has to keep to
    the rate by itself."""

    bitrate_bps: int
    vbv: float


@dataclass(frozen=True, slots=True)
class EncoderSettings:
    """How to encode. `vbv` is the depth of the rate control's buffer in seconds; `keyframe_interval` is in frames, None
    for keyframes on request only; `preset` None is the codec's default of ENCODERS. With `follows` each frame has a
    budget of its own, and `bitrate_bps` is the most that a budget may come to. A picture has `slices`, and its frame is
    of one of the temporal `layers` (`transport/layers.py`). Raises EncoderError."""

    codec: str = "h264"
    bitrate_bps: int = 4_000_000
    vbv: float = 0.2
    keyframe_interval: int | None = None
    preset: str | None = None
    follows: bool = False
    slices: int = 1
    layers: int = 1

    def __post_init__(self) -> None:
        if self.codec not in ENCODERS:
            raise EncoderError(f"unknown codec {self.codec!r}; accepted are {', '.join(ENCODERS)}")
        if self.slices > 1 and not ENCODERS[self.codec].gives_slices:
            able = ", ".join(name for name, entry in ENCODERS.items() if entry.gives_slices)
            raise EncoderError(f"slices leave one by one, which {self.codec} does not have; accepted are {able}")
        if not 1 <= self.layers <= ENCODERS[self.codec].most_layers:
            able = ", ".join(
                f"{name} with {each.most_layers}" for name, each in ENCODERS.items() if each.most_layers > 1
            )
            raise EncoderError(
                f"temporal_layers must be at most {ENCODERS[self.codec].most_layers} for {self.codec}, "
                f"got {self.layers}; codecs with more are {able}"
            )
        if self.follows and self.layers > 1:
            raise EncoderError(f"temporal_layers must be 1 for an encoder that follows the network, got {self.layers}")
        if not 10_000 <= self.bitrate_bps <= 1_000_000_000:
            raise EncoderError(f"bitrate must be 10 kbit/s to 1 Gbit/s, got {self.bitrate_bps} bit/s")
        if not 0.01 <= self.vbv <= 10:
            raise EncoderError(f"vbv must be 0.01 to 10 s, got {self.vbv}")
        if self.keyframe_interval is not None and not 1 <= self.keyframe_interval < _NO_INTERVAL:
            raise EncoderError(
                f"keyframe_interval must be 1 to {_NO_INTERVAL - 1} frames, got {self.keyframe_interval}"
            )
        presets = ENCODERS[self.codec].presets
        if self.preset is not None and self.preset not in presets:
            raise EncoderError(
                f"unknown preset {self.preset!r} for {self.codec}; accepted are {', '.join(map(repr, presets))}"
            )

    @property
    def group_frames(self) -> int:
        """How many frames a group has at most."""
        return self.keyframe_interval or _NO_INTERVAL

    def options(self, fps: Fraction) -> dict[str, str]:
        """What FFmpeg's encoder is told."""
        entry = ENCODERS[self.codec]
        preset = self.preset or entry.preset
        if not self.follows:
            options = entry.options(preset, self)
        elif entry.keeps_budgets:
            rate = _FrameByFrame(self.bitrate_bps, _FRAME_BUFFER_BITS / self.bitrate_bps)
            options = entry.options(preset, rate)
        else:
            rate = _FrameByFrame(self.bitrate_bps, float(_FRAME_BUFFER_SHARE / fps))
            options = (entry.even_options or entry.options)(preset, rate)
        if self.slices > 1:
            options["slices"] = str(self.slices)
        if self.layers > 1:
            options.update(entry.layer_options(self.layers, self.bitrate_bps))
        return options

    def ladder(self, *, width: int, height: int, fps: Fraction) -> EncoderLadder:
        """The rungs for pictures of a source; one rung for an encoder with a constant rate."""
        entry = ENCODERS[self.codec]
        if not self.follows:
            return EncoderLadder([Rung(0, self.bitrate_bps, width, height)], fps=fps)
        if entry.keeps_budgets:
            least = MACROBLOCK * self.slices
            rungs = rungs_of_sizes(entry, self.bitrate_bps, width=width, height=height, least_height=least)
            return EncoderLadder(rungs, fps=fps)
        rungs = rungs_of_rates(entry, self.bitrate_bps, width=width, height=height, fps=fps)
        return EncoderLadder(rungs, fps=fps, one_keyframe=True, keyframe_interval=self.keyframe_interval)


class PictureEncoder:
    """One encoder of FFmpeg, in one thread: more threads are not bit-reproducible. Raises EncoderError."""

    def __init__(self, settings: EncoderSettings, *, width: int, height: int, fps: Fraction) -> None:
        entry = ENCODERS[settings.codec]
        os.environ.setdefault("SVT_LOG", "0")  # the only way to keep SVT-AV1 from writing to stderr
        try:
            context = av.CodecContext.create(entry.library, "w")
        except UnknownCodecError:
            raise EncoderError(f"this FFmpeg has no {entry.library}, so {settings.codec} cannot be encoded") from None
        assert isinstance(context, av.VideoCodecContext)
        context.width, context.height, context.pix_fmt = width, height, "yuv420p"
        context.time_base, context.framerate = 1 / fps, fps
        context.bit_rate = settings.bitrate_bps
        # libvpx begins its pattern of layers anew at a keyframe that was asked for, and at no other.
        layered = settings.layers > 1
        self._asks_after = settings.group_frames if layered else _NO_INTERVAL
        self._since_keyframe = 0
        context.gop_size = _NO_INTERVAL if layered else settings.group_frames
        context.max_b_frames = 0
        context.thread_count = 1
        context.options = settings.options(fps)
        try:
            with same_priority():
                context.open()
        except av.FFmpegError as error:
            raise EncoderError(
                f"{entry.library} refuses {width}x{height} at {float(fps):g} fps with {settings}: {error.strerror}"
            ) from None
        self._context = context
        self._library = entry.library
        self._time_base = 1 / fps
        self._told = ToldRates(fps, settings.bitrate_bps)
        self._keeps_budgets = entry.keeps_budgets
        self._frames = 0

    def encode(self, picture: av.VideoFrame, *, force_keyframe: bool, budget_bytes: int | None = None) -> Encoded:
        """The access unit of a picture. Raises EncoderError if the encoder keeps it back."""
        if budget_bytes is not None and self._keeps_budgets:
            self._context.bit_rate = self._told.next(budget_bytes)
        picture.pts, picture.time_base = self._frames, self._time_base
        asks = force_keyframe or self._since_keyframe == self._asks_after
        picture.pict_type = PictureType.I if asks else PictureType.NONE
        packets = self._context.encode(picture)
        if len(packets) != 1:
            raise EncoderError(
                f"{self._library} gave {len(packets)} access units for picture {self._frames}: "
                "only an encoder with one in, one out can be measured frame by frame"
            )
        self._frames += 1
        self._since_keyframe = 1 if packets[0].is_keyframe else self._since_keyframe + 1
        return Encoded(bytes(packets[0]), packets[0].is_keyframe)


class SourceEncoder:
    """Takes the pictures of a source, scales, stamps and encodes them, by FFmpeg unless there is another `make`: a
    FrameEncoder without a cache."""

    def __init__(self, source: PixelSource, settings: EncoderSettings, make: MakeEncoder | None = None) -> None:
        self._pictures = source.pictures()
        self._picture: av.VideoFrame | None = None
        self._next_capture = 0
        self._sequence = 0
        self._settings = settings
        self._make: MakeEncoder = make or PictureEncoder
        self._fps = source.fps
        self._ladder = settings.ladder(width=source.width, height=source.height, fps=source.fps)
        self._encoder = self._open(self._ladder.rung)
        self._scaler = VideoReformatter()

    def encode(
        self, capture: int, captured_at: float, *, force_keyframe: bool, budget_bytes: int | None = None
    ) -> Encoded:
        """Encode source instant `capture`. The pictures before it that nobody asked for are skipped."""
        while True:
            self.prepare()
            picture, self._picture = self._picture, None
            self._next_capture += 1
            if self._next_capture > capture:
                break
        assert picture is not None
        if budget_bytes is not None:
            rung, opens = self._ladder.next(budget_bytes, force_keyframe=force_keyframe)
            if opens:
                self._encoder = self._open(rung)
            picture = self._scaled(picture, rung)
        write_stamp(picture, Stamp(self._sequence, captured_at))
        self._sequence += 1
        encoded = self._encoder.encode(picture, force_keyframe=force_keyframe, budget_bytes=budget_bytes)
        return encoded._replace(size=(picture.width, picture.height))

    def _open(self, rung: Rung) -> PicturesEncoder:
        settings = replace(self._settings, bitrate_bps=rung.bitrate_bps)
        return self._make(settings, width=rung.width, height=rung.height, fps=self._fps)

    def _scaled(self, picture: av.VideoFrame, rung: Rung) -> av.VideoFrame:
        if (picture.width, picture.height) == (rung.width, rung.height):
            return picture
        return self._scaler.reformat(picture, rung.width, rung.height, interpolation=SCALING, threads=1)

    def prepare(self) -> None:
        """Read the next picture now: a camera has it at the instant of capture, so reading it is no part of
        encoding."""
        if self._picture is None:
            self._picture = next(self._pictures)


def stamped_pictures(source: PixelSource, stamps: Iterable[Stamp]) -> Iterator[av.VideoFrame]:
    """The pictures of a source as they were encoded: the reference for quality. One stamp for each source instant."""
    for picture, stamp in zip(source.pictures(), stamps, strict=False):
        write_stamp(picture, stamp)
        yield picture
