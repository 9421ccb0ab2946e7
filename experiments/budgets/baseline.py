"""A baseline: what `glass budget record` keeps of its measurement, as JSON that is committed beside the budgets.

It says with which versions and of what it was made. An entry whose scenario, seeds or files have changed since is
refused, never compared. Other versions of the program are what a baseline is for: they are compared, and named.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError

from glassbench.experiments.account.ledger import FATES, STAGE_NAMES
from glassbench.experiments.budgets.measure import Measured, TargetNumbers
from glassbench.experiments.budgets.profile import Profile
from glassbench.experiments.budgets.spec import BudgetError, Target
from glassbench.experiments.budgets.value import HELD, Value
from glassbench.experiments.results.json_form import json_text, no_number, number_of
from glassbench.experiments.scenario.schema import Spec, invalid, unknown
from glassbench.experiments.scenario.toml_file import MAX_FILE_BYTES, first_sentence, read_text
from glassbench.experiments.worlds.table import WORLDS, OtherHost, named

SCHEMA = 3
KIND = "budget baseline"


@dataclass(frozen=True)
class Baseline:
    """A baseline that was read: its numbers by scenario, arm and track, and the world and versions it was made with."""

    file: str
    world: str
    versions: Mapping[str, str]
    numbers: Mapping[tuple[str, str, str], TargetNumbers]

    def of(self, target: Target, fingerprint: str) -> TargetNumbers | None:
        """The numbers of a target, whose content has this fingerprint now; None if it is not in the baseline.

        Raises BudgetError if it was recorded of another content.
        """
        numbers = self.numbers.get((target.name, target.arm, target.track))
        if numbers is not None and numbers.fingerprint != fingerprint:
            raise BudgetError(
                f"{self.file} was recorded with other content or seeds of {target} (fingerprint {numbers.fingerprint}, "
                f"now {fingerprint}), so it says nothing about it; record it again: glass budget record"
            )
        return numbers

    def differing(self, versions: Mapping[str, str]) -> list[str]:
        """The packages that have another version now, as 'numpy (1.0, now 2.0)'."""
        return [
            f"{name} ({self.versions.get(name, 'none')}, now {versions.get(name, 'none')})"
            for name in dict.fromkeys((*self.versions, *versions))
            if self.versions.get(name) != versions.get(name)
        ]


def baseline_text(measured: Measured, *, command: Sequence[str]) -> str:
    """The baseline of what was measured. Raises BudgetError if something was not measured."""
    for target, reason in measured.missing.items():
        raise BudgetError(f"{target} was not measured, so there is nothing to record: {reason}")
    entries = [_entry_object(target, numbers) for target, numbers in measured.numbers.items()]
    content = {
        "schema": SCHEMA,
        "kind": KIND,
        "world": measured.world,
        "command": list(command),
        "versions": measured.versions,
        "entries": entries,
    }
    text = json_text(content, indent=2) + "\n"
    if len(text) > MAX_FILE_BYTES:
        raise BudgetError(
            f"a baseline of {len(entries)} targets with so many seeds has {len(text)} bytes, and only {MAX_FILE_BYTES} "
            "are read; use fewer seeds, or two files of budgets"
        )
    return text


def load_baseline(path: str | Path) -> Baseline:
    """Read a baseline. Raises BudgetError."""
    path = Path(path)
    try:
        text = read_text(path, what="baseline", error=BudgetError)
    except FileNotFoundError:
        raise BudgetError(f"there is no baseline {path}; make one with glass budget record") from None
    return parse_baseline(text, str(path))


def parse_baseline(text: str, file: str) -> Baseline:
    """Read the text of a baseline; `file` is its name in messages. Raises BudgetError."""
    try:
        content = json.loads(text, parse_constant=no_number)
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else error
        raise BudgetError(f"{file} is not valid JSON: {reason}") from None
    if not isinstance(content, dict) or content.get("kind") != KIND:
        raise BudgetError(f"{file} is not a baseline of budgets; make one with glass budget record")
    if content.get("schema") != SCHEMA:
        raise BudgetError(
            f"{file} has schema {content.get('schema')!r}; this version of Glassbench reads {SCHEMA}, record it again"
        )
    rest = {name: value for name, value in content.items() if name not in ("schema", "kind")}
    try:
        spec = _BaselineSpec.model_validate(rest)
    except ValidationError as error:
        raise BudgetError(f"{file}: {first_sentence(error)}") from None
    except RecursionError:
        raise BudgetError(f"{file} is nested too deeply to be a baseline") from None
    numbers: dict[tuple[str, str, str], TargetNumbers] = {}
    for entry in spec.entries:
        key = (entry.scenario, entry.arm, entry.track)
        if key in numbers:
            raise BudgetError(f"{file} has two entries of {', '.join(key)}")
        numbers[key] = entry.numbers()
    return Baseline(file, spec.world, spec.versions, numbers)


def _known(what: str, names: Iterable[str]) -> AfterValidator:
    accepted = list(names)

    def check(table: dict[str, Any]) -> dict[str, Any]:
        for name in table:
            if name not in accepted:
                raise invalid(unknown(what, name, accepted), name)
        return table

    return AfterValidator(check)


def _known_world(words: str) -> str:
    accepted = [named(name).words for name in WORLDS if name != OtherHost.name]
    if words not in accepted:
        raise invalid(f"must be one of {'; '.join(accepted)}, found {words!r}")
    return words


_Number = Annotated[float, Field(ge=0, allow_inf_nan=True), BeforeValidator(number_of)]
_Stages = Annotated[dict[str, Annotated[float, Field(ge=0)]], _known("stage", STAGE_NAMES)]
_Count = Annotated[int, Field(ge=0, lt=2**53)]


class _ProfileSpec(Spec):
    mean: _Stages
    error: _Stages

    def profile(self) -> Profile:
        return Profile(self.mean, self.error)


class _MetricSpec(Spec):
    unit: str
    value: _Number
    runs: Annotated[tuple[_Number, ...], Field(strict=False)]
    stages_ms: _ProfileSpec | None = None


class _EntrySpec(Spec):
    scenario: str
    arm: str
    track: Literal["video", "chat"]
    seeds: Annotated[tuple[int, ...], Field(strict=False)]
    fingerprint: str
    fates: Annotated[dict[str, _Count], _known("fate", FATES)]
    stages_ms: _ProfileSpec
    metrics: Annotated[dict[str, _MetricSpec], _known("metric", HELD)]

    def numbers(self) -> TargetNumbers:
        return TargetNumbers(
            fingerprint=self.fingerprint,
            fates={fate: self.fates.get(fate, 0) for fate in FATES},
            values={name: Value(metric.value, metric.runs) for name, metric in self.metrics.items()},
            profiles={name: metric.stages_ms.profile() for name, metric in self.metrics.items() if metric.stages_ms},
            shown=self.stages_ms.profile(),
        )


class _BaselineSpec(Spec):
    """The fields of a baseline besides `schema` and `kind`."""

    world: Annotated[str, AfterValidator(_known_world)]
    command: Annotated[tuple[str, ...], Field(strict=False)]
    versions: dict[str, str]
    entries: Annotated[tuple[_EntrySpec, ...], Field(strict=False)]


def _entry_object(target: Target, numbers: TargetNumbers) -> dict[str, Any]:
    metrics: dict[str, dict[str, Any]] = {}
    for name, value in numbers.values.items():
        metrics[name] = {
            "unit": HELD[name].unit,
            "value": value.pooled,
            "runs": list(value.runs),
        }
        if name in numbers.profiles:
            metrics[name]["stages_ms"] = vars(numbers.profiles[name])
    return {
        "scenario": target.name,
        "arm": target.arm,
        "track": target.track,
        "seeds": list(target.seeds),
        "fingerprint": numbers.fingerprint,
        "fates": numbers.fates,
        "stages_ms": vars(numbers.shown),
        "metrics": metrics,
    }
