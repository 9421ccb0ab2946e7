"""What is kept of the cells of results: a row of the summary for each, and its records and frames on demand."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from glassbench.experiments.account.metrics import floor_ratio
from glassbench.experiments.results.axis_numbers import with_numbers
from glassbench.experiments.results.json_form import numbers_of
from glassbench.experiments.results.summary_table import AXIS, TEXTS
from glassbench.experiments.results.tables import Tables
from glassbench.experiments.scenario.spec import FLOOR


@dataclass(frozen=True, eq=False)
class Cells:
    """The cells of results. Times in the rows are in ms; a time that never came is infinite."""

    path: Path
    manifest: dict[str, Any]
    tables: Tables

    @property
    def name(self) -> str:
        """The name of the plan."""
        return str(self.manifest["name"])

    @property
    def complete(self) -> bool:
        """Whether all cells are there: false for one run that broke off."""
        return bool(self.manifest.get("complete"))

    @cached_property
    def rows(self) -> pd.DataFrame:
        """A row per cell: `cell, arm, seed, outcome, reason`, a column `axis.NAME` per axis with its numbers
        in SI units behind it (`axis_numbers.py`), the numbers, and
        `floor_ratio`, the p95 over that of the floor if the plan has one. The floor's own rows are in it."""
        table = _with_floor_ratio(self.tables.summary())
        axes = {name.removeprefix(AXIS): name for name in map(str, table) if name.startswith(AXIS)}
        return with_numbers(table, axes)

    def frames(self, name: str, cells: Sequence[int] | None = None, columns: list[str] | None = None) -> pd.DataFrame:
        """The "ledger", "links", "flows" or "estimates" of these cells (all by default), or some columns of it."""
        return self.tables.frames(name, cells, columns)

    def records(self, name: str) -> dict[int, Any]:
        """The `flow_numbers`, `notes`, `stats`, `impairments` or the `scenario` of each cell: a list or a dict, empty
        where a file of somebody else holds anything but that."""
        return {cell: _parsed(text, TEXTS[name]) for cell, text in self.tables.texts(name).items()}

    @cached_property
    def flow_records(self) -> dict[int, list[dict[str, Any]]]:
        """The records of the flows by cell, with the numbers of each."""
        return {
            cell: [numbers_of(record) for record in records if isinstance(record, dict)]
            for cell, records in self.records("flow_numbers").items()
        }

    def counters(self) -> list[dict[str, Any]]:
        """Per cell, in the order of the plan: what both ends counted, in tables `sender` and `receiver`, and what the
        run noted besides. Empty for a cell that was not measured."""
        return [stats for _, stats in sorted(self.records("stats").items())]

    def scenario_of_all(self) -> dict[str, Any]:
        """The scenario that was repeated over the seeds: the one in the manifest, or that of the first cell."""
        kept = self.manifest.get("scenario")
        if isinstance(kept, dict):
            return kept
        of_first = next(iter(self.tables.texts("scenario").values()), "")
        scenario: dict[str, Any] = _parsed(of_first, dict)
        return scenario


def _parsed(text: str, kind: type) -> Any:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        return kind()
    return content if isinstance(content, kind) else kind()


def _with_floor_ratio(table: pd.DataFrame) -> pd.DataFrame:
    keys = [name for name in map(str, table) if name.startswith(AXIS)] + ["seed"]
    floors = table.loc[table["arm"] == FLOOR, [*keys, "g2g_p95_ms"]].rename(columns={"g2g_p95_ms": "_floor"})
    if floors.empty:
        return table.assign(floor_ratio=pd.Series([None] * len(table), dtype="Float64"))
    merged = table.merge(floors, on=keys, how="left", sort=False)
    pairs = zip(_nullable(merged["g2g_p95_ms"]), _nullable(merged["_floor"]), strict=True)
    ratios = pd.Series([floor_ratio(p95, floor) for p95, floor in pairs], index=merged.index, dtype="Float64")
    return merged.drop(columns="_floor").assign(floor_ratio=ratios)


def _nullable(column: pd.Series) -> list[float | None]:
    return [None if pd.isna(value) else float(value) for value in column]
