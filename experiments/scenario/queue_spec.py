"""The queue in front of a bottleneck, as a scenario says it: '150kB' for drop-tail, or a table with its discipline."""

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, model_validator

from glassbench.experiments.scenario.schema import Count, PositiveDuration, Size, Spec, chosen_by, dumped, invalid
from glassbench.netem.queues.codel import CoDel
from glassbench.netem.queues.drop_tail import DropTail
from glassbench.netem.queues.queue import Queue


class QueueSpec(Spec):
    """One queue discipline; `QUEUES` is the whole list."""

    discipline: str

    def build(self) -> Queue:
        """A new queue of netem."""
        raise NotImplementedError


class DropTailSpec(QueueSpec):
    """First in, first out; what does not fit in `bytes` or `packets` is dropped. At least one limit is needed."""

    discipline: Literal["drop-tail"] = "drop-tail"
    bytes: Size | None = None
    packets: Count | None = None

    @model_validator(mode="after")
    def _has_a_limit(self) -> Self:
        if self.bytes is None and self.packets is None:
            raise invalid("a drop-tail queue needs a limit: bytes, packets or both")
        return self

    def build(self) -> Queue:
        return DropTail(limit_bytes=None if self.bytes is None else int(self.bytes), limit_packets=self.packets)


class CoDelSpec(QueueSpec):
    """Drops by the time that packets have waited (RFC 8289). What exceeds `bytes` is dropped at the tail."""

    discipline: Literal["codel"] = "codel"
    bytes: Size = 1_500_000.0
    target: PositiveDuration = 0.005
    interval: PositiveDuration = 0.1
    ecn: bool = False

    def build(self) -> Queue:
        return CoDel(limit_bytes=int(self.bytes), target=self.target, interval=self.interval, ecn=self.ecn)


QUEUES: dict[str, type[QueueSpec]] = {
    "drop-tail": DropTailSpec,
    "codel": CoDelSpec,
}


def _from_text(value: Any) -> Any:
    return {"bytes": value} if isinstance(value, str) else value


AnyQueue = Annotated[
    QueueSpec, chosen_by("discipline", QUEUES, default="drop-tail"), BeforeValidator(_from_text), dumped
]
