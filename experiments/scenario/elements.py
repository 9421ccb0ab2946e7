"""The elements of a path, as a scenario names them: ELEMENTS is the whole list.

Each is a table `{ element = "...", field = ... }`, and builds the boxes of `netem` that it stands for. A package of
your own offers its spec class as an entry point of the group `glassbench.elements`.
"""

from typing import Annotated

from glassbench.experiments.scenario.bottleneck_specs import RateSpec, TraceSpec
from glassbench.experiments.scenario.delay_specs import DelaySpec, JitterSpec, RandomDelaySpec, ReorderingSpec
from glassbench.experiments.scenario.element_spec import ElementSpec
from glassbench.experiments.scenario.loss_specs import (
    DuplicationSpec,
    GilbertElliottSpec,
    LossEpisodesSpec,
    OutageSpec,
    PolicerSpec,
    RandomLossSpec,
    SizeLimitSpec,
)
from glassbench.experiments.scenario.schema import chosen_by, dumped
from glassbench.transport.plugins import PluginTable

_OWN: tuple[type[ElementSpec], ...] = (
    TraceSpec,
    RateSpec,
    PolicerSpec,
    SizeLimitSpec,
    DelaySpec,
    RandomDelaySpec,
    JitterSpec,
    ReorderingSpec,
    DuplicationSpec,
    RandomLossSpec,
    GilbertElliottSpec,
    LossEpisodesSpec,
    OutageSpec,
)


def _plugin(name: str, loaded: object) -> type[ElementSpec]:
    """What a package offers as an element. Raises ValueError."""
    if not isinstance(loaded, type) or not issubclass(loaded, ElementSpec):
        raise ValueError(f"found {loaded!r}, accepted is a subclass of {ElementSpec.__module__}.ElementSpec")
    if (own := name_of(loaded)) != name:
        raise ValueError(f"its field 'element' is {own!r}; it must be a Literal, by default the name, {name!r}")
    return loaded


def name_of(spec: type[ElementSpec]) -> str | None:
    """The value of the field `element` for such an element; None for a class without the field."""
    field = spec.model_fields.get("element")
    return field.default if field is not None and isinstance(field.default, str) else None


ELEMENTS: PluginTable[type[ElementSpec]] = PluginTable(
    "glassbench.elements", {str(name_of(spec)): spec for spec in _OWN}, _plugin
)

AnyElement = Annotated[ElementSpec, chosen_by("element", ELEMENTS), dumped]
