"""The tables of a dataset: merged, when it is complete, or still cell by cell, when it broke off."""

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import pandas as pd
import pyarrow.dataset as ds

from glassbench.experiments.account.arm_result import ESTIMATE_TYPES, FLOW_TYPES, LEDGER_TYPES, LINK_TYPES
from glassbench.experiments.results.arm_folder import read_record
from glassbench.experiments.results.dataset_folder import cell_place
from glassbench.experiments.results.files import ResultsError, parquet_errors, read_table
from glassbench.experiments.results.parquet import column_names, read_columns
from glassbench.experiments.results.summary_table import AXIS, IDENTITY, NUMBERS, summary_table

FRAMES = {"ledger": LEDGER_TYPES, "links": LINK_TYPES, "flows": FLOW_TYPES, "estimates": ESTIMATE_TYPES}
"""The tables that a dataset keeps of each cell, if it keeps its frames, and their columns."""


class Tables(Protocol):
    """Where a dataset finds its tables. Raises ResultsError."""

    def summary(self) -> pd.DataFrame:
        """A row per cell: IDENTITY, the axes, NUMBERS."""

    def texts(self, name: str) -> dict[int, str]:
        """A column of JSON of the summary, by cell."""

    def frames(self, name: str, cells: Sequence[int] | None, columns: Sequence[str] | None) -> pd.DataFrame:
        """A table of FRAMES of these cells (None: all), with the column `cell` in front."""


class Merged:
    """The tables of a complete dataset, which keeps its `frames` or not."""

    def __init__(self, path: Path, *, frames: bool) -> None:
        self._path = path
        self._keeps_frames = frames
        self._summary = path / "summary.parquet"

    def summary(self) -> pd.DataFrame:
        with parquet_errors(self._summary):
            names = column_names(self._summary)
        columns = [name for name in names if name in (*IDENTITY, *NUMBERS) or name.startswith(AXIS)]
        return read_table(self._summary, {**IDENTITY, **NUMBERS}, columns=columns)

    def texts(self, name: str) -> dict[int, str]:
        with parquet_errors(self._summary):
            table = read_columns(self._summary, ["cell", name])
        return dict(zip(map(int, table["cell"].to_pylist()), map(str, table[name].to_pylist()), strict=True))

    def frames(self, name: str, cells: Sequence[int] | None, columns: Sequence[str] | None) -> pd.DataFrame:
        file = self._path / f"{name}.parquet"
        if not self._keeps_frames:
            raise ResultsError(f"{self._path} keeps no frames of its cells, only their summaries")
        chosen = None if cells is None else ds.field("cell").isin([int(cell) for cell in cells])
        types = {"cell": "int32", **FRAMES[name]}
        with parquet_errors(file):
            names = column_names(file)
            if names != ["cell"]:  # which is all that a table has of which no cell has rows
                _check_columns(file, types if columns is None else columns, names)
            table = read_columns(file, columns, rows=chosen)
        rows_read: pd.DataFrame = table.to_pandas()
        return _typed(file, rows_read, types) if columns is None and len(rows_read) else rows_read


class Loose:
    """The tables of one run that broke off: of the cells that were kept, and a row for each of the others."""

    def __init__(self, path: Path, arms: Sequence[str], seed: int, scenario: Mapping[str, Any]) -> None:
        self._path = path
        self._arms = arms
        self._seed = seed
        self._scenario = scenario

    def summary(self) -> pd.DataFrame:
        return self._table[[*IDENTITY, *NUMBERS]]

    def texts(self, name: str) -> dict[int, str]:
        return dict(zip(self._table["cell"].tolist(), self._table[name].tolist(), strict=True))

    def frames(self, name: str, cells: Sequence[int] | None, columns: Sequence[str] | None) -> pd.DataFrame:
        parts = []
        for index in range(len(self._arms)):
            file = cell_place(self._path, index) / f"{name}.parquet"
            if (cells is None or index in cells) and self._records[index]["outcome"] != "not run" and file.exists():
                part = read_table(file, FRAMES[name])
                part.insert(0, "cell", pd.Series([index] * len(part), dtype="int32"))
                parts.append(part)
        types = {"cell": "int32", **FRAMES[name]}
        empty = pd.DataFrame({column: pd.Series(dtype=kind) for column, kind in types.items()})
        table = pd.concat(parts, ignore_index=True) if parts else empty
        return table if columns is None else table[list(columns)]

    @cached_property
    def _table(self) -> pd.DataFrame:
        return summary_table(self._records, {})

    @cached_property
    def _records(self) -> list[dict[str, Any]]:
        return [self._record(index, arm) for index, arm in enumerate(self._arms)]

    def _record(self, index: int, arm: str) -> dict[str, Any]:
        record = read_record(cell_place(self._path, index))
        if record is None:
            record = {"outcome": "not run", "reason": "the run broke off before this arm was kept"}
        about: dict[str, Any] = {"cell": index, "axes": {}, "arm": arm, "seed": self._seed, "scenario": self._scenario}
        empty: dict[str, Any] = {
            "reason": None,
            "summary": {},
            "flow_numbers": [],
            "notes": [],
            "stats": {},
            "impairments": {},
        }
        return {**empty, **record, **about}


def parsed(text: str, kind: type[Any]) -> Any:
    """The JSON object or list that a text holds; an empty one if it holds something else."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        return kind()
    return content if isinstance(content, kind) else kind()


def _check_columns(file: Path, wanted: Iterable[str], names: Sequence[str]) -> None:
    if missing := [name for name in wanted if name not in names]:
        raise ResultsError(f"{file} has no column {', '.join(missing)}; found are {', '.join(names)}")


def _typed(file: Path, table: pd.DataFrame, types: Mapping[str, str]) -> pd.DataFrame:
    try:
        return table.astype(dict(types))
    except (TypeError, ValueError) as error:
        first = (str(error).splitlines() or [type(error).__name__])[0].rstrip(". ")
        raise ResultsError(f"{file} has a column of another type than expected: {first}") from None
