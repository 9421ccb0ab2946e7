"""A file of budgets, and the budgets in it. `docs/budgets.md` describes the file.

Each `[[budget]]` is about one track of one arm of one scenario, its target, and has a table of limits for each metric.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, PlainValidator, ValidationError, create_model, model_validator

from glassbench.experiments.account.metric_table import Metric
from glassbench.experiments.budgets.limits import Limit, parse_limits
from glassbench.experiments.budgets.value import HELD
from glassbench.experiments.scenario import Scenario, ScenarioError, load
from glassbench.experiments.scenario.schema import Spec, invalid, unknown
from glassbench.experiments.scenario.toml_file import first_sentence, parse_model, read_text
from glassbench.experiments.scenario.tracks import CHAT_TRACK, VIDEO_TRACK

MAX_BUDGETS = 100
MAX_SEEDS = 1000

TRACKS = {"video": VIDEO_TRACK, "chat": CHAT_TRACK}


class BudgetError(ValueError):
    """Budgets or a baseline that cannot be read or do not fit together: one sentence with file, line and field."""


@dataclass(frozen=True, eq=False)
class Target:
    """What is measured for a budget: a track of an arm, over some seeds. `name` is what the file calls the scenario:
    a shipped one, or the path of a file. With `floor`, the loss-free floor is measured too."""

    name: str
    scenario: Scenario
    arm: str
    track: str
    seeds: tuple[int, ...]
    floor: bool

    def __str__(self) -> str:
        return f"{self.name}, {self.arm}, {self.track}"


@dataclass(frozen=True)
class Budget:
    """One limit of one metric of a target: what is kept or broken."""

    target: Target
    metric: Metric
    limit: Limit

    def __str__(self) -> str:
        return f"{self.target}: {self.metric.name} {self.limit}"


@dataclass(frozen=True)
class Budgets:
    """The budgets of a file, in its order."""

    file: str
    targets: tuple[Target, ...]
    budgets: tuple[Budget, ...]

    @cached_property
    def name(self) -> str:
        """The name of the folder of results."""
        return re.sub(r"[^A-Za-z0-9._-]+", "-", Path(self.file).stem)


@dataclass(frozen=True)
class Named:
    """A scenario, and what the file calls it."""

    name: str
    scenario: Scenario


def _load_scenario(given: Any) -> Named:
    if not isinstance(given, str):
        raise invalid(f"a scenario is a text: the name of a shipped one, or a scenario file; found {given!r}")
    try:
        return Named(given, load(given))
    except ScenarioError as error:
        raise invalid(str(error)) from None


def _check_seeds(given: Any) -> tuple[int, ...]:
    good = isinstance(given, list | tuple) and all(type(seed) is int and 0 <= seed < 2**63 for seed in given)
    if not good or not 1 <= len(given) <= MAX_SEEDS or len(set(given)) != len(given):
        raise invalid(f"seeds are a list of 1 to {MAX_SEEDS} whole numbers from 0 on, each once, such as [1, 2, 3]")
    return tuple(given)


def _check_tables(given: Any) -> Any:
    """Check the tables before they are read: a bad one must not be reported as none at all."""
    if not isinstance(given, list | tuple) or not 1 <= len(given) <= MAX_BUDGETS:
        raise invalid(f"budgets are 1 to {MAX_BUDGETS} tables, each under its own [[budget]]")
    return given


def _limits_of(metric: Metric) -> PlainValidator:
    return PlainValidator(lambda content: parse_limits(metric, content))


Seeds = Annotated[tuple[int, ...], PlainValidator(_check_seeds)]
ScenarioName = Annotated[Named, PlainValidator(_load_scenario)]
Limits = tuple[Limit, ...]


class _About(Spec):
    """A `[[budget]]`, without the tables of limits of its metrics, which are fields too.

    The file may give `scenario` and `seeds` for all. Without any seeds, they are the scenario's own.
    """

    scenario: ScenarioName | None = None
    arm: str
    track: Literal["video", "chat"] = "video"
    seeds: Seeds | None = None

    @model_validator(mode="before")
    @classmethod
    def _knows_former_names(cls, content: Any) -> Any:
        if isinstance(content, Mapping) and "delivered" in content:
            raise invalid("is called 'shown' now: shown = { min = '99%' }", "delivered")
        return content

    @model_validator(mode="after")
    def _holds_something(self) -> Self:
        if not any(getattr(self, name) for name in HELD):
            raise invalid(f"holds no metric; accepted: {', '.join(HELD)}, such as p95 = {{ max = '60ms' }}")
        if self.track != "video":
            for metric in HELD.values():
                if metric.video_only and getattr(self, metric.name):
                    names = ", ".join(name for name, held in HELD.items() if not held.video_only)
                    raise invalid(f"is a metric of the video; accepted for chat: {names}", metric.name)
        return self

    def target(self, scenario: Named | None = None, seeds: tuple[int, ...] | None = None) -> Target:
        """What it is about; `scenario` and `seeds` are those of the file. Raises an error of the schema."""
        named = self.scenario or scenario
        if named is None:
            raise invalid("names no scenario, and neither does the file: scenario = 'loss', or a scenario file")
        labels = [arm.label for arm in named.scenario.arms]
        if self.arm not in labels:
            raise invalid(f"{unknown('arm', self.arm, labels)} (the arms of scenario {named.name})", "arm")
        if self.track == "chat" and named.scenario.chat is None:
            raise invalid(f"scenario {named.name} has no chat; accepted is 'video'", "track")
        seeds = self.seeds or seeds or (named.scenario.seed,)
        return Target(
            named.name,
            named.scenario,
            self.arm,
            self.track,
            seeds,
            floor=any(getattr(self, metric.name) for metric in HELD.values() if metric.against_floor),
        )

    def budgets(self, target: Target) -> list[Budget]:
        """Its limits, one by one."""
        return [Budget(target, metric, limit) for metric in HELD.values() for limit in getattr(self, metric.name)]


_METRICS: dict[str, Any] = {name: (Annotated[Limits, _limits_of(metric)], ()) for name, metric in HELD.items()}
if TYPE_CHECKING:
    BudgetSpec = _About
else:
    BudgetSpec = create_model("BudgetSpec", __base__=_About, **_METRICS)


class BudgetsSpec(Spec):
    """A file of budgets."""

    scenario: ScenarioName | None = None
    seeds: Seeds | None = None
    budget: Annotated[tuple[BudgetSpec, ...], Field(strict=False), BeforeValidator(_check_tables)]

    @model_validator(mode="after")
    def _each_target_once(self) -> Self:
        seen: dict[tuple[str, str, str], int] = {}
        for index, target in enumerate(self.targets()):
            if seen.setdefault((target.name, target.arm, target.track), index) != index:
                raise invalid(f"there are two budgets of {target}; put all its metrics into one", "budget", index)
        return self

    def targets(self) -> list[Target]:
        """What is measured, in the order of the file. Raises an error of the schema."""
        targets = []
        for index, budget in enumerate(self.budget):
            try:
                targets.append(budget.target(self.scenario, self.seeds))
            except ValueError as error:
                if not hasattr(error, "context"):
                    raise
                context = error.context or {}
                raise invalid(str(context.get("message")), "budget", index, *context.get("path", ())) from None
        return targets


def load_budgets(path: str | Path) -> Budgets:
    """The budgets of a TOML file. Raises BudgetError."""
    path = Path(path)
    try:
        text = read_text(path, what="file of budgets", error=BudgetError)
    except FileNotFoundError:
        raise BudgetError(f"there is no file {path}; expected a file of budgets (TOML)") from None
    return parse_budgets(text, str(path))


def parse_budgets(text: str, file: str) -> Budgets:
    """The budgets of a TOML text; `file` is its name in messages. Raises BudgetError."""
    spec = parse_model(BudgetsSpec, text, file=file, what="file of budgets", error=BudgetError)
    targets = spec.targets()
    budgets = [one for table, target in zip(spec.budget, targets, strict=True) for one in table.budgets(target)]
    return Budgets(file, tuple(targets), tuple(budgets))


def single_budget(fields: Mapping[str, Any], *, name: str) -> Budgets:
    """The budgets of one `[[budget]]` as a dict. Raises BudgetError."""
    try:
        spec = BudgetsSpec.model_validate({"budget": [dict(fields)]})
    except ValidationError as error:
        raise BudgetError(first_sentence(error).removeprefix("budget[0]").lstrip(".: ")) from None
    target = spec.targets()[0]
    return Budgets(name, (target,), tuple(spec.budget[0].budgets(target)))
