"""All that stands below a results folder, opened as one: what is there, all summaries, and all frames on demand.

Nothing here reads a per-frame table: `runs` reads manifests, `summaries` the summaries beside them, and `frames` gives
a pyarrow Dataset that reads what a query asks for.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
from pyarrow import fs

from glassbench.experiments.results.dataset import load
from glassbench.experiments.results.files import ResultsError, read_json
from glassbench.experiments.results.ownership import is_ours, locked
from glassbench.experiments.results.schema import check_schema

MAX_DEPTH = 3  # results/EXPERIMENT/PLAN is two


@dataclass(frozen=True)
class Entry:
    """A folder with a manifest. `seeds` are those of one scenario, if it is one; `modified_at` is when the manifest was
    last written, in seconds since the epoch. `ours`: this program says in it that it made the folder. `damage` is one
    sentence if the manifest cannot be read, or is of another version of the results."""

    path: Path
    name: str
    seeds: tuple[int, ...]
    cells: int
    complete: bool
    source: str
    modified_at: float
    ours: bool = False
    damage: str | None = None

    def size_bytes(self) -> int:
        """How many bytes the folder has on the disk."""
        return sum(file.lstat().st_size for file in self.path.rglob("*") if file.is_file())


def runs(root: Path) -> list[Entry]:
    """All results below `root`, by path. A damaged one is in the list and says that it is. Raises ResultsError if
    `root` is no folder."""
    if not root.is_dir():
        raise ResultsError(f"{root} is not a folder; results are kept in a folder such as results/")
    return [_entry(folder) for folder in sorted(_folders(root, MAX_DEPTH))]


def summaries(entries: Sequence[Entry]) -> pd.DataFrame:
    """The summary of every cell of complete entries in one table.

    Columns: `folder`, those of a dataset's summary, and `axis.NAME` of all axes there are. An entry that cannot be read
    is left out; `runs` names it.
    """
    tables = [table for entry in entries if (table := _summary(entry)) is not None]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame({"folder": pd.Series(dtype="string")})


def frames(root: Path, entries: Sequence[Entry]) -> ds.Dataset:
    """The ledgers of these entries as one pyarrow Dataset, with the column `folder` (below `root`).

    Raises ResultsError if there is none.
    """
    files = [(entry, entry.path / "ledger.parquet") for entry in entries]
    files = [(entry, file) for entry, file in files if file.is_file()]
    if not files:
        raise ResultsError(f"nothing below {root} keeps the frames of its arms")
    try:
        schema = ds.dataset(str(files[0][1])).schema.append(pa.field("folder", pa.string()))
    except (pa.ArrowException, OSError) as error:
        raise ResultsError(f"{files[0][1]} is not a readable Parquet file: {error}") from None
    format, system = ds.ParquetFileFormat(), fs.LocalFileSystem()
    fragments = [
        format.make_fragment(
            str(file), system, partition_expression=ds.field("folder") == str(entry.path.relative_to(root))
        )
        for entry, file in files
    ]
    return ds.FileSystemDataset(fragments, schema, format, system)


def why_kept(entry: Entry) -> str | None:
    """Why a folder must not be removed; None if it may be."""
    if not entry.ours:
        return "its manifest does not say that Glassbench made it"
    try:
        with locked(entry.path):
            return None
    except ResultsError as error:
        return str(error)


def remove(entry: Entry) -> None:
    """Delete a folder of results. Raises ResultsError, and leaves it as it is, if it is not ours, or if a
    process writes into it or has done so since `entry` was read."""
    with locked(entry.path):
        if _entry(entry.path) != entry or not entry.ours:
            raise ResultsError(f"{entry.path} has changed or is not of this program")
        try:
            # At once away from its place: whoever writes there from now on makes a folder of its own.
            aside = Path(tempfile.mkdtemp(prefix=f".{entry.path.name}.", suffix=".removed", dir=entry.path.parent))
            entry.path.rename(aside / entry.path.name)
        except OSError as error:
            raise ResultsError(f"cannot remove {entry.path}: {error.strerror}") from None
        try:
            shutil.rmtree(aside)
        except OSError as error:
            raise ResultsError(f"cannot remove all of {entry.path}: {error.strerror}; the rest is in {aside}") from None


def _folders(root: Path, depth: int) -> Iterator[Path]:
    """Folders with a manifest. Nobody looks for more inside of one."""
    if (root / "manifest.json").exists():
        yield root
        return
    if depth == 0:
        return
    with os.scandir(root) as items:
        below = [item.path for item in items if item.is_dir(follow_symlinks=False) and not item.name.startswith(".")]
    for folder in below:
        yield from _folders(Path(folder), depth - 1)


def _entry(path: Path) -> Entry:
    modified_at = (path / "manifest.json").stat().st_mtime
    manifest: dict[str, Any] = {}
    damage = None
    try:
        manifest = read_json(path / "manifest.json")
        check_schema(path / "manifest.json", manifest)
        if not isinstance(manifest.get("name"), str) or not isinstance(manifest.get("cells"), int):
            raise ResultsError(f"{path / 'manifest.json'} is not the manifest of results")
    except ResultsError as error:
        damage = str(error)
    versions, seeds = manifest.get("versions"), manifest.get("seeds")
    return Entry(
        path,
        name=str(manifest.get("name", path.name)),
        seeds=tuple(seeds) if isinstance(seeds, list) and all(isinstance(seed, int) for seed in seeds) else (),
        cells=int(manifest["cells"]) if isinstance(manifest.get("cells"), int) else 0,
        complete=bool(manifest.get("complete")),
        source=str(versions.get("source", "")) if isinstance(versions, Mapping) else "",
        modified_at=modified_at,
        ours=is_ours(manifest),
        damage=damage,
    )


def _summary(entry: Entry) -> pd.DataFrame | None:
    if not entry.complete or entry.damage:
        return None
    try:
        table = load(entry.path).summary
    except ResultsError:
        return None
    table.insert(0, "folder", pd.Series([str(entry.path)] * len(table), dtype="string"))
    return table
