"""A plan: many cells, each one arm of one scenario with one seed, that are run and kept as one dataset.

Comparisons over seeds, A/B tests, budgets, the catalog and `glass sweep` are all plans.
"""

import hashlib
import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from experiments.scenario import Scenario, ScenarioError, build
from experiments.scenario.arm_spec import ArmSpec

MAX_CELLS = 100_000

Value = str | int | float | bool


class PlanError(ValueError):
    """A plan that cannot be made: one sentence with the axis or cell, what was found, and what is accepted."""


@dataclass(frozen=True)
class Cell:
    """One arm of one scenario with one seed. `axes` says where in the plan: axis -> value, arm and seed not among
    them. `scenario` has this one arm, labelled as in the dataset."""

    axes: Mapping[str, Value]
    scenario: Scenario

    @property
    def arm(self) -> str:
        return self.scenario.arms[0].label

    @cached_property
    def content(self) -> str:
        """The cell as canonical JSON: equal cells, and only they, have equal texts."""
        return json.dumps({"axes": dict(self.axes), "scenario": self.scenario.dump()}, sort_keys=True)


@dataclass(frozen=True)
class Plan:
    """Cells in the order of the dataset. `frames`: keep the ledger of each cell, not only its summary. `quality`:
    measure the quality of the pictures."""

    name: str
    cells: tuple[Cell, ...]
    frames: bool = False
    quality: bool = False

    @cached_property
    def fingerprint(self) -> str:
        """The same for plans that give the same dataset."""
        digest = hashlib.sha256(f"{self.frames} {self.quality}".encode())
        for cell in self.cells:
            digest.update(cell.content.encode())
        return digest.hexdigest()[:16]


def grid(
    name: str,
    scenario: Scenario,
    *,
    axes: Mapping[str, Sequence[Any]] | None = None,
    seeds: Iterable[int] | None = None,
    floor: bool = False,
    frames: bool = False,
    quality: bool = False,
) -> Plan:
    """Every combination of the values of `axes`, x the scenario's arms x `seeds` (the scenario's own by default).

    An axis is a field of a scenario file by its path, such as "network.delay", "video.bitrate" or
    "network.down[1].mean_loss", and its values are what would stand there. With `floor`, the loss-free floor of each
    combination and seed is a further arm named FLOOR. Raises PlanError.
    """
    axes = axes or {}
    seeds = [scenario.seed] if seeds is None else list(seeds)
    count = len(seeds) * (len(scenario.arms) + floor)
    for values in axes.values():
        count *= len(values)
    if not 1 <= count <= MAX_CELLS:
        raise PlanError(f"a plan has 1 to {MAX_CELLS} cells, these axes, arms and seeds make {count}")
    cells = tuple(_cells(scenario, axes, seeds, floor=floor))
    return checked(Plan(name, cells, frames, quality))


def joined(name: str, plans: Iterable[Plan]) -> Plan:
    """One plan of all cells. The plans keep the same of each cell, and have the same axes."""
    plans = list(plans)
    cells = tuple(itertools.chain.from_iterable(plan.cells for plan in plans))
    return checked(Plan(name, cells, plans[0].frames, plans[0].quality))


def checked(plan: Plan) -> Plan:
    """The plan, if no cell stands in it twice. Raises PlanError."""
    seen: dict[str, int] = {}
    for index, cell in enumerate(plan.cells):
        first = seen.setdefault(json.dumps([dict(cell.axes), cell.arm, cell.scenario.seed], sort_keys=True), index)
        if first != index:
            place = ", ".join(f"{axis}={value}" for axis, value in cell.axes.items())
            raise PlanError(f"arm {cell.arm!r} with seed {cell.scenario.seed} stands twice ({place or 'no axes'})")
    return plan


def _cells(
    scenario: Scenario, axes: Mapping[str, Sequence[Any]], seeds: Sequence[int], *, floor: bool
) -> Iterator[Cell]:
    for values in itertools.product(*axes.values()):
        place = {axis: _axis_value(value) for axis, value in zip(axes, values, strict=True)}
        varied = with_fields(scenario, dict(zip(axes, values, strict=True)))
        for seed in seeds:
            seeded = varied.model_copy(update={"seed": seed})
            for arm in varied.arms:
                yield Cell(place, seeded.model_copy(update={"arms": (arm,)}))
            if floor:
                yield Cell(place, seeded.floor())


def with_fields(scenario: Scenario, fields: Mapping[str, Any]) -> Scenario:
    """The scenario with other values at these paths. Raises PlanError naming the path and the value."""
    if not fields:
        return scenario
    content = scenario.dump()
    for path, value in fields.items():
        _put(content, path, value)
    try:
        return build(content)
    except ScenarioError as error:
        place = ", ".join(f"{path}={value!r}" for path, value in fields.items())
        raise PlanError(f"{error} (with {place})") from None


def _put(content: dict[str, Any], path: str, value: Any) -> None:
    """Put a value at a path such as network.down[1].mean_loss."""
    steps: list[str | int] = []
    for part in path.split("."):
        name, *indices = part.replace("]", "").split("[")
        steps += [name, *(int(index) for index in indices if index.isdecimal())]
    place: Any = content
    for step, following in itertools.zip_longest(steps, steps[1:]):
        if isinstance(place, list) and isinstance(step, int) and step < len(place):
            pass
        elif isinstance(place, dict) and isinstance(step, str):
            place.setdefault(step, {})
        else:
            raise PlanError(f"{path!r} is no field of this scenario")
        if following is None:
            place[step] = value
        else:
            place = place[step]


def _axis_value(value: Any) -> Value:
    """How a value is called in the dataset: as it stands in the file; a table or a list as JSON."""
    return value if isinstance(value, str | int | float | bool) else json.dumps(value)


def arm_labelled(scenario: Scenario, label: str) -> ArmSpec:
    """The arm of that label. Raises PlanError naming the labels there are."""
    try:
        return scenario.arm(label)
    except KeyError:
        labels = ", ".join(arm.label for arm in scenario.arms)
        raise PlanError(f"scenario {scenario.name} has no arm {label!r}; its arms are {labels}") from None
