"""A plan: many cells, each one arm of one scenario with one seed, that are run and kept as one dataset.

Comparisons over seeds, A/B tests, budgets, the catalog and `glass sweep` are all plans.
"""

import hashlib
import itertools
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from glassbench.experiments.scenario import Scenario, ScenarioError, build
from glassbench.experiments.worlds.table import VIRTUAL
from glassbench.experiments.worlds.world import World

MAX_CELLS = 100_000

Value = str | int | float | bool


NO_AXES = {
    "name": "it decides no result",
    "seed": "seeds are given beside the axes",
    "arms": "arms are those of the scenario",
}
"""Fields of a scenario that are no axis, and why."""

_STEP = re.compile(r"([A-Za-z_][A-Za-z0-9_-]*)((?:\[[0-9]{1,6}\])*)")


class PlanError(ValueError):
    """A plan that cannot be made: one sentence with the axis or cell, what was found, and what is accepted."""


class WrongField(PlanError):
    """A field that a scenario does not take: the `path` of the axis, the `value` (None if it is the path itself that is
    wrong), and the `sentence` about it, which does not repeat the path."""

    def __init__(self, path: str, value: Any, sentence: str, *, beside: str = "") -> None:
        super().__init__(f"{path}: {sentence}{beside}")
        self.path = path
        self.value = value
        self.sentence = f"{sentence}{beside}"


@dataclass(frozen=True)
class Cell:
    """One arm of one scenario with one seed. `axes` says where in the plan: axis -> value, arm and seed not among
    them. `scenario` has this one arm, labelled as in the dataset."""

    axes: Mapping[str, Value]
    scenario: Scenario

    @property
    def arm(self) -> str:
        return self.scenario.arms[0].label

    @property
    def content(self) -> str:
        """The cell as canonical JSON: equal cells, and only they, have equal texts."""
        return json.dumps({"axes": dict(self.axes), "scenario": self.scenario.dump()}, sort_keys=True)


@dataclass(frozen=True)
class Plan:
    """Cells in the order of the dataset. `frames`: keep the ledger of each cell, not only its summary. `quality`:
    measure the quality of the pictures. `world`: where the cells run."""

    name: str
    cells: tuple[Cell, ...]
    frames: bool = False
    quality: bool = False
    world: World = VIRTUAL

    @cached_property
    def fingerprint(self) -> str:
        """A digest that is the same for plans that give the same dataset."""
        digest = hashlib.sha256(f"{self.frames} {self.quality} {self.world.name}".encode())
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
    combination and seed is a further arm named FLOOR, unless the scenario has none. Raises PlanError.
    """
    axes = axes or {}
    seeds = [scenario.seed] if seeds is None else list(seeds)
    for path in axes:
        if path in NO_AXES:
            raise WrongField(path, None, f"it is no axis: {NO_AXES[path]}")
    for seed in seeds:
        if not isinstance(seed, int) or not 0 <= seed < 2**63:
            raise PlanError(f"a seed is a whole number from 0 to 2^63-1, found {seed!r}")
    floor = floor and scenario.has_floor
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
        place = {axis: _in_column(value) for axis, value in cell.axes.items()}
        first = seen.setdefault(json.dumps([place, cell.arm, cell.scenario.seed], sort_keys=True), index)
        if first != index:
            where = ", ".join(f"{axis}={value}" for axis, value in cell.axes.items())
            raise PlanError(f"arm {cell.arm!r} with seed {cell.scenario.seed} stands twice ({where or 'no axes'})")
    return plan


def _cells(
    scenario: Scenario, axes: Mapping[str, Sequence[Any]], seeds: Sequence[int], *, floor: bool
) -> Iterator[Cell]:
    for values in itertools.product(*axes.values()):
        varied = with_fields(scenario, dict(zip(axes, values, strict=True)))
        place = {axis: _axis_value(value) for axis, value in zip(axes, values, strict=True)}
        for seed in seeds:
            seeded = varied.model_copy(update={"seed": seed})
            for arm in varied.arms:
                yield Cell(place, seeded.model_copy(update={"arms": (arm,)}))
            if floor:
                yield Cell(place, seeded.floor())


def with_fields(scenario: Scenario, fields: Mapping[str, Any]) -> Scenario:
    """The scenario with other values at these paths; None takes a field away. Raises WrongField."""
    if not fields:
        return scenario
    content = scenario.dump()
    for path, value in fields.items():
        _put(content, path, value)
    try:
        return build(content)
    except ScenarioError as error:
        raise _wrong_field(scenario, fields, str(error)) from None


def _wrong_field(scenario: Scenario, fields: Mapping[str, Any], sentence: str) -> WrongField:
    """The wrong field: the one that the sentence names, or else the one without which the others fit."""
    named = [path for path in fields if sentence.startswith((f"{path}: ", f"{path}.", f"{path}["))]
    place = "" if named else sentence.partition(": ")[0]
    named = named or [path for path in fields if path.startswith((f"{place}.", f"{place}["))]
    path = max(named, key=len, default="")
    if not named:
        path = next((one for one in fields if _fits(scenario, fields, without=one)), list(fields)[-1])
    others = ", ".join(f"{other}={value!r}" for other, value in fields.items() if other != path)
    if named:
        return WrongField(path, fields[path], sentence.removeprefix(f"{place or path}: "))
    return WrongField(path, fields[path], sentence, beside=f" (with {others})" if others else "")


def _fits(scenario: Scenario, fields: Mapping[str, Any], *, without: str) -> bool:
    content = scenario.dump()
    for path, value in fields.items():
        if path != without:
            _put(content, path, value)
    try:
        build(content)
    except ScenarioError:
        return False
    return True


def _put(content: dict[str, Any], path: str, value: Any) -> None:
    """Put a value at a path such as network.down[1].mean_loss, or take away what stands there. Raises WrongField."""
    steps: list[str | int] = []
    for part in path.split("."):
        match = _STEP.fullmatch(part)
        if match is None:
            raise WrongField(path, None, "it is no path of a field; one looks like network.down[1].mean_loss")
        steps += [match[1], *(int(index) for index in re.findall("[0-9]+", match[2]))]
    place: Any = content
    for step, following in itertools.pairwise([*steps, None]):
        fits = isinstance(place, list) and isinstance(step, int) and step < len(place)
        named = isinstance(place, dict) and isinstance(step, str)
        if not fits and not named:
            raise WrongField(path, None, "it is no field of this scenario")
        if following is not None:
            place = place.setdefault(step, {}) if named else place[step]
        elif value is None and (fits or step in place):
            place.pop(step)
        else:  # also None where nothing stands: the scenario refuses a field that it does not know
            place[step] = value


def _axis_value(value: Any) -> Value:
    """The name of an axis value in the dataset: as it stands in the file; a table or a list as JSON."""
    return value if isinstance(value, str | int | float | bool) else json.dumps(value)


def _in_column(value: Value) -> str:
    """The same text for values that are equal in the column of a dataset: 1 and 1.0, but not 1 and "1"."""
    return repr(float(value)) if isinstance(value, int | float) and not isinstance(value, bool) else repr(value)
