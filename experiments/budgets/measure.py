"""Measures what budgets are about: it runs a plan of their cells into a folder of results, and reads the numbers there.

The folder is named after the budgets and a digest of what is run and with which version of the program. So the same
check of the same code finds its results, and changed code never meets older ones.
"""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from glassbench.experiments.account.ledger import FATES
from glassbench.experiments.account.metric_table import Metric, Runs
from glassbench.experiments.account.metrics import PERCENTILES, too_few
from glassbench.experiments.budgets.fingerprint import fingerprint
from glassbench.experiments.budgets.profile import Profile, percentile_profile, shown_profile
from glassbench.experiments.budgets.spec import TRACKS, Budgets, Target
from glassbench.experiments.budgets.value import HELD, Value
from glassbench.experiments.engine.plan import Cell, Plan, checked
from glassbench.experiments.engine.plan_run import run_plan
from glassbench.experiments.engine.progress import Advance, unwatched
from glassbench.experiments.results.dataset import Dataset
from glassbench.experiments.results.notes import told
from glassbench.experiments.results.versions import versions
from glassbench.experiments.scenario.flow_spec import MEDIA
from glassbench.experiments.scenario.spec import FLOOR
from glassbench.experiments.worlds.table import VIRTUAL
from glassbench.experiments.worlds.world import World

SCENARIO_AXIS = "scenario"

Frames = Sequence[pd.DataFrame]
"""The ledger of one track, run by run."""


@dataclass(frozen=True)
class TargetNumbers:
    """What was measured of a target.

    `values` has its metrics by name. `profiles` has the stages of the frames around a percentile, for each metric that
    is made of one, and `shown` the stages of all shown frames. `fates` counts frames.
    """

    fingerprint: str
    fates: dict[str, int]
    values: dict[str, Value]
    profiles: dict[str, Profile]
    shown: Profile

    @property
    def captured(self) -> int:
        return sum(self.fates.values())


@dataclass(frozen=True)
class Measured:
    """What was measured of all targets, in which `world`. `missing` has one sentence for each target that was not
    measured, `notes` what has to be said of the others beside their numbers."""

    path: Path
    world: str
    versions: dict[str, str]
    numbers: dict[Target, TargetNumbers]
    missing: dict[Target, str]
    notes: tuple[str, ...] = ()

    @property
    def exact(self) -> bool:
        """Whether the same code gives the same numbers."""
        return self.world == VIRTUAL.words


def measure(
    budgets: Budgets,
    results: Path,
    *,
    world: World = VIRTUAL,
    workers: int | None = None,
    progress: Advance = unwatched,
    command: Sequence[str] = (),
) -> Measured:
    """Run what is not there yet, and read the numbers. In a `world` that is not exact everything runs again. Raises
    BudgetError, ResultsError, OSError without the world, and Interrupted after Ctrl-C."""
    plan = replace(plan_of(budgets), world=world)
    made_with = versions()
    decides = [plan.fingerprint, [fingerprint(target) for target in budgets.targets], made_with]
    digest = hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()[:12]
    path = results / f"{plan.name}-{digest}"
    dataset = run_plan(plan, path, workers=workers, fresh=not world.exact, progress=progress, command=command)
    return read(dataset, budgets)


def plan_of(budgets: Budgets) -> Plan:
    """A plan with each cell once, although several targets may need it."""
    cells: dict[tuple[str, str, int], Cell] = {}
    for target in budgets.targets:
        place = {SCENARIO_AXIS: target.name}
        for seed in target.seeds:
            seeded = target.scenario.model_copy(update={"seed": seed})
            arm = seeded.model_copy(update={"arms": (seeded.arm(target.arm),)})
            cells.setdefault((target.name, target.arm, seed), Cell(place, arm))
            if target.floor:
                cells.setdefault((target.name, FLOOR, seed), Cell(place, seeded.floor()))
    name = budgets.name if budgets.name.startswith("budget") else f"budgets-{budgets.name}"
    quality = any(budget.metric.of_pictures for budget in budgets.budgets)
    return checked(Plan(name, tuple(cells.values()), frames=True, quality=quality))


def read(dataset: Dataset, budgets: Budgets) -> Measured:
    """The numbers of each target, from a dataset of the plan of these budgets. Raises ResultsError."""
    numbers: dict[Target, TargetNumbers] = {}
    missing: dict[Target, str] = {}
    notes: list[tuple[str, list[str]]] = []
    for target in budgets.targets:
        rows = {arm: _rows(dataset, target, arm) for arm in (target.arm, *((FLOOR,) if target.floor else ()))}
        if lacking := [sentence for table in rows.values() if (sentence := _not_measured(table))]:
            missing[target] = lacking[0]
            continue
        notes += [(str(target), _notes(dataset, row)) for row in rows[target.arm].to_dict("records")]
        runs, *floor = (_frames(dataset, table, target) for table in rows.values())
        numbers[target] = count(target, runs, floor[0] if floor else None)
    world = str(dataset.manifest.get("world"))
    said = (*dataset.overlap_notes, *told(notes))
    return Measured(dataset.path, world, dict(dataset.manifest["versions"]), numbers, missing, said)


def count(target: Target, runs: Frames, floor: Frames | None) -> TargetNumbers:
    """The numbers of a target from the frames of its runs, and of its floor in the same order."""
    metrics = [metric for metric in HELD.values() if _has(target, metric)]
    picture_floor = target.scenario.video.picture_floor
    values = {}
    for metric in metrics:
        floors = [None] * len(runs) if floor is None else [[frames] for frames in floor]
        each = (
            metric.of(Runs([frames], floor=below, picture_floor=picture_floor))
            for frames, below in zip(runs, floors, strict=True)
        )
        pooled = metric.of(Runs(runs, floor=floor, picture_floor=picture_floor))
        if not math.isnan(pooled):
            values[metric.name] = Value(pooled, tuple(run for run in each if not math.isnan(run)))
    frames = pd.concat(list(runs), ignore_index=True)
    fates = frames["fate"].value_counts()
    return TargetNumbers(
        fingerprint=fingerprint(target),
        fates={fate: int(fates.get(fate, 0)) for fate in FATES},
        values=values,
        profiles={m.name: percentile_profile(frames, m.share) for m in metrics if m.share is not None},
        shown=shown_profile(frames),
    )


def _has(target: Target, metric: Metric) -> bool:
    return not (metric.video_only and target.track != "video") and (target.floor or not metric.against_floor)


def _rows(dataset: Dataset, target: Target, arm: str) -> pd.DataFrame:
    table = dataset.where(arm=arm, **{SCENARIO_AXIS: target.name})
    return table.set_index("seed", drop=False).loc[list(target.seeds)]


def _not_measured(rows: pd.DataFrame) -> str | None:
    for row in rows.to_dict("records"):
        if row["outcome"] != "measured":
            return f"{row['arm']} with seed {row['seed']}: {row['outcome']}: {row['reason']}"
    return None


def _notes(dataset: Dataset, row: Mapping[Any, Any]) -> list[str]:
    """What is said of the runs. That a run has few frames is left out: a budget is about the frames of all its runs
    together."""
    few = [
        too_few(int(row[name]), PERCENTILES, what)
        for name, what in (("captured", "frame"), ("chat_sent", "message"))
        if not pd.isna(row[name])
    ]
    return [note for note in dataset.notes_by_cell[int(row["cell"])] if note not in few]


def _frames(dataset: Dataset, rows: pd.DataFrame, target: Target) -> list[pd.DataFrame]:
    cells = rows["cell"].tolist()
    ledger = dataset.frames("ledger", cells)
    ledger = ledger[(ledger["flow"] == MEDIA) & (ledger["track"] == TRACKS[target.track])]
    return [ledger[ledger["cell"] == cell] for cell in cells]
