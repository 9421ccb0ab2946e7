"""Encoders: one picture in, one access unit out, at once, and the same bytes on every run.

libx264 and libx265 are GPL; they come with the FFmpeg inside PyAV's wheel.
"""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple, Protocol

import av
from av.codec.codec import UnknownCodecError
from av.video.frame import PictureType

from glassbench.sender.source import PixelSource
from glassbench.sender.stamp import write_stamp
from glassbench.sender.thread_priority import same_priority
from glassbench.sender.told_rates import ToldRates
from glassbench.transport.codecs import CODECS, EncoderEntry
from glassbench.transport.stamp_code import Stamp

ENCODERS: dict[str, EncoderEntry] = {name: codec.encoder for name, codec in CODECS.items()}

_NO_INTERVAL = 1_000_000  # frames: longer than any run
_FRAME_BUFFER_BITS = 1000


class EncoderError(ValueError):
    """An encoder that does not exist or does not keep one in, one out, in one sentence."""


class Encoded(NamedTuple):
    """One access unit: Annex B for H.264 and HEVC, a temporal unit for AV1, a (super)frame for VP8 and VP9."""

    payload: bytes
    keyframe: bool


class FrameEncoder(Protocol):
    """What the pipeline asks of an encoder, cached or not."""

    def encode(
        self, capture: int, captured_at: float, *, force_keyframe: bool, budget_bytes: int | None = None
    ) -> Encoded:
        """Encode source instant `capture` as the next frame. Captures increase; the first frame is a keyframe.

        `budget_bytes` is how large the frame may be, for an encoder whose settings say that it `follows`.
        """


class PicturesEncoder(Protocol):
    """What turns pictures into access units, one in and one out."""

    def encode(self, picture: av.VideoFrame, *, force_keyframe: bool, budget_bytes: int | None = None) -> Encoded:
        """The access unit of a picture, or, where parts of it were given away before, the rest. Raises EncoderError."""


@dataclass(frozen=True, slots=True)
class _FrameByFrame:
    """The rate control of an encoder that follows budgets: with a buffer of less than a frame each frame has to keep to
    the rate by itself."""

    bitrate_bps: int

    @property
    def vbv(self) -> float:
        return _FRAME_BUFFER_BITS / self.bitrate_bps


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
        if self.follows and not ENCODERS[self.codec].keeps_budgets:
            able = ", ".join(name for name, entry in ENCODERS.items() if entry.keeps_budgets)
            raise EncoderError(
                f"an encoder that follows the network keeps to a budget for every frame, which {self.codec} cannot; "
                f"accepted are {able}"
            )
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

    def options(self) -> dict[str, str]:
        """What FFmpeg's encoder is told."""
        entry = ENCODERS[self.codec]
        options = entry.options(self.preset or entry.preset, _FrameByFrame(self.bitrate_bps) if self.follows else self)
        if self.slices > 1:
            options["slices"] = str(self.slices)
        if self.layers > 1:
            options.update(entry.layer_options(self.layers, self.bitrate_bps))
        return options


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
        context.options = settings.options()
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
        self._frames = 0

    def encode(self, picture: av.VideoFrame, *, force_keyframe: bool, budget_bytes: int | None = None) -> Encoded:
        """The access unit of a picture. Raises EncoderError if the encoder keeps it back."""
        if budget_bytes is not None:
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
    """Takes the pictures of a source, stamps and encodes them, by FFmpeg unless there is another `encoder`: a
    FrameEncoder without a cache."""

    def __init__(self, source: PixelSource, settings: EncoderSettings, encoder: PicturesEncoder | None = None) -> None:
        self._pictures = source.pictures()
        self._picture: av.VideoFrame | None = None
        self._next_capture = 0
        self._sequence = 0
        self._encoder = encoder or PictureEncoder(settings, width=source.width, height=source.height, fps=source.fps)

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
        write_stamp(picture, Stamp(self._sequence, captured_at))
        self._sequence += 1
        return self._encoder.encode(picture, force_keyframe=force_keyframe, budget_bytes=budget_bytes)

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
