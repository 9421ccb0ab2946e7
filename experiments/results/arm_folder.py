"""The result of one arm in a folder of its own, as a worker process leaves it.

ledger, links, flows, estimates   if the arm ran, each a .parquet
arm.json                          outcome and numbers; written last: a folder without it is of an arm that never ended
"""

from dataclasses import fields
from pathlib import Path
from typing import Any

import pandas as pd

from glassbench.experiments.account.arm_result import TABLES, ArmResult
from glassbench.experiments.results.files import make_folder, read_json, write_json
from glassbench.experiments.results.json_form import numbers_of
from glassbench.experiments.results.table_files import write_table

FILES = (*(f"{name}.parquet" for name in TABLES), "arm.json")
"""In the order in which they are written: the last one says that the others are whole."""


def write_arm(place: Path, result: ArmResult, *, frames: bool = True) -> None:
    """Write the result of one arm, with `frames` its tables, too. Raises ResultsError."""
    make_folder(place, exist_ok=True)
    record = {field.name: getattr(result, field.name) for field in fields(result)}
    for name in TABLES:
        if (table := record.pop(name)) is not None and frames:
            write_table(place / f"{name}.parquet", _with_arm(table, result.arm))
    write_json(place / "arm.json", record)


def read_record(place: Path) -> dict[str, Any] | None:
    """What `arm.json` says; None if the arm did not end. Raises ResultsError."""
    if not (place / "arm.json").exists():
        return None
    record = read_json(place / "arm.json")
    return record | {"summary": numbers_of(record["summary"])} if isinstance(record.get("summary"), dict) else record


def _with_arm(table: pd.DataFrame, arm: str) -> pd.DataFrame:
    table = table.copy()
    table.insert(0, "arm", pd.Series([arm] * len(table), dtype="string"))
    return table
