"""A scenario: all that decides a run, as one frozen value, from a TOML file or from Python.

`load(path)` reads a file, `build(...)` a dict; both raise ScenarioError with one sentence that names the place.
`scenario.dump()` and `to_toml(scenario.dump())` give it back; what is rebuilt from them is equal.
"""

from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from glassbench.experiments.scenario.arm_spec import Arm, ArmSpec, carries_messages
from glassbench.experiments.scenario.arm_table import ARMS
from glassbench.experiments.scenario.elements import ELEMENTS
from glassbench.experiments.scenario.flow import Flow, FlowRoute, routes_of
from glassbench.experiments.scenario.flow_spec import MEDIA, FlowSpec
from glassbench.experiments.scenario.media_spec import VideoSpec
from glassbench.experiments.scenario.network_spec import NetworkSpec
from glassbench.experiments.scenario.schema import invalid
from glassbench.experiments.scenario.session_spec import SessionSpec, check_memory, check_memory_of_following
from glassbench.experiments.scenario.shipped import SCENARIOS
from glassbench.experiments.scenario.toml_file import first_mistake, first_sentence, parse_model, read_text
from glassbench.experiments.scenario.tracks import GREEDY

FLOOR = "floor (udp, no loss)"


class ScenarioError(ValueError):
    """A scenario that cannot be run: file and line (or the field), what was found, and what is accepted."""


class Scenario(SessionSpec):
    """Everything that decides a run.

    `timer` "1ms" rounds wake-ups of both ends up to milliseconds, as epoll does. Each of the `arms` is a transport of
    the flow "media". `flow` has the tables of that flow and of others, which share the `network` with it.
    """

    arms: Annotated[tuple[Arm, ...], Field(strict=False, min_length=1, max_length=100)]
    timer: Literal["exact", "1ms"] = "exact"
    network: NetworkSpec
    flow: Annotated[tuple[FlowSpec, ...], Field(strict=False, max_length=20)] | None = None

    @model_validator(mode="after")
    def _has_labels_of_their_own(self) -> Self:
        labels: dict[str, int] = {}
        for index, arm in enumerate(self.arms):
            if arm.label in labels:
                raise invalid(f"two arms are labelled {arm.label!r}; give one of them another 'label'", "arms", index)
            labels[arm.label] = index
        return self

    @model_validator(mode="after")
    def _has_flows_that_can_run(self) -> Self:
        named: set[str] = set()
        for index, spec in enumerate(self.flow or ()):
            if spec.name in named:
                raise invalid(f"two flows are named {spec.name!r}; give one another name", "flow", index, "name")
            named.add(spec.name)
            for field in ("start", "stop"):
                if (getattr(spec, field) or 0.0) > self.duration - (field == "start") * 1e-9:
                    sentence = f"the media of the scenario last {self.duration:g} s, found {getattr(spec, field):g} s"
                    raise invalid(sentence, "flow", index, field)
            if spec.source == GREEDY:
                _refuse_without_control(self.arms if spec.name == MEDIA else [spec.transport], index)
                if spec.name == MEDIA and self.chat is not None:
                    raise invalid("messages go beside video, and the flow 'media' is a bulk transfer here", "chat")
            check_memory(_checked_video(self.video, spec, index), self.duration, "flow", index)
        routes = {route.flow: route for route in self.routes()}
        for index, spec in enumerate(self.flow or ()):
            if spec.source == GREEDY:
                self._refuse_without_limit(routes[spec.name], index)
        return self

    @model_validator(mode="after")
    def _fits_in_memory_where_an_encoder_follows(self) -> Self:
        following = [flow for arm in self.arms if (flow := self.media(arm)).follows]
        if following:
            route = self.routes()[0]
            carried_bytes = self.network.most_bytes(route.over, route.direction, self.duration)
            check_memory_of_following(following[0].video, self.duration, carried_bytes, "duration")
        return self

    @property
    def timer_resolution(self) -> float:
        """Seconds to which wake-ups are rounded up; 0 is exact."""
        return 0.0 if self.timer == "exact" else 0.001

    def arm(self, label: str) -> ArmSpec:
        """The arm of that label. Raises KeyError."""
        return {arm.label: arm for arm in self.arms}[label]

    def flows(self, arm: ArmSpec) -> tuple[Flow, ...]:
        """The flows of an arm: "media" first, the others in the order of the scenario. Peers that carry nothing but
        video have no messages beside it."""
        shared = {name: getattr(self, name) for name in SessionSpec.model_fields}
        flows = []
        for _, spec in self._all_flows():
            own = {
                "name": spec.name,
                "arm": arm if spec.transport is None else spec.transport,
                "video": _video_of(self.video, spec),
                "chat": self.chat if spec.name == MEDIA and carries_messages(arm) else None,
                "greedy": spec.source == GREEDY,
                "start": spec.start,
                "stop": self.duration if spec.stop is None else spec.stop,
                "pauses": spec.pauses,
            }
            flows.append(Flow.model_construct(**{**shared, **own}))  # all of it has been validated
        return tuple(flows)

    def media(self, arm: ArmSpec) -> Flow:
        """The flow of which the arm is the transport."""
        return self.flows(arm)[0]

    def routes(self) -> tuple[FlowRoute, ...]:
        """How the flows cross the network, in the order of `flows`. Raises an error for a flow that does not."""
        return routes_of(self._all_flows(), self.network)

    @property
    def has_pictures(self) -> bool:
        """Whether the flow "media" shows something."""
        return self.media(self.arms[0]).has_pictures

    @property
    def judged_by_pictures(self) -> bool:
        """Whether an encoder follows the network and there are pictures: their quality decides then, too."""
        return self.has_pictures and any(self.media(arm).follows for arm in self.arms)

    @property
    def has_floor(self) -> bool:
        """Whether plain udp can carry what the flow "media" sends: a bulk transfer has no latency to compare."""
        return not self.media(self.arms[0]).greedy

    def floor(self) -> "Scenario":
        """The loss-free floor of this scenario: plain udp over the same bottleneck, queue and delays, without loss and
        without other flows."""
        return self.model_copy(
            update={
                "arms": (ArmSpec(transport="udp", label=FLOOR),),
                "network": self.network.without_loss(),
                "flow": tuple(spec for spec in self.flow or () if spec.name == MEDIA) or None,
            }
        )

    def _refuse_without_limit(self, route: FlowRoute, index: int) -> None:
        if not any(self.network.segment(name).limits(route.direction) for name in route.over):
            accepted = ", ".join(name for name, element in ELEMENTS.items() if element.limits)
            raise invalid(
                f"a greedy source needs a limit on its way, or it sends without end: none of the segments "
                f"{', '.join(route.over)} has one {route.direction} ({accepted})",
                "flow",
                index,
                "source",
            )

    def _all_flows(self) -> list[tuple[int, FlowSpec]]:
        """Each flow with its place in `flow`."""
        listed = list(enumerate(self.flow or ()))
        media = [each for each in listed if each[1].name == MEDIA] or [(0, FlowSpec(name=MEDIA))]
        return [*media, *(each for each in listed if each[1].name != MEDIA)]


def _video_of(video: VideoSpec, spec: FlowSpec) -> VideoSpec:
    """The video of a flow: that of the scenario, with what the flow says of its own."""
    own = {"source": None if spec.source == GREEDY else spec.source, "bitrate": spec.rate}
    return video.model_copy(update={name: value for name, value in own.items() if value is not None})


def _checked_video(video: VideoSpec, spec: FlowSpec, index: int) -> VideoSpec:
    """The video of a flow. Raises an error if its source cannot be opened, or its rate cannot be encoded."""
    own = _video_of(video, spec)
    try:
        return own if own == video else VideoSpec.model_validate(own.dump())
    except ValidationError as error:
        raise invalid(first_mistake(error)[1], "flow", index, "rate" if spec.source is None else "source") from None


def _refuse_without_control(arms: Sequence[ArmSpec | None], index: int) -> None:
    for arm in arms:
        if arm is not None and not ARMS[arm.transport].controlled:
            able = ", ".join(name for name, entry in ARMS.items() if entry.controlled)
            raise invalid(
                f"a greedy source needs a transport whose congestion control holds it back ({able}), found "
                f"{arm.transport!r}",
                "flow",
                index,
                "source",
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


def build_network(content: Mapping[str, Any]) -> NetworkSpec:
    """The network that a dict stands for, as it would stand in [network]. Raises ScenarioError."""
    try:
        return NetworkSpec.model_validate(content)
    except ValidationError as error:
        raise ScenarioError(first_sentence(error)) from None
