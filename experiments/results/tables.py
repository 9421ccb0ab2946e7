"""The tables of a dataset: merged, when it is complete, or still cell by cell, when it broke off."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import pandas as pd
import pyarrow.dataset as ds

from glassbench.experiments.account.arm_result import TABLES
from glassbench.experiments.results.arm_folder import read_record
from glassbench.experiments.results.dataset_folder import cell_place
from glassbench.experiments.results.files import ResultsError
from glassbench.experiments.results.parquet import column_names, read_columns
from glassbench.experiments.results.summary_table import AXIS, IDENTITY, NUMBERS, TEXTS, summary_table
from glassbench.experiments.results.table_files import parquet_errors, read_table


class Tables(Protocol):
    """Where a dataset finds its tables. Raises ResultsError."""

    def summary(self) -> pd.DataFrame:
        """A row per cell: IDENTITY, the axes, NUMBERS."""

    def texts(self, name: str) -> dict[int, str]:
        """A column of JSON of the summary, by cell."""

    def frames(self, name: str, cells: Sequence[int] | None, columns: Sequence[str] | None) -> pd.DataFrame:
        """A table of TABLES of these cells (None: all), with the column `cell` in front."""


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
        with parquet_errors(file):
            if column_names(file) == ["cell"]:  # which is all that a table has of which no cell has rows
                return _empty(name, columns)
        rows = None if cells is None else ds.field("cell").isin([int(cell) for cell in cells])
        return read_table(file, _types(name, columns), columns=columns, rows=rows)


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
        for index, record in enumerate(self._records):
            file = cell_place(self._path, index) / f"{name}.parquet"
            if (cells is None or index in cells) and record["outcome"] != "not run" and file.exists():
                part = read_table(file, TABLES[name])
                part.insert(0, "cell", pd.Series([index] * len(part), dtype="int32"))
                parts.append(part if columns is None else part[list(columns)])
        return pd.concat(parts, ignore_index=True) if parts else _empty(name, columns)

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
        about = {"cell": index, "axes": {}, "arm": arm, "seed": self._seed, "scenario": self._scenario}
        empty = {"reason": None, "summary": {}, **{name: kind() for name, kind in TEXTS.items()}}
        return {**empty, **record, **about}


def _types(name: str, columns: Sequence[str] | None) -> dict[str, str]:
    types = {"cell": "int32", **TABLES[name]}
    return types if columns is None else {column: types[column] for column in columns}


def _empty(name: str, columns: Sequence[str] | None) -> pd.DataFrame:
    return pd.DataFrame({column: pd.Series(dtype=kind) for column, kind in _types(name, columns).items()})
