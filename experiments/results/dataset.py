"""Opening a dataset: `load_dataset(path)` gives the summary of its cells at once, and their frames on demand."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
from numpy.typing import NDArray

from glassbench.experiments.account.metrics import floor_ratio, glass_to_glass
from glassbench.experiments.results.files import ResultsError, parquet_errors, read_json, read_table
from glassbench.experiments.results.notes import NO_FLOOR, told
from glassbench.experiments.results.parquet import column_names, read_columns
from glassbench.experiments.results.schema import check_schema
from glassbench.experiments.results.statistics.windows import Overlap
from glassbench.experiments.results.summary_table import AXIS, IDENTITY, NUMBERS
from glassbench.experiments.results.trace_windows import overlap_of
from glassbench.experiments.scenario.spec import FLOOR
from glassbench.experiments.scenario.tracks import VIDEO_TRACK

Kind = TypeVar("Kind", dict[str, Any], list[Any])


@dataclass(frozen=True, eq=False)
class Dataset:
    """Many cells: arms over seeds and axes. Times in the summary are in ms, infinite for what never came."""

    path: Path
    manifest: dict[str, Any]

    @property
    def name(self) -> str:
        """The name of the plan."""
        return str(self.manifest["name"])

    @cached_property
    def summary(self) -> pd.DataFrame:
        """A row per cell: `cell, arm, seed, outcome, reason`, a column `axis.NAME` per axis, the numbers, and
        `floor_ratio`, the p95 over that of the floor if the plan has one. The floor's own rows are in it."""
        file = self.path / "summary.parquet"
        columns = [name for name in _columns(file) if name in (*IDENTITY, *NUMBERS) or name.startswith(AXIS)]
        table = read_table(file, {**IDENTITY, **NUMBERS}, columns=columns)
        return _with_floor_ratio(table)

    @cached_property
    def axes(self) -> list[str]:
        """The names of the axes, without `axis.` in front."""
        return [name.removeprefix(AXIS) for name in map(str, self.summary) if name.startswith(AXIS)]

    @cached_property
    def arms(self) -> list[str]:
        """The labels of the arms, without the floor."""
        return [arm for arm in dict.fromkeys(self.summary["arm"].tolist()) if arm != FLOOR]

    @cached_property
    def overlap(self) -> Overlap | None:
        """How far its runs replay the same parts of recorded traces; None without recorded traces."""
        return overlap_of(self.manifest)

    @property
    def overlap_notes(self) -> list[str]:
        """How many runs share a part of a recorded trace, if any do."""
        return [self.overlap.sentence] if self.overlap is not None and self.overlap.sentence else []

    @property
    def dependent(self) -> str:
        """Why its runs are not independent of each other, so that no interval can be had of them; empty if they are."""
        return "" if self.overlap is None else self.overlap.dependent

    def where(self, **fields: Any) -> pd.DataFrame:
        """The rows of the summary in which these columns, or axes by their name, have these values.

        `where(arm="rtp", **{"network.delay": "10ms"})`. Raises KeyError for an unknown name.
        """
        table = self.summary
        for name, value in fields.items():
            table = table[(table[f"{AXIS}{name}"] if name in self.axes else table[name]) == value]
        return table

    def medians(self) -> pd.DataFrame:
        """A row per point of the axes and arm (the floor's too), in the order of the plan.

        Columns: each axis by its name, `arm`, `runs` (measured ones), and the median over seeds of each number and of
        `shown`, the share of frames that were displayed. It is pandas' own: the mean of the middle two of an even
        number of runs, infinite if one of them is; runs in which a number is undefined are left out.
        """
        table = self.summary[self.summary["outcome"] == "measured"]
        table = table.rename(columns={f"{AXIS}{axis}": axis for axis in self.axes})
        table = table.assign(shown=(table["displayed"] / table["captured"]).astype("Float64"))
        groups = table.groupby([*self.axes, "arm"], sort=False, dropna=False)
        medians = groups[[*NUMBERS, "floor_ratio", "shown"]].median()
        medians.insert(0, "runs", groups.size())
        return medians.reset_index()

    def ledger(self, cells: Sequence[int] | None = None) -> pd.DataFrame:
        """The ledgers of these cells (all by default): `cell, arm` and the columns of a run's ledger."""
        return self._frames("ledger", cells)

    def links(self, cells: Sequence[int] | None = None) -> pd.DataFrame:
        """The link tables of these cells (all by default)."""
        return self._frames("links", cells)

    def latencies(self, cells: Sequence[int], *, track: int = VIDEO_TRACK) -> list[NDArray[np.float64]]:
        """Per cell, in the order given: glass-to-glass latency of each captured frame in seconds, infinite if it was
        never shown."""
        columns = ["cell", "track", "captured_at", "displayed_at"]
        ledger = self._frames("ledger", cells, columns)
        frames = ledger[ledger["track"] == track]
        return [glass_to_glass(frames[frames["cell"] == cell]) for cell in cells]

    def scenario(self, cell: int) -> str:
        """The scenario of a cell with its axes, as JSON."""
        table = self._texts("scenario")
        return str(table.filter(pa.compute.equal(table["cell"], cell))["scenario"][0])

    def counters(self) -> list[dict[str, Any]]:
        """Per cell, in the order of the plan: what both ends counted, in tables `sender` and `receiver`, and what the
        run noted besides. Empty for a cell that was not measured."""
        return [json.loads(str(text)) for text in self._texts("stats").sort_by("cell")["stats"]]

    @cached_property
    def notes(self) -> list[str]:
        """What has to be said beside the numbers: of runs that overlap, and of the arms, over all measured cells; not
        of the floor."""
        cells = self.summary[(self.summary["arm"] != FLOOR) & (self.summary["outcome"] == "measured")]
        of_arms = told((arm, self.notes_by_cell[cell]) for arm, cell in zip(cells["arm"], cells["cell"], strict=True))
        return [*self.overlap_notes, *of_arms, *self._floor_notes()]

    @cached_property
    def notes_by_cell(self) -> dict[int, list[str]]:
        """The notes of each cell."""
        table = self._texts("notes")
        texts = zip(table["cell"].to_pylist(), table["notes"].to_pylist(), strict=True)
        return {int(cell): _parsed(text, list) for cell, text in texts}

    def impairments(self) -> dict[int, dict[str, Any]]:
        """By cell: what each direction was commanded to do and what it did, in packets. Empty for a cell that was not
        measured."""
        table = self._texts("impairments")
        texts = zip(table["cell"].to_pylist(), table["impairments"].to_pylist(), strict=True)
        return {int(cell): _parsed(text, dict) for cell, text in texts}

    def scenario_of_all(self) -> dict[str, Any]:
        """What was repeated over the seeds: the scenario that the manifest keeps, or that of the first cell."""
        kept = self.manifest.get("scenario")
        if isinstance(kept, dict):
            return kept
        return _parsed(self.scenario(int(self.summary["cell"].iloc[0])), dict) if len(self.summary) else {}

    def _floor_notes(self) -> list[str]:
        floors = self.summary.loc[self.summary["arm"] == FLOOR, "g2g_p95_ms"]
        without = int((floors == np.inf).sum())
        if not without:
            return []
        return [f"in {without} of {len(floors)} runs {NO_FLOOR}; p95 / floor is the median over the others"]

    def _texts(self, name: str) -> pa.Table:
        file = self.path / "summary.parquet"
        with parquet_errors(file):
            return read_columns(file, ["cell", name])

    def _frames(self, name: str, cells: Sequence[int] | None, columns: list[str] | None = None) -> pd.DataFrame:
        file = self.path / f"{name}.parquet"
        if not file.is_file():
            raise ResultsError(f"{self.path} keeps no frames of its cells, only their summaries")
        chosen = None if cells is None else ds.field("cell").isin([int(cell) for cell in cells])
        with parquet_errors(file):
            table: pd.DataFrame = read_columns(file, columns, rows=chosen).to_pandas()
        return table


def _parsed(text: object, kind: type[Kind]) -> Kind:
    """The JSON object or list that a text holds; an empty one if it holds something else."""
    try:
        found = json.loads(str(text))
    except (ValueError, RecursionError):
        return kind()
    return found if isinstance(found, kind) else kind()


def load_dataset(path: str | Path) -> Dataset:
    """Open the folder of a dataset. Raises ResultsError: one sentence with the file."""
    path = Path(path)
    if not path.is_dir():
        raise ResultsError(f"{path} is not the folder of a dataset; expected a folder with manifest.json in it")
    manifest = read_json(path / "manifest.json")
    if manifest.get("kind") != "dataset":
        raise ResultsError(f"{path} holds a run, not a dataset; open it with load")
    check_schema(path / "manifest.json", manifest)
    if not isinstance(manifest.get("name"), str):
        raise ResultsError(f"{path / 'manifest.json'} has no field 'name' with a text")
    if not manifest.get("complete"):
        raise ResultsError(f"{path} is not complete; it goes on where it stopped by: {_command(manifest)}")
    return Dataset(path, manifest)


def _command(manifest: dict[str, Any]) -> str:
    command = manifest.get("command")
    return " ".join(map(str, command)) if isinstance(command, list) and command else "run it again"


def _columns(file: Path) -> list[str]:
    with parquet_errors(file):
        return column_names(file)


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
