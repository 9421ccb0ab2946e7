"""A scenario: all that decides a run, as one frozen value, from a TOML file or from Python.

`load(path)` reads a file, `build(...)` a dict; both raise ScenarioError with one sentence that names the place.
`scenario.dump()` and `to_toml(scenario.dump())` give it back; what is rebuilt from them is equal.
"""

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from glassbench.experiments.scenario.arm_spec import Arm, ArmSpec
from glassbench.experiments.scenario.media_spec import ChatSpec, VideoSpec
from glassbench.experiments.scenario.network_spec import NetworkSpec
from glassbench.experiments.scenario.schema import PositiveDuration, Spec, checked, invalid
from glassbench.experiments.scenario.shipped import SCENARIOS
from glassbench.experiments.scenario.toml_file import first_sentence, parse_model, read_text
from glassbench.receiver.playout import parse_playout
from glassbench.transport.contract import Track

FLOOR = "floor (udp, no loss)"

MAX_DURATION = 3600.0
MAX_VIDEO_BYTES = 10**9  # of encoded pictures, which an arm keeps in memory to measure their quality

_HEADERS_BYTES = 48  # IPv6 and UDP: what fits over IPv6 fits over IPv4


class ScenarioError(ValueError):
    """A scenario that cannot be run: file and line (or the field), what was found, and what is accepted."""


def _check_playout(text: Any) -> Any:
    if not isinstance(text, str):
        raise ValueError(f"playout is a text such as 'fixed:150ms', found {text!r}")
    parse_playout(text)
    return text


class Scenario(Spec):
    """Everything that decides a run.

    `duration` is that of the media. `timer` "1ms" rounds wake-ups of both ends up to milliseconds, as epoll does. `mtu`
    is in bytes, IP header included. `playout` is "immediate", "fixed:150ms" or "adaptive". `connect` says whether the
    connection stands when the media begins, or only starts then.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 1
    duration: PositiveDuration
    arms: Annotated[tuple[Arm, ...], Field(strict=False, min_length=1, max_length=100)]
    connect: Literal["before", "with-media"] = "before"
    playout: Annotated[str, checked(_check_playout)] = "immediate"
    timer: Literal["exact", "1ms"] = "exact"
    mtu: Annotated[int, Field(ge=1280, le=9000)] = 1500
    video: VideoSpec
    chat: ChatSpec | None = None
    network: NetworkSpec

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if self.duration > MAX_DURATION:
            raise invalid(f"a run has at most {MAX_DURATION:g} s, found {self.duration:g} s", "duration")
        if self.video.has_pictures() and self.video.bitrate / 8 * self.duration > MAX_VIDEO_BYTES:
            limit = MAX_VIDEO_BYTES * 8 / self.video.bitrate
            raise invalid(
                f"at this bitrate a run with pictures has at most {limit:g} s, found {self.duration:g} s", "duration"
            )
        try:
            parse_playout(self.playout, deadline=self.video.deadline)
        except ValueError as error:
            raise invalid(str(error), "playout") from None
        labels: dict[str, int] = {}
        for index, arm in enumerate(self.arms):
            if arm.label in labels:
                raise invalid(f"two arms are labelled {arm.label!r}; give one of them another 'label'", "arms", index)
            labels[arm.label] = index
        return self

    @property
    def max_datagram_bytes(self) -> int:
        """The largest UDP payload that fits the MTU over IPv4 and IPv6."""
        return self.mtu - _HEADERS_BYTES

    @property
    def timer_resolution(self) -> float:
        """Seconds to which wake-ups are rounded up; 0 is exact."""
        return 0.0 if self.timer == "exact" else 0.001

    def tracks(self) -> tuple[Track, ...]:
        """What both ends agree on: the video, and the messages if there are any."""
        return (self.video.track(), *(() if self.chat is None else (self.chat.track(),)))

    def arm(self, label: str) -> ArmSpec:
        """The arm of that label. Raises KeyError."""
        return {arm.label: arm for arm in self.arms}[label]

    def floor(self) -> "Scenario":
        """The loss-free floor of this scenario: plain udp over the same bottleneck, queue and delays without loss."""
        return self.model_copy(
            update={"arms": (ArmSpec(transport="udp", label=FLOOR),), "network": self.network.without_loss()}
        )


def load(path: str | Path) -> Scenario:
    """The scenario of a TOML file, or one that ships with the project by its name. Raises ScenarioError."""
    if str(path) in SCENARIOS and not Path(path).is_file():
        return shipped(str(path))
    path = Path(path)
    try:
        text = read_text(path, what="scenario", error=ScenarioError)
    except FileNotFoundError:
        names = ", ".join(SCENARIOS)
        raise ScenarioError(f"{path} is neither a scenario file nor a shipped scenario ({names})") from None
    return parse(text, str(path))


def shipped(name: str) -> Scenario:
    """A scenario of `experiments/scenario/shipped`. Raises KeyError."""
    if name not in SCENARIOS:
        raise KeyError(name)
    file = files("glassbench.experiments.scenario.shipped").joinpath(f"{name}.toml")
    return parse(file.read_text(encoding="utf-8"), f"{name}.toml")


def parse(text: str, file: str) -> Scenario:
    """The scenario of a TOML text; `file` is its name in messages. Raises ScenarioError."""
    return parse_model(Scenario, text, file=file, what="scenario", error=ScenarioError)


def build(content: Mapping[str, Any]) -> Scenario:
    """The scenario of a dict, as it would stand in a file. Raises ScenarioError."""
    try:
        return Scenario.model_validate(content)
    except ValidationError as error:
        raise ScenarioError(first_sentence(error)) from None
