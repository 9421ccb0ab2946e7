"""A segment of the network: two paths of elements, or the short form for the usual mobile link."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from glassbench.experiments.scenario.bottleneck_specs import TraceName, check_trace
from glassbench.experiments.scenario.element_spec import DIRECTIONS, Direction, ElementSpec, RandomSpec
from glassbench.experiments.scenario.elements import ELEMENTS, AnyElement
from glassbench.experiments.scenario.named_files import TRACE_OF_THE_SHORT_FORM
from glassbench.experiments.scenario.queue_spec import AnyQueue
from glassbench.experiments.scenario.schema import Duration, Fraction, PositiveDuration, Rate, Spec, invalid
from glassbench.netem.traces import Trace, TraceError

Elements = tuple[AnyElement, ...]

_SHORT = ("trace", "trace_columns", "rate", "queue", "delay", "jitter", "loss", "loss_duration")


class SegmentSpec(Spec):
    """Media flows down, feedback flows up.

    Either `down` and `up`, each a list of elements in the order in which packets pass them, or the short form: a
    bottleneck (`trace` or `rate`) with its `queue`, `jitter` (mean), `loss` in episodes of `loss_duration` (mean), and
    constant `delay` on top of what the trace records; all of them in both directions, each with its own dice.
    Of the short form those that throw dice are named as its fields, so that they keep them whatever these say.
    `trace_columns` names the columns of a trace that is a log.
    `trace_start` says where recorded traces are at the first capture, in both forms and directions.
    """

    trace: Annotated[TraceName, TRACE_OF_THE_SHORT_FORM] | None = None
    trace_columns: str | None = None
    rate: Rate | None = None
    queue: AnyQueue | None = None
    delay: Duration | None = None
    jitter: PositiveDuration | None = None
    loss: Fraction | None = None
    loss_duration: PositiveDuration | None = None
    trace_start: Duration | None = None
    down: Annotated[Elements, Field(strict=False)] | None = None
    up: Annotated[Elements, Field(strict=False)] | None = None

    @model_validator(mode="after")
    def _has_one_form(self) -> Self:
        short = [name for name in _SHORT if getattr(self, name) is not None]
        long = [name for name in ("down", "up") if getattr(self, name) is not None]
        if short and long:
            raise invalid(f"{short[0]!r} is of the short form, which cannot be mixed with lists of elements", short[0])
        if len(long) == 1:
            raise invalid(f"{long[0]!r} needs its other direction: both 'down' and 'up' must be listed", long[0])
        if self.trace is not None and self.rate is not None:
            raise invalid("'trace' and 'rate' are both given; a path has one bottleneck", "rate")
        if self.trace_columns is not None and self.trace is None:
            raise invalid("'trace_columns' needs 'trace': a log whose columns they are", "trace_columns")
        if self.trace is not None:
            check_trace(self.trace, self.trace_columns, fields=("trace", "trace_columns"))
        if self.queue is not None and self.trace is None and self.rate is None:
            raise invalid("a queue needs a bottleneck: 'trace' or 'rate'", "queue")
        if self.loss is not None and self.loss >= 1:
            raise invalid("the share of time with loss must be below 100%", "loss")
        if self.loss_duration is not None and self.loss is None:
            raise invalid("'loss_duration' needs 'loss'", "loss_duration")
        return self

    @model_validator(mode="after")
    def _has_names_of_their_own(self) -> Self:
        for direction in DIRECTIONS:
            named: set[tuple[str, str]] = set()
            for index, element in enumerate(getattr(self, direction) or ()):
                if not isinstance(element, RandomSpec) or element.name is None:
                    continue
                if (element.kind, element.name) in named:
                    sentence = f"two elements {element.kind!r} are named {element.name!r}; give one another name"
                    raise invalid(sentence, direction, index, "name")
                named.add((element.kind, element.name))
        return self

    @model_validator(mode="after")
    def _has_its_window(self) -> Self:
        period = self.trace_period()
        try:
            for trace in self.recorded():
                trace.cut(period)
        except TraceError as error:
            raise invalid(str(error)) from None
        if self.trace_start is None:
            return self
        if period is None:
            raise invalid(
                "needs a recorded trace that changes over time; a generated one is another one with each seed",
                "trace_start",
            )
        if self.trace_start >= period:
            raise invalid(
                f"must be before the end of the trace, which repeats after {period:g} s; found {self.trace_start:g} s",
                "trace_start",
            )
        return self

    @property
    def has_elements(self) -> bool:
        """Whether it says anything about a path."""
        return any(getattr(self, name) is not None for name in (*_SHORT, "down", "up"))

    def paths(self) -> tuple[Elements, Elements]:
        """The elements down and up."""
        if self.down is not None and self.up is not None:
            return self.down, self.up
        elements = tuple(self._short_form())
        return elements, elements

    def limits(self, direction: Direction) -> bool:
        """Whether an element limits the rate in a direction."""
        return any(element.limits for element in self.paths()[DIRECTIONS.index(direction)])

    def trace_period(self) -> float | None:
        """Seconds after which recorded traces repeat; None without a trace that changes over time.

        All repeat at the end of the shortest, so that both directions stay side by side. It is whole milliseconds if
        the traces differ in length.
        """
        durations = {trace.duration for trace in self.recorded() if not trace.steady}
        if len(durations) > 1:
            return max(1, int(min(durations) * 1000 + 1e-6)) / 1000
        return next(iter(durations), None)

    def without_loss(self) -> Self:
        """The loss-free segment: the same bottlenecks, queues and delays, without all that loses or doubles packets."""
        down, up = (tuple(kept for element in path if (kept := element.without_loss())) for path in self.paths())
        return self.model_copy(update={**dict.fromkeys(_SHORT), "down": down, "up": up})

    def recorded(self) -> list[Trace]:
        """The recorded traces of both directions."""
        return [
            trace
            for direction, path in zip(DIRECTIONS, self.paths(), strict=True)
            for element in path
            if (trace := element.recorded(direction)) is not None
        ]

    def _short_form(self) -> list[ElementSpec]:
        given = self.dump()
        queue = {"queue": given["queue"]} if "queue" in given else {}
        tables: list[dict[str, object]] = []
        if "trace" in given:
            columns = {"columns": given["trace_columns"]} if "trace_columns" in given else {}
            tables.append({"element": "trace", "name": "trace", "trace": given["trace"], **columns, **queue})
        if "rate" in given:
            tables.append({"element": "rate", "rate": given["rate"], **queue})
        if "jitter" in given:
            tables.append({"element": "jitter", "name": "jitter", "mean": given["jitter"]})
        if "loss" in given:
            length = given.get("loss_duration", "20ms")
            bad = {"mean_loss": given["loss"], "mean_duration": length}
            tables.append({"element": "loss-episodes", "name": "loss", **bad})
        if "delay" in given:
            tables.append({"element": "delay", "delay": given["delay"]})
        return [ELEMENTS[str(table["element"])].model_validate(table) for table in tables]
