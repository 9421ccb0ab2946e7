"""A flow beside the one that the arms vary, or a change of that one: a table [[flow]] of a scenario."""

from itertools import pairwise
from typing import Annotated, Self

from pydantic import Field, model_validator

from glassbench.experiments.scenario.arm_spec import Arm
from glassbench.experiments.scenario.named_files import FLOW_SOURCE
from glassbench.experiments.scenario.schema import Duration, Name, PositiveDuration, Rate, Spec, invalid
from glassbench.experiments.scenario.tracks import GREEDY

MEDIA = "media"
"""The flow whose transport the arms are. It is always there."""
SENDER, RECEIVER = "sender", "receiver"

MOST_PAUSES = 1000

Pause = Annotated[tuple[Duration, Duration], Field(strict=False)]


class FlowSpec(Spec):
    """One table [[flow]].

    `transport` is an arm; only the flow "media" has none, since the arms of the scenario are its transports. `source`
    is a source as in [video], or "greedy": a bulk transfer, which always has something to send. `rate` is the rate of
    the encoder. What is left out is as in the scenario's video. Media are captured from `start` to `stop`, but not in
    the `pauses`; instants count from the first capture of the scenario. The flow runs `from` a host `to` another `over`
    segments of the network, in this order.
    """

    name: Name
    transport: Arm | None = None
    source: Annotated[str, FLOW_SOURCE] | None = None
    rate: Rate | None = None
    start: Duration = 0.0
    stop: PositiveDuration | None = None
    pauses: Annotated[tuple[Pause, ...], Field(strict=False, max_length=MOST_PAUSES)] = ()
    source_host: Annotated[Name, Field(alias="from")] = SENDER
    destination_host: Annotated[Name, Field(alias="to")] = RECEIVER
    over: Annotated[tuple[Name, ...], Field(strict=False, min_length=1)] | None = None

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if self.name == MEDIA and self.transport is not None:
            raise invalid("the transports of the flow 'media' are the arms of the scenario", "transport")
        if self.name != MEDIA and self.transport is None:
            raise invalid(f"the flow {self.name!r} needs a transport; only the flow 'media' has those of the arms")
        if self.source == GREEDY and self.rate is not None:
            raise invalid("a greedy source sends as much as its transport lets it; a rate is for video", "rate")
        instants = [self.start, *(at for pause in self.pauses for at in pause)]
        if any(after <= before for before, after in pairwise(instants[1:])) or instants[-1] < self.start:
            raise invalid("pauses are pairs of instants, as [['40s', '60s']], in order and apart", "pauses")
        if self.stop is not None and self.stop <= instants[-1]:
            raise invalid(f"must be after its start and its last pause, at {instants[-1]:g} s", "stop")
        if self.source_host == self.destination_host:
            raise invalid(f"the flow {self.name!r} runs from {self.source_host!r} to itself", "to")
        return self
