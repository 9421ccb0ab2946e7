"""A dataset on disk while it is made: each cell in a folder of its own as it ends, merged into tables at the end.

    manifest.json                    the plan's name and fingerprint, versions, command line, whether it is complete
    cells/000042/                    the result of one cell, see `arm_folder`   } until the dataset is complete,
    summary.parquet                  a row per cell                             } then merged into:
    ledger.parquet                   if frames are kept: a row per frame of each cell,
    links.parquet, flows.parquet     per 100 ms of each link, and of each flow on it,
    estimates.parquet                and per 100 ms of the congestion control of each flow that has ours

Whatever ends the process, finished cells stay. Opened again for the same plan, only the others are to be run, and those
whose files a crash of the machine has damaged.
"""

import itertools
import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from glassbench.experiments.account.arm_result import TABLES
from glassbench.experiments.results.arm_folder import read_record
from glassbench.experiments.results.files import ResultsError, make_folder, read_json, whole_file, write_json
from glassbench.experiments.results.ownership import LOCK, MARK, locked
from glassbench.experiments.results.parquet import RefusedTable, read_columns
from glassbench.experiments.results.schema import SCHEMA, check_schema
from glassbench.experiments.results.summary_table import TEXTS, axis_types, summary_table

FINISHED = ("measured", "unsupported", "failed")

Describe = Callable[[int], Mapping[str, Any]]
"""What a plan says of a cell: `arm`, `seed` and `scenario`."""

_SUMMARY_ROWS = 1000
_ROWS = 10_000  # of the ledger or the links, in memory at a time


@contextmanager
def dataset_folder(path: Path, manifest: Mapping[str, Any]) -> Iterator[None]:
    """Make the folder of a dataset, or open it again to go on, and keep every other process out meanwhile.

    `manifest` has at least `name`, `fingerprint` and `versions`. Raises ResultsError if there is something else at
    `path`: another plan of that name, or what another version of the program left unfinished.
    """
    make_folder(path, exist_ok=True)
    with locked(path):
        _remove_drafts(path)
        _refuse_links(path)
        if (path / "manifest.json").exists():
            begun = read_json(path / "manifest.json")
            _check_same(path, begun, manifest)
            if begun.get("complete"):  # and killed before it had cleaned up
                shutil.rmtree(path / "cells", ignore_errors=True)
        elif any(item.name != LOCK for item in path.iterdir()):
            raise ResultsError(f"cannot write results to {path}: it exists and is not a folder of results")
        else:
            write_json(path / "manifest.json", {**MARK, "schema": SCHEMA, **manifest, "complete": False})
        yield


def new_place(path: Path) -> Path:
    """Make the folder `path`, or `path-2` and so on if it is taken: nothing that was measured is ever overwritten.
    Raises ResultsError."""
    make_folder(path.parent, exist_ok=True)
    for counter in range(1, 100_000):
        place = path if counter == 1 else path.with_name(f"{path.name}-{counter}")
        try:
            make_folder(place, exist_ok=False)
        except FileExistsError:
            continue
        return place
    raise ResultsError(f"{path.parent} has too many folders of the name {path.name}; remove some")


def is_complete(path: Path) -> bool:
    """Whether all cells are merged already. Raises ResultsError."""
    return bool(read_json(path / "manifest.json").get("complete"))


def cell_place(path: Path, index: int) -> Path:
    """Where the result of a cell is kept until the dataset is complete."""
    return path / "cells" / f"{index:06d}"


def finished_cells(path: Path, count: int, *, frames: bool) -> set[int]:
    """The cells that need not be run again. A cell that cannot be read is not among them."""
    return {index for index in range(count) if is_finished(path, index, frames=frames)}


def is_finished(path: Path, index: int, *, frames: bool) -> bool:
    """Whether a cell need not be run again."""
    return _finished_record(cell_place(path, index), frames=frames) is not None


def finish(path: Path, axes: Sequence[Mapping[str, Any]], describe: Describe, *, frames: bool) -> None:
    """Merge all cells and mark the dataset complete. `axes` has those of each cell.

    Only a few cells' tables are in memory at a time. Raises ResultsError.
    """
    if frames:
        for name in TABLES:
            _write(path / f"{name}.parquet", _joined(path, name, len(axes)))
    _write_summary(path, axes, describe, frames=frames)
    write_json(path / "manifest.json", {**read_json(path / "manifest.json"), "complete": True})
    shutil.rmtree(path / "cells", ignore_errors=True)


def _finished_record(place: Path, *, frames: bool) -> dict[str, Any] | None:
    """The record of a cell that seems whole; its tables are not read for this."""
    try:
        record = read_record(place)
    except ResultsError:
        return None
    if record is None or record.get("outcome") not in FINISHED:
        return None
    kinds = {"summary": dict, **TEXTS}
    if not all(isinstance(record.get(name), kind) for name, kind in kinds.items() if name != "scenario"):
        return None  # the scenario is not in the record: the plan has it
    tables = [place / f"{name}.parquet" for name in TABLES] if frames and record["outcome"] == "measured" else []
    return record if all(map(_has_footer, tables)) else None


def _has_footer(file: Path) -> bool:
    try:
        pq.read_metadata(file)
    except (pa.ArrowException, OSError):
        return False
    return True


def _write_summary(path: Path, axes: Sequence[Mapping[str, Any]], describe: Describe, *, frames: bool) -> None:
    """Write the summary. Only the rows of _SUMMARY_ROWS cells are in memory at a time."""
    types = axis_types(axes)

    def record_of(index: int) -> dict[str, Any]:
        record = _finished_record(cell_place(path, index), frames=frames)
        if record is None:
            raise ResultsError(
                f"{cell_place(path, index)} has no result that can be read, so the dataset cannot be completed; the "
                "same command runs that cell again"
            )
        return {"cell": index, "axes": axes[index], **record, **describe(index)}

    def parts() -> Iterator[pa.Table]:
        for start in range(0, len(axes), _SUMMARY_ROWS):
            records = [record_of(index) for index in range(start, min(start + _SUMMARY_ROWS, len(axes)))]
            table = pa.Table.from_pandas(summary_table(records, types), preserve_index=False)
            yield table.replace_schema_metadata(None)

    _write(path / "summary.parquet", parts())


def _write(file: Path, tables: Iterator[pa.Table]) -> None:
    """One table of these, each a row group of it."""
    nothing = pa.table({"cell": pa.array([], type=pa.int32())})
    with whole_file(file) as draft:
        first = next(tables, nothing)
        with pq.ParquetWriter(draft, first.schema, compression="zstd") as writer:
            for table in itertools.chain([first], tables):
                writer.write_table(table, row_group_size=max(1, table.num_rows))


def _joined(path: Path, name: str, count: int) -> Iterator[pa.Table]:
    """Tables of several cells as one, until there are _ROWS rows, with the number of the cell in front. A cell that
    never ran has no rows."""
    waiting: list[pa.Table] = []
    for index in range(count):
        file = cell_place(path, index) / f"{name}.parquet"
        if not file.exists():
            continue
        table = _read_cell(file)
        numbers = pa.array([index] * table.num_rows, type=pa.int32())
        waiting.append(table.add_column(0, "cell", numbers).replace_schema_metadata(None))
        if sum(table.num_rows for table in waiting) >= _ROWS:
            yield pa.concat_tables(waiting)
            waiting = []
    if waiting:
        yield pa.concat_tables(waiting)


def _read_cell(file: Path) -> pa.Table:
    """A table of a cell. A damaged one is removed, so that the next attempt runs the cell again."""
    try:
        return read_columns(file)
    except (pa.ArrowException, OSError, RefusedTable):
        with suppress(OSError):
            file.unlink()
        raise ResultsError(f"{file} is damaged; the same command runs that cell again") from None


def _refuse_links(path: Path) -> None:
    """Refuse links: cells are written into folders of the dataset, and never where a link in a stranger's folder
    leads."""
    cells = path / "cells"
    for folder in (cells, *(cells.iterdir() if cells.is_dir() else ())):
        if folder.is_symlink():
            raise ResultsError(f"{folder} is a link to elsewhere; nothing is written there: remove it, and go on")


def _remove_drafts(path: Path) -> None:
    """Delete what a killed process had begun to write. Nobody else writes here, since we hold the lock."""
    for draft in path.glob("*.part"):
        with suppress(OSError):
            draft.unlink()


def _check_same(path: Path, begun: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    check_schema(path, begun)
    if begun.get("fingerprint") != wanted["fingerprint"]:
        raise ResultsError(
            f"{path} holds other cells than this plan asks for ({begun.get('cells')} of plan {begun.get('name')!r}); "
            "remove that folder or name another one"
        )
    if begun.get("files", {}) != wanted.get("files", {}):
        raise ResultsError(
            f"{path} was begun with another content of a file that its scenarios name "
            f"({', '.join(wanted.get('files', {})) or 'it is gone'}); remove that folder or name another one"
        )
    before, now = begun.get("versions"), wanted["versions"]
    if before != json.loads(json.dumps(now)):
        differ = [name for name in now if not isinstance(before, dict) or before.get(name) != now[name]]
        raise ResultsError(
            f"{path} was made with another version of {', '.join(differ)}, so its cells cannot be gone on with: remove "
            "that folder or name another one"
        )
