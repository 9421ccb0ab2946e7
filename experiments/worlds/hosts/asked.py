"""What a sender asks a receiver for, and how much of it the receiver grants."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from glassbench.experiments.scenario import ScenarioError
from glassbench.experiments.scenario.flow import Flow
from glassbench.experiments.scenario.toml_file import first_sentence
from glassbench.experiments.scenario.units import DURATION, RATE
from glassbench.experiments.worlds.ends import Ends

_AROUND = 200.0  # seconds: more than playout, latency and all waiting before and after an arm together


@dataclass(frozen=True)
class Limits:
    """What a receiver grants at most: seconds of media, pixels of a side of a picture, bits per second of media and
    messages, and bytes of memory for an arm."""

    duration: float = 600.0
    side: int = 4096
    rate: float = 100e6
    memory: int = 256_000_000

    @property
    def patience(self) -> float:
        """Seconds after which an arm is over, whatever its sender does."""
        return self.duration + _AROUND


class _Video(BaseModel):
    model_config = ConfigDict(strict=True, extra="allow")
    source: Literal["synthetic", "lognormal"]
    encode_cost: None = None
    decode_cost: None = None
    width: Annotated[int, Field(ge=1)] | None = None
    height: Annotated[int, Field(ge=1)] | None = None


class _NamesNothing(BaseModel):
    """A flow in which nothing is the name of a file. Nothing else of it is looked at here."""

    model_config = ConfigDict(strict=True, extra="allow")
    video: _Video
    greedy: Literal[False] = False


def ask_for(ends: Ends) -> dict[str, Any]:
    """The flow that a receiver gets, with the size and the rate of the pictures, and without all that only matters to
    the sender."""
    content = ends.flow.dump()
    video = {name: value for name, value in content["video"].items() if name not in ("encode_cost", "decode_cost")}
    if ends.flow.has_pictures:
        width, height = ends.picture_size
        video.update(source="synthetic", width=width, height=height)
    else:
        video.update(source="lognormal")
    video.update(fps=float(ends.source.fps))
    return {**content, "video": video}


def asked_for(content: Mapping[str, Any], limits: Limits) -> Ends:
    """The ends of the flow that a sender asks for. Nothing that a sender names is opened, whatever it says.

    Raises ScenarioError with one sentence, and Unsupported.
    """
    try:
        safe = _NamesNothing.model_validate(content)
    except ValidationError as error:
        raise ScenarioError(f"a receiver opens no files of its host: {first_sentence(error)}") from None
    for side, pixels in (("width", safe.video.width), ("height", safe.video.height)):
        if pixels is not None and pixels > limits.side:
            raise ScenarioError(
                f"video.{side}: found {pixels} pixels; this receiver accepts {limits.side} (--max-side there)"
            )
    try:
        flow = Flow.model_validate(content)
    except ValidationError as error:
        raise ScenarioError(first_sentence(error)) from None
    if flow.duration > limits.duration:
        raise ScenarioError(
            f"duration: found {DURATION.format(flow.duration)}; this receiver accepts "
            f"{DURATION.format(limits.duration)} (--max-duration there)"
        )
    if (rate := _rate(flow)) > limits.rate:
        raise ScenarioError(
            f"video and chat: found {rate / 1e6:g}Mbit/s; this receiver accepts {RATE.format(limits.rate)} "
            "(--max-rate there)"
        )
    return Ends(flow)


def _rate(flow: Flow) -> float:
    chat = flow.chat
    video_bps = flow.video.max_bitrate if flow.follows else flow.video.bitrate
    return video_bps + (chat.size * 8 / chat.interval if chat else 0.0)
