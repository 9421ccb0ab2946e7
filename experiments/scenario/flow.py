"""One flow of an arm, with everything that decides its two ends. The tables of a scenario come down to this."""

from collections.abc import Sequence
from typing import Annotated, NamedTuple, Self

from pydantic import Field, model_validator

from glassbench.experiments.scenario.arm_spec import Arm
from glassbench.experiments.scenario.element_spec import Direction
from glassbench.experiments.scenario.flow_spec import MOST_PAUSES, RECEIVER, SENDER, FlowSpec, Pause
from glassbench.experiments.scenario.network_spec import NetworkSpec
from glassbench.experiments.scenario.schema import Duration, invalid, unknown
from glassbench.experiments.scenario.session_spec import SessionSpec
from glassbench.experiments.scenario.tracks import BULK_TRACK
from glassbench.transport.contract import Track


class Flow(SessionSpec):
    """A flow. Its ends can be built of it alone, without the network and without the other flows.

    Media are captured from `start` to `stop`, in seconds after the first capture of the scenario, but not in the
    `pauses`. With `greedy` there is no video, but a bulk transfer.
    """

    arm: Arm
    greedy: bool = False
    start: Duration = 0.0
    stop: Duration
    pauses: Annotated[tuple[Pause, ...], Field(strict=False, max_length=MOST_PAUSES)] = ()

    @model_validator(mode="after")
    def _has_media(self) -> Self:
        if not self.start < self.stop <= self.duration:
            raise invalid(f"must be after its start and within the {self.duration:g} s of media", "stop")
        return self

    @property
    def has_pictures(self) -> bool:
        """Whether there is something to see."""
        return not self.greedy and self.video.has_pictures()

    @property
    def follows(self) -> bool:
        """Whether its encoder follows the network."""
        return self.arm.encoder == "follow" and not self.greedy

    @property
    def main_track(self) -> Track:
        """The video, or the bulk transfer."""
        return Track(BULK_TRACK, "bulk", "data", self.video.priority) if self.greedy else self.video.track()

    def tracks(self) -> tuple[Track, ...]:
        """The tracks that both ends agree on."""
        return (self.main_track, *(() if self.chat is None else (self.chat.track(),)))


class FlowRoute(NamedTuple):
    """How the media of a flow cross the network. Feedback goes back over the same segments."""

    flow: str
    source_host: str
    destination_host: str
    over: tuple[str, ...]
    direction: Direction

    @property
    def back(self) -> Direction:
        """The direction of feedback."""
        return "up" if self.direction == "down" else "down"


def routes_of(flows: Sequence[tuple[int, FlowSpec]], network: NetworkSpec) -> tuple[FlowRoute, ...]:
    """The routes of flows, each with its place in the scenario. Raises an error for a flow over an unknown segment, or
    between hosts on the same side."""
    near = _near(flows)
    return tuple(
        FlowRoute(
            flow.name,
            flow.source_host,
            flow.destination_host,
            _segments(flow, index, network),
            "down" if near[flow.source_host] else "up",
        )
        for index, flow in flows
    )


def _segments(flow: FlowSpec, index: int, network: NetworkSpec) -> tuple[str, ...]:
    if flow.over is None:
        if len(network.names) > 1 and not network.has_elements:
            names = ", ".join(network.names)
            raise invalid(f"flow {flow.name!r} needs 'over': which of the segments {names} it passes", "flow", index)
        return (network.names[0],)
    for name in flow.over:
        if name not in network.names:
            raise invalid(unknown("segment", name, network.names), "flow", index, "over")
    if len(set(flow.over)) < len(flow.over):
        raise invalid("a flow passes each segment once", "flow", index, "over")
    return flow.over


def _near(flows: Sequence[tuple[int, FlowSpec]]) -> dict[str, bool]:
    """For each host whether it is on the sender's side of the network.

    Each flow crosses the network, so its two hosts are on two sides. If nothing else is known of them, the host that it
    comes from is on the sender's side.
    """
    near = {SENDER: True, RECEIVER: False}
    waiting = list(flows)
    while waiting:
        placeable = [each for each in waiting if {each[1].source_host, each[1].destination_host} & near.keys()]
        index, flow = (placeable or waiting)[0]
        waiting.remove((index, flow))
        source, destination = flow.source_host, flow.destination_host
        if source not in near:
            near[source] = not near.get(destination, False)
        if near.setdefault(destination, not near[source]) == near[source]:
            side = SENDER if near[source] else RECEIVER
            sentence = f"{source!r} and {destination!r} are both on the side of the {side}; no segment is between them"
            raise invalid(sentence, "flow", index, "to")
    return near
