"""A run on disk while it is made: the manifest first, then each arm as it finishes, the merged tables last.

Whatever ends the process, what was measured before stays, and `experiments.results.load` reads it.

    manifest.json              what was run, with what, and whether it is complete
    arms/NN-label/arm.json     outcome and numbers of one arm          } until the run is finished,
    arms/NN-label/*.parquet    its ledger and its links                } then merged into:
    summary.json, ledger.parquet, links.parquet
"""

import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from glassbench.experiments.account.arm_result import LEDGER_TYPES, LINK_TYPES
from glassbench.experiments.account.metrics import floor_ratio
from glassbench.experiments.results.arm_folder import read_record
from glassbench.experiments.results.files import (
    ResultsError,
    make_folder,
    read_json,
    read_table,
    write_json,
    write_table,
)
from glassbench.experiments.results.ownership import MARK, locked
from glassbench.experiments.results.schema import SCHEMA


@dataclass(frozen=True)
class Collected:
    """All arms of a folder, in the order of the scenario: one record and perhaps two tables each."""

    arms: list[dict[str, Any]]
    ledger: pd.DataFrame
    links: pd.DataFrame


@contextmanager
def create(root: Path, run_id: str, manifest: Mapping[str, Any]) -> Iterator[Path]:
    """Make `root/run_id`, or `root/run_id-2` and so on if taken, with its manifest, and keep every other process out
    meanwhile. Raises ResultsError."""
    make_folder(root, exist_ok=True)
    name = run_id
    for counter in range(2, 100_000):
        try:
            make_folder(root / name, exist_ok=False)
            break
        except FileExistsError:
            name = f"{run_id}-{counter}"
    folder = root / name
    with locked(folder):
        try:
            write_json(folder / "manifest.json", {**MARK, "schema": SCHEMA, "run": name, "complete": False, **manifest})
        except ResultsError:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        yield folder


def arm_place(folder: Path, index: int, arm: str) -> Path:
    """Where the result of an arm is kept until the run is finished."""
    return folder / "arms" / f"{index:02d}-{re.sub(r'[^A-Za-z0-9.=_-]+', '-', arm)[:80]}"


def note_outcome(folder: Path, arm: str, outcome: str) -> None:
    """Write into the manifest how an arm ended. Raises ResultsError."""
    manifest = read_json(folder / "manifest.json")
    manifest["arms"][arm] = outcome
    write_json(folder / "manifest.json", manifest)


def finish(folder: Path, *, complete: bool, floor: Mapping[str, Any]) -> None:
    """Merge the arms into the tables of the run, and mark the manifest. Raises ResultsError.

    `floor` is the summary of the loss-free floor; each arm's p95 over the floor's becomes its `floor_ratio`.
    """
    collected = collect(folder)
    for arm in collected.arms:
        if arm["summary"]:
            arm["summary"]["floor_ratio"] = floor_ratio(arm["summary"]["g2g_p95_ms"], floor.get("g2g_p95_ms"))
    write_table(folder / "ledger.parquet", collected.ledger)
    write_table(folder / "links.parquet", collected.links)
    write_json(folder / "summary.json", {"arms": collected.arms})
    write_json(folder / "manifest.json", {**read_json(folder / "manifest.json"), "floor": floor, "complete": complete})
    shutil.rmtree(folder / "arms", ignore_errors=True)


def collect(folder: Path) -> Collected:
    """The arms that an unfinished folder holds. Raises ResultsError."""
    records, ledgers, links = [], [], []
    for place in sorted((folder / "arms").glob("[0-9]*")):
        if (record := read_record(place)) is None:
            continue
        records.append(record)
        if (place / "ledger.parquet").exists():
            ledgers.append(read_table(place / "ledger.parquet", LEDGER_TYPES))
            links.append(read_table(place / "links.parquet", LINK_TYPES))
    return Collected(records, _concatenate(ledgers, LEDGER_TYPES), _concatenate(links, LINK_TYPES))


def kept(folder: Path) -> str:
    """What a reader finds in a folder whose run broke off: the end of an error message."""
    try:
        names = [str(record["arm"]) for record in collect(folder).arms]
    except ResultsError:
        return "nothing"
    return ", ".join(names) or "nothing"


def _concatenate(tables: list[pd.DataFrame], types: Mapping[str, str]) -> pd.DataFrame:
    if not tables:
        return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in types.items()})
    return pd.concat(tables, ignore_index=True)
