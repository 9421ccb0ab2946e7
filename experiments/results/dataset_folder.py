"""A dataset on disk while it is made: each cell in a folder of its own as it ends, merged into tables at the end.

    manifest.json                    the plan's name and fingerprint, versions, command line, whether it is complete
    cells/000042/                    the result of one cell, see `arm_folder`   } until the dataset is complete,
    summary.parquet                  a row per cell                             } then merged into:
    ledger.parquet, links.parquet    if frames are kept: a row group per cell

Whatever ends the process, finished cells stay. Opened again for the same plan, only the others are to be run.
"""

import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from experiments.results.arm_folder import read_record
from experiments.results.files import ResultsError, make_folder, read_json, whole_file, write_json, write_table
from experiments.results.summary_table import summary_table

DATASET_SCHEMA = 1
FINISHED = ("measured", "unsupported", "failed")

_LOCK = ".lock"


@contextmanager
def dataset_folder(path: Path, manifest: Mapping[str, Any]) -> Iterator[None]:
    """Make the folder of a dataset, or open it again to go on, and keep every other process out meanwhile.

    `manifest` has at least `name`, `fingerprint` and `versions`. Raises ResultsError if there is something else at
    `path`: a run, another plan of that name, or what another version of the program left unfinished.
    """
    make_folder(path, exist_ok=True)
    with _locked(path):
        if (path / "manifest.json").exists():
            _check_same(path, read_json(path / "manifest.json"), manifest)
        elif any(item.name != _LOCK for item in path.iterdir()):
            raise ResultsError(f"cannot write results to {path}: it exists and is not the folder of a dataset")
        else:
            write_json(
                path / "manifest.json",
                {"schema": DATASET_SCHEMA, "kind": "dataset", **manifest, "complete": False},
            )
        yield


def is_complete(path: Path) -> bool:
    """Whether all cells are merged already. Raises ResultsError."""
    return bool(read_json(path / "manifest.json").get("complete"))


def cell_place(path: Path, index: int) -> Path:
    """Where the result of a cell is kept until the dataset is complete."""
    return path / "cells" / f"{index:06d}"


def finished_cells(path: Path, count: int) -> set[int]:
    """The cells that need not be run again. Raises ResultsError."""
    done = set()
    for index in range(count):
        record = read_record(cell_place(path, index))
        if record is not None and record.get("outcome") in FINISHED:
            done.add(index)
    return done


def finish(path: Path, cells: Sequence[Mapping[str, Any]], *, frames: bool) -> None:
    """Merge all cells and mark the dataset complete. `cells` has `axes`, `arm`, `seed` and `scenario` of each.

    Only one cell's tables are in memory at a time. Raises ResultsError.
    """
    records = []
    for index, cell in enumerate(cells):
        record = read_record(cell_place(path, index))
        if record is None:
            raise ResultsError(f"{cell_place(path, index)} has no result, so the dataset cannot be completed")
        records.append({"cell": index, **cell, **record})
    if frames:
        for name in ("ledger", "links"):
            _merge(path, name, len(cells))
    write_table(path / "summary.parquet", summary_table(records))
    write_json(path / "manifest.json", {**read_json(path / "manifest.json"), "complete": True})
    shutil.rmtree(path / "cells", ignore_errors=True)


def _merge(path: Path, name: str, count: int) -> None:
    """One table of all cells, a row group a cell, with its number in front. A cell that never ran has no rows."""
    with whole_file(path / f"{name}.parquet") as draft:
        writer: pq.ParquetWriter | None = None
        try:
            for index in range(count):
                file = cell_place(path, index) / f"{name}.parquet"
                if not file.exists():
                    continue
                table = pq.read_table(file, partitioning=None)
                numbers = pa.array([index] * table.num_rows, type=pa.int32())
                table = table.add_column(0, "cell", numbers).replace_schema_metadata(None)
                if writer is None:
                    writer = pq.ParquetWriter(draft, table.schema, compression="zstd")
                writer.write_table(table, row_group_size=max(1, table.num_rows))
        except pa.ArrowException as error:
            raise ResultsError(f"{path / 'cells'} holds a damaged table {name}.parquet: {error}") from None
        finally:
            if writer is not None:
                writer.close()
        if writer is None:
            pq.write_table(pa.table({"cell": pa.array([], type=pa.int32())}), draft)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """The lock ends with this process, however it ends."""
    try:
        lock = os.open(path / _LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise ResultsError(f"cannot write results to {path}: {error.strerror}") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise ResultsError(f"{path} is being written by another process; wait for it or name another folder") from None
    try:
        yield
    finally:
        (path / _LOCK).unlink(missing_ok=True)
        os.close(lock)


def _check_same(path: Path, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    if found.get("kind") != "dataset":
        raise ResultsError(f"{path} holds a run, not a dataset; name another folder")
    if found.get("schema") != DATASET_SCHEMA:
        raise ResultsError(
            f"{path} has schema {found.get('schema')!r}; this version of Glassbench reads {DATASET_SCHEMA}"
        )
    if found.get("fingerprint") != wanted["fingerprint"]:
        raise ResultsError(
            f"{path} holds other cells than this plan asks for ({found.get('cells')} of plan {found.get('name')!r}); "
            "remove that folder or name another one"
        )
    if found.get("complete"):
        return
    before, now = found.get("versions"), wanted["versions"]
    if before != json.loads(json.dumps(now)):
        differ = [name for name in now if not isinstance(before, dict) or before.get(name) != now[name]]
        raise ResultsError(
            f"{path} was begun with another version of {', '.join(differ)}; half of each would be no dataset: "
            "remove that folder or name another one"
        )
