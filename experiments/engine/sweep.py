"""A sweep: a grid over fields of a scenario, its arms, and seeds, from a TOML file. `docs/sweeps.md` describes it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, PlainValidator

from glassbench.experiments.engine.changes import FIELDS, Changes, WrongChange, changed
from glassbench.experiments.engine.plan import MAX_CELLS, Plan, PlanError, WrongField, grid, with_fields
from glassbench.experiments.scenario import Scenario, ScenarioError, load
from glassbench.experiments.scenario.arm_spec import Arm
from glassbench.experiments.scenario.schema import Spec, invalid
from glassbench.experiments.scenario.toml_file import parse_model, placed, read_text
from glassbench.experiments.scenario.toml_lines import KeyPath


class SweepError(ValueError):
    """A sweep that cannot be run: file and line, the field, what was found, and what is accepted."""


@dataclass(frozen=True)
class Axis:
    """The values of a field of the scenario, and where in the file they stand."""

    path: str
    values: tuple[Any, ...]
    place: KeyPath


def _load_scenario(given: Any) -> Scenario:
    if not isinstance(given, str):
        raise invalid(f"a scenario is a text: the name of a shipped one, or a scenario file; found {given!r}")
    try:
        return load(given)
    except ScenarioError as error:
        raise invalid(str(error)) from None


def _check_seeds(given: Any) -> int | tuple[int, ...]:
    if type(given) is int and 1 <= given <= MAX_CELLS:
        return given
    good = isinstance(given, list | tuple) and given and all(type(seed) is int and 0 <= seed < 2**63 for seed in given)
    if not good or len(set(given)) != len(given):
        raise invalid(
            "seeds are their number, such as 20, or a list of whole numbers from 0 on, each once, such as [1, 2, 3]; "
            f"found {given if isinstance(given, str | int | float) else 'something else'!r}"
        )
    return tuple(given)


def _check_grid(given: Any) -> tuple[Axis, ...]:
    if not isinstance(given, Mapping):
        raise invalid(f"a grid is a table of fields and lists of values, found {given!r}")
    axes: dict[str, Axis] = {}
    for axis in _axes(given, ()):
        if axis.path in axes:
            raise invalid(f"the field {axis.path!r} stands twice", *axis.place)
        axes[axis.path] = axis
    return tuple(axes.values())


def _axes(table: Mapping[str, Any], place: KeyPath) -> Iterator[Axis]:
    """Fields by their path. They may be written as one key, or as tables in tables."""
    for key, value in table.items():
        here = (*place, key)
        if isinstance(value, Mapping) and value:
            yield from _axes(value, here)
        elif isinstance(value, list) and value:
            yield Axis(".".join(map(str, here)), tuple(value), here)
        else:
            raise invalid(f"needs a list of the values to try, such as ['5ms', '50ms'], found {value!r}", *here)


class SweepSpec(Spec):
    """A sweep file.

    `seeds` is a number of seeds, from the scenario's own on, or a list of them; `arms` take the place of the
    scenario's. `frames`: keep the ledger of each cell. `quality`: measure that of the pictures; if
    nothing is said, it is measured where it decides, since an encoder follows. `floor`: measure the loss-free floor of
    each combination, too.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    scenario: Annotated[Scenario, PlainValidator(_load_scenario)]
    arms: Annotated[tuple[Arm, ...], Field(strict=False, min_length=1, max_length=100)] | None = None
    seeds: Annotated[int | tuple[int, ...], PlainValidator(_check_seeds)] = 1
    grid: Annotated[tuple[Axis, ...], PlainValidator(_check_grid)] = ()
    frames: bool = False
    quality: bool | None = None
    floor: bool = True

    def plan(self, changes: Changes | None = None, *, runs: int | None = None) -> Plan:
        """The plan of its cells, with changes of its scenario, and so many `runs` in place of its seeds. Raises
        PlanError or WrongChange."""
        scenario = self.scenario
        if self.arms is not None:
            scenario = with_fields(scenario, {"arms": [arm.table() for arm in self.arms]})
        if changes:
            self._refuse_axes(changes)
            scenario = changed(scenario, changes)
        seeds = self.seeds if isinstance(self.seeds, tuple) else range(scenario.seed, scenario.seed + self.seeds)
        if runs is not None or (changes or {}).get("seed") is not None:
            seeds = range(scenario.seed, scenario.seed + (runs or len(seeds)))
        return grid(
            self.name,
            scenario,
            axes={axis.path: axis.values for axis in self.grid},
            seeds=seeds,
            floor=self.floor,
            frames=self.frames,
            quality=scenario.judged_by_pictures if self.quality is None else self.quality,
        )

    def _refuse_axes(self, changes: Changes) -> None:
        given = {FIELDS[word]: word for word, value in changes.items() if word in FIELDS and value is not None}
        given |= {path: path for path in changes.get("fields") or {}}
        for axis in self.grid:
            if axis.path in given:
                raise WrongChange(given[axis.path], f"{axis.path} is an axis of the sweep {self.name}, which varies it")


def load_sweep(path: str | Path, changes: Changes | None = None, *, runs: int | None = None) -> Plan:
    """The plan of a sweep file, with what `SweepSpec.plan` takes. Raises SweepError or WrongChange."""
    path = Path(path)
    try:
        text = read_text(path, what="sweep", error=SweepError)
    except FileNotFoundError:
        raise SweepError(f"there is no file {path}; expected a sweep (TOML), see docs/sweeps.md") from None
    return parse_sweep(text, str(path), changes, runs=runs)


def parse_sweep(text: str, file: str, changes: Changes | None = None, *, runs: int | None = None) -> Plan:
    """The plan of a TOML text; `file` is its name in messages. Raises SweepError or WrongChange."""
    spec = parse_model(SweepSpec, text, file=file, what="sweep", error=SweepError)
    try:
        return spec.plan(changes, runs=runs)
    except WrongField as error:
        raise SweepError(placed(text, _place(spec, error), error.sentence, file=file)) from None
    except PlanError as error:
        raise SweepError(f"{file}: {error}") from None


def _place(spec: SweepSpec, error: WrongField) -> KeyPath:
    """Where the wrong field, or the wrong value of it, stands in the file."""
    for axis in spec.grid:
        if axis.path == error.path:
            index = () if error.value is None else (axis.values.index(error.value),)
            return ("grid", *axis.place, *index)
    return (error.path,)
