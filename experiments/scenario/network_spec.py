"""The network of a scenario: a segment, or several of them that flows share."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Self

from pydantic import SerializerFunctionWrapHandler, ValidationError, model_serializer, model_validator

from glassbench.experiments.scenario.element_spec import DIRECTIONS, Direction
from glassbench.experiments.scenario.schema import Name, invalid
from glassbench.experiments.scenario.segment_spec import SegmentSpec
from glassbench.experiments.scenario.toml_file import first_mistake
from glassbench.netem.traces import Trace

MAIN = "network"
"""The name of the segment that the fields of [network] itself describe."""

_MOST = 20  # segments


class NamedSegment(SegmentSpec):
    """The table [network.NAME]."""

    name: Name


class NetworkSpec(SegmentSpec):
    """The table [network]. Media flows down, feedback flows up.

    A table in it whose name is no field is a segment of that name. The fields are those of the segment that is called
    "network". `trace_start` is the same for all segments.
    """

    segments: tuple[NamedSegment, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _gathers_segments(cls, value: Any) -> Any:
        """Make `segments` of the tables that are no field."""
        if not isinstance(value, Mapping):
            return value
        fields = SegmentSpec.model_fields
        named = {key: item for key, item in value.items() if key not in fields and isinstance(item, Mapping)}
        own = {key: item for key, item in value.items() if key not in named}
        SegmentSpec.refuse_unknown(own)
        if len(named) > _MOST:
            raise invalid(f"a network has at most {_MOST} segments, found {len(named)}")
        return {**own, "segments": tuple(_segment(str(name), table) for name, table in named.items())}

    @model_serializer(mode="wrap")
    def _as_tables(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        tables: dict[str, Any] = handler(self)
        named = tables.pop("segments", ())
        return {**tables, **{table.pop("name"): table for table in named}}

    def segment(self, name: str) -> SegmentSpec:
        """The segment of a name. Raises KeyError."""
        return {MAIN: self, **{segment.name: segment for segment in self.segments}}[name]

    def most_bytes(self, over: Sequence[str], direction: Direction, duration: float) -> float:
        """No more bytes than this pass segments in a row in `duration` seconds; infinite if that is not known."""
        paths = (self.segment(name).paths()[DIRECTIONS.index(direction)] for name in over)
        period = self.trace_period()
        return min((each.most_bytes(direction, duration, period) for path in paths for each in path), default=math.inf)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all segments. That of [network] itself is among them if it has a field, or if there is no
        other."""
        named = tuple(segment.name for segment in self.segments)
        return (MAIN, *named) if self.has_elements or not named else named

    def without_loss(self) -> Self:
        """The loss-free network: the same bottlenecks, queues and delays, without all that loses or doubles packets."""
        own = super().without_loss() if self.has_elements else self
        return own.model_copy(update={"segments": tuple(segment.without_loss() for segment in self.segments)})

    def recorded(self) -> list[Trace]:
        """The recorded traces of all segments, in both directions."""
        return [*super().recorded(), *(trace for segment in self.segments for trace in segment.recorded())]


def _segment(name: str, table: Mapping[str, Any]) -> NamedSegment:
    if name == MAIN:
        raise invalid("its own fields describe the segment 'network'; give this one another name", name)
    if "trace_start" in table:
        raise invalid("it is the same for all segments; say it in [network] itself", name, "trace_start")
    try:
        SegmentSpec.model_validate(table)  # which knows no field "name"
        return NamedSegment.model_validate({**table, "name": name})
    except ValidationError as error:
        place, sentence = first_mistake(error)
        raise invalid(sentence, name, *(() if place == ("name",) else place)) from None
