"""The media of a scenario: the video, from a source of pictures or of sizes, and an optional track of messages."""

from fractions import Fraction
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from glassbench.experiments.scenario.named_files import COST, SOURCE
from glassbench.experiments.scenario.schema import Count, PositiveDuration, Rate, Size, Spec, checked, invalid, unknown
from glassbench.experiments.scenario.tracks import CHAT_TRACK, VIDEO_TRACK
from glassbench.sender.cost import decode_cost, encode_cost
from glassbench.sender.encoder import EncoderSettings
from glassbench.sender.messages import Messages, periodic_instants, poisson_instants
from glassbench.sender.size_model import SizeSource
from glassbench.sender.source import PixelSource
from glassbench.sender.sources import SourceRequest, open_source
from glassbench.transport.codecs import CODECS
from glassbench.transport.contract import Track
from glassbench.transport.layers import MOST_LAYERS

Priority = Annotated[int, Field(ge=0, le=100)]

PICTURE_FLOOR = 0.85  # by default


def _check_codec(name: Any) -> Any:
    if name not in CODECS:
        raise ValueError(unknown("codec", name, CODECS))
    return name


def _check_encode_cost(name: Any) -> Any:
    encode_cost(str(name), width=16, height=16)
    return name


def _check_decode_cost(name: Any) -> Any:
    decode_cost(str(name), width=16, height=16)
    return name


class VideoSpec(Spec):
    """What is filmed, encoded and shown.

    `source` is a name of `glass list sources`, a video file, or "sizes:FILE"; it decides those of `fps`, `width` and
    `height` that are None. `keyframe_interval` is in frames; without it there are keyframes on request only. `vbv` is
    the depth of the encoder's rate control. The costs name models of `sender.cost`. `deadline` counts from capture to
    display: a frame past it is late, and not displayed. Of an encoder that follows the network, `bitrate` is what it
    begins with, and `max_bitrate` what it never exceeds. Frames are of `temporal_layers`, of which the highest is left
    out first. `picture_floor` is the luma SSIM against its own capture from which on a picture counts as shown in the
    picture delay. `vmaf` names the model by which pictures are judged, too; without it they are not, since it takes
    long.
    """

    source: Annotated[str, SOURCE]
    codec: Annotated[str, checked(_check_codec)] = "h264"
    bitrate: Rate = 2e6
    max_bitrate: Rate = 20e6
    fps: Annotated[float, Field(ge=1, le=240)] | None = None
    width: Count | None = None
    height: Count | None = None
    keyframe_interval: Count | None = None
    vbv: PositiveDuration = 0.2
    preset: str | None = None
    temporal_layers: Annotated[int, Field(ge=1, le=MOST_LAYERS)] = 1
    encode_cost: Annotated[str, COST, checked(_check_encode_cost)] | None = None
    decode_cost: Annotated[str, COST, checked(_check_decode_cost)] | None = None
    priority: Priority = 1
    deadline: PositiveDuration | None = None
    picture_floor: Annotated[float, Field(ge=0, le=1)] = PICTURE_FLOOR
    vmaf: Literal["v0.6.1"] | None = None

    @model_validator(mode="after")
    def _can_be_opened(self) -> Self:
        try:
            self.settings()
        except ValueError as error:
            fields = ("keyframe_interval", "vbv", "bitrate", "preset", "temporal_layers")
            about = [name for name in fields if name in str(error)]
            raise invalid(str(error), *about[:1]) from None
        try:
            self.open(0)
        except ValueError as error:
            about = [name for name in ("width", "height", "fps") if str(error).startswith(name)]
            raise invalid(str(error), (about or ["source"])[0]) from None
        return self

    def track(self) -> Track:
        return Track(VIDEO_TRACK, "video", self.codec, self.priority, self.deadline, self.temporal_layers)

    def settings(self, *, follows: bool = False, slices: int = 1) -> EncoderSettings:
        """Those of an encoder with a constant rate, or of one that `follows` the network. Raises EncoderError."""
        return EncoderSettings(
            codec=self.codec,
            follows=follows,
            slices=slices,
            bitrate_bps=round(self.max_bitrate if follows else self.bitrate),
            vbv=self.vbv,
            keyframe_interval=self.keyframe_interval,
            preset=self.preset,
            layers=self.temporal_layers,
        )

    def open(self, seed: int) -> PixelSource | SizeSource:
        """Open the source; `seed` is for sources that draw. Raises SourceError."""
        fps = None if self.fps is None else Fraction(self.fps).limit_denominator(1001)
        return open_source(self.source, SourceRequest(self.width, self.height, fps, seed))

    def has_pictures(self) -> bool:
        """Whether the source has pixels, or only sizes."""
        return not isinstance(self.open(0), SizeSource)

    @property
    def encode_cost_name(self) -> str:
        return self.encode_cost or CODECS[self.codec].encode_cost

    @property
    def decode_cost_name(self) -> str:
        return self.decode_cost or self.codec


class ChatSpec(Spec):
    """A second track of small messages on the same connection. `spacing` "poisson" draws the instants. `deadline`
    counts from capture to delivery."""

    size: Size = 200.0
    interval: PositiveDuration = 0.2
    spacing: Literal["periodic", "poisson"] = "periodic"
    priority: Priority = 0
    deadline: PositiveDuration | None = None

    @model_validator(mode="after")
    def _can_be_built(self) -> Self:
        try:
            self.messages(start_at=0.0, duration=1.0, rng=np.random.default_rng(0))
        except ValueError as error:
            raise invalid(str(error), "interval" if "interval" in str(error) else "size") from None
        return self

    def track(self) -> Track:
        return Track(CHAT_TRACK, "chat", "data", self.priority, self.deadline)

    def messages(self, *, start_at: float, duration: float, rng: np.random.Generator) -> Messages:
        """The messages of a run. Raises ValueError."""
        if self.spacing == "periodic":
            instants = periodic_instants(start_at=start_at, duration=duration, interval=self.interval)
        else:
            instants = poisson_instants(start_at=start_at, duration=duration, interval=self.interval, rng=rng)
        return Messages(self.track(), int(self.size), instants)
