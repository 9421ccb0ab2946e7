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
from typing import Any, Literal

import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
from pyarrow import fs

from glassbench.experiments.results.dataset import Dataset
from glassbench.experiments.results.files import ResultsError, read_json
from glassbench.experiments.results.json_form import numbers_of
from glassbench.experiments.results.ownership import is_ours, locked
from glassbench.experiments.results.schema import check_schema
from glassbench.experiments.results.summary_table import IDENTITY, NUMBERS, flat_numbers

MAX_DEPTH = 3  # results/EXPERIMENT/PLAN is two


@dataclass(frozen=True)
class Entry:
    """A folder with a manifest. `arms` counts the arms of a run or the cells of a dataset; `modified_at` is when the
    manifest was last written, in seconds since the epoch. `ours`: this program says in it that it made the folder.
    `damage` is one sentence if the manifest cannot be read, or is of another version of the results."""

    path: Path
    kind: Literal["run", "dataset", "damaged"]
    name: str
    seed: int | None
    arms: int
    complete: bool
    source: str
    modified_at: float
    ours: bool = False
    damage: str | None = None

    def size_bytes(self) -> int:
        """What the folder takes on the disk."""
        return sum(file.lstat().st_size for file in self.path.rglob("*") if file.is_file())


def runs(root: Path) -> list[Entry]:
    """Every run and dataset below `root`, by path. A damaged one is in the list, and says so. Raises ResultsError if
    `root` is no folder."""
    if not root.is_dir():
        raise ResultsError(f"{root} is not a folder; results are kept in a folder such as results/")
    return [_entry(folder) for folder in sorted(_folders(root, MAX_DEPTH))]


def summaries(entries: Sequence[Entry]) -> pd.DataFrame:
    """The summary of every arm and cell of complete entries in one table.

    Columns: `run` (the folder), those of a dataset's summary, and `axis.NAME` of all axes there are. An entry that
    cannot be read is left out; `runs` names it.
    """
    tables = [table for entry in entries if (table := _summary(entry)) is not None]
    plain = [row for entry in entries for row in _run_rows(entry)]
    if plain:
        kinds = {"run": "string", **IDENTITY, **NUMBERS, "floor_ratio": "Float64"}
        columns = {name: pd.Series([row.get(name) for row in plain], dtype=kind) for name, kind in kinds.items()}
        tables.insert(0, pd.DataFrame(columns))
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame({"run": pd.Series(dtype="string")})


def frames(root: Path, entries: Sequence[Entry]) -> ds.Dataset:
    """The ledgers of these entries as one pyarrow Dataset, with the column `run` (the folder below `root`).

    Its columns are those of the first ledger: keep runs and datasets apart. Raises ResultsError if there is none.
    """
    files = [(entry, entry.path / "ledger.parquet") for entry in entries]
    files = [(entry, file) for entry, file in files if file.is_file()]
    if not files:
        raise ResultsError(f"nothing below {root} keeps the frames of its arms")
    try:
        schema = ds.dataset(str(files[0][1])).schema.append(pa.field("run", pa.string()))
    except (pa.ArrowException, OSError) as error:
        raise ResultsError(f"{files[0][1]} is not a readable Parquet file: {error}") from None
    format, system = ds.ParquetFileFormat(), fs.LocalFileSystem()
    fragments = [
        format.make_fragment(
            str(file), system, partition_expression=ds.field("run") == str(entry.path.relative_to(root))
        )
        for entry, file in files
    ]
    return ds.FileSystemDataset(fragments, schema, format, system)


def why_kept(entry: Entry) -> str | None:
    """Why a folder is not to be removed; None if it may be."""
    if not entry.ours:
        return "its manifest does not say that Glassbench made it"
    try:
        with locked(entry.path):
            return None
    except ResultsError as error:
        return str(error)


def remove(entry: Entry) -> None:
    """Delete the folder of a run or dataset. Raises ResultsError, and leaves it as it is, if it is not ours, or if a
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
    """Folders with a manifest; none is looked for inside of one."""
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
    try:
        manifest = read_json(path / "manifest.json")
        kind = manifest.get("kind", "run")
        name = manifest["name"] if kind == "dataset" else manifest["scenario"]["name"]
        arms = manifest["cells"] if kind == "dataset" else len(manifest["arms"])
        seed = manifest.get("seed")
        if kind not in ("run", "dataset") or not isinstance(name, str) or not isinstance(arms, int):
            raise ResultsError(f"{path / 'manifest.json'} is not the manifest of a run or a dataset")
        versions = manifest.get("versions")
    except ResultsError as error:
        return Entry(path, "damaged", path.name, None, 0, False, "", modified_at, is_ours(manifest), str(error))
    except (KeyError, TypeError):
        sentence = f"{path / 'manifest.json'} is not the manifest of a run or a dataset"
        return Entry(path, "damaged", path.name, None, 0, False, "", modified_at, is_ours(manifest), sentence)
    source = str(versions.get("source", "")) if isinstance(versions, Mapping) else ""
    seed = seed if isinstance(seed, int) else None
    complete, ours, damage = bool(manifest.get("complete")), is_ours(manifest), None
    try:
        check_schema(path / "manifest.json", manifest)
    except ResultsError as error:
        damage = str(error)
    return Entry(path, kind, name, seed, arms, complete, source, modified_at, ours, damage)


def _summary(entry: Entry) -> pd.DataFrame | None:
    """The cells of a dataset."""
    if entry.kind != "dataset" or not entry.complete or entry.damage:
        return None
    try:
        table = Dataset(entry.path, {"name": entry.name}).summary
    except ResultsError:
        return None
    table.insert(0, "run", pd.Series([str(entry.path)] * len(table), dtype="string"))
    return table


def _run_rows(entry: Entry) -> list[dict[str, Any]]:
    """The arms of a run."""
    if entry.kind != "run" or not entry.complete or entry.damage:
        return []
    try:
        arms = read_json(entry.path / "summary.json")["arms"]
        return [
            {
                "run": str(entry.path),
                "cell": index,
                "seed": entry.seed,
                **{name: arm.get(name) for name in ("arm", "outcome", "reason")},
                **flat_numbers(numbers_of(arm["summary"])),
            }
            for index, arm in enumerate(arms)
        ]
    except (ResultsError, KeyError, TypeError, AttributeError):
        return []
