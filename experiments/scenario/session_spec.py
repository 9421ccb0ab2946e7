"""What both ends of every flow have in common: the length, how they connect and play out, and what is filmed."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from glassbench.experiments.scenario.media_spec import ChatSpec, VideoSpec
from glassbench.experiments.scenario.schema import Name, PositiveDuration, Spec, checked, invalid
from glassbench.receiver.playout import parse_playout

MAX_DURATION = 3600.0
MAX_VIDEO_BYTES = 10**9  # of encoded pictures, which an arm keeps in memory to measure their quality

_HEADERS_BYTES = 48  # IPv6 and UDP: what fits over IPv6 fits over IPv4


def _check_playout(text: Any) -> Any:
    if not isinstance(text, str):
        raise ValueError(f"playout is a text such as 'fixed:150ms', found {text!r}")
    parse_playout(text)
    return text


def check_memory(video: VideoSpec, duration: float, *place: str | int) -> None:
    """Raises an error at that place if the encoded pictures do not fit into memory."""
    if video.bitrate / 8 * duration > MAX_VIDEO_BYTES and video.has_pictures():
        limit = MAX_VIDEO_BYTES * 8 / video.bitrate
        raise invalid(f"at this bitrate a run with pictures has at most {limit:g} s, found {duration:g} s", *place)


def check_memory_of_following(video: VideoSpec, duration: float, carried_bytes: float, *place: str | int) -> None:
    """The same for an encoder that follows a network, which carries at most `carried_bytes` in that time."""
    most_bytes = min(video.max_bitrate / 8 * duration, carried_bytes)
    if most_bytes > MAX_VIDEO_BYTES and video.has_pictures():
        limit = MAX_VIDEO_BYTES * 8 / video.max_bitrate
        raise invalid(
            f"an encoder that follows the network may send {most_bytes / 1e9:.3g} GB here, and a run with pictures "
            f"keeps at most {MAX_VIDEO_BYTES / 1e9:g} GB; accepted are {limit:g} s, or a lower video.max_bitrate",
            *place,
        )


class SessionSpec(Spec):
    """`name` is that of the scenario, or of the flow. `duration` is that of the media. `mtu` is in bytes, IP header
    included. `playout` is "immediate", "fixed:150ms" or "adaptive". `connect` says whether the connection stands when
    the media begin, or only starts then."""

    name: Name
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 1
    duration: PositiveDuration
    connect: Literal["before", "with-media"] = "before"
    playout: Annotated[str, checked(_check_playout)] = "immediate"
    mtu: Annotated[int, Field(ge=1280, le=9000)] = 1500
    video: VideoSpec
    chat: ChatSpec | None = None

    @model_validator(mode="after")
    def _fits_in_memory(self) -> Self:
        if self.duration > MAX_DURATION:
            raise invalid(f"a run has at most {MAX_DURATION:g} s, found {self.duration:g} s", "duration")
        check_memory(self.video, self.duration, "duration")
        try:
            parse_playout(self.playout, deadline=self.video.deadline)
        except ValueError as error:
            raise invalid(str(error), "playout") from None
        return self

    @property
    def max_datagram_bytes(self) -> int:
        """The largest UDP payload that fits the MTU over IPv4 and IPv6."""
        return self.mtu - _HEADERS_BYTES
