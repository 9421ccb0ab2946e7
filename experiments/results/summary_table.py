"""The summary of a dataset: records of cells as one flat table, a row per cell."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from glassbench.experiments.account.ledger import FATES, STAGE_NAMES
from glassbench.experiments.account.metric_table import METRICS
from glassbench.experiments.account.session_numbers import SESSION_NUMBERS

AXIS = "axis."  # in front of the names of columns

# What describes a cell besides its axes, in this order; long texts are last, and left out by readers of numbers. Of
# NUMBERS, latencies (`first_frame_ms`, `signal_p95_ms` and the g2g and chat_delay ones) are infinite where nothing was
# shown in time; any is missing where it is undefined, as `results/README.md` says.
IDENTITY = {"cell": "int64", "arm": "string", "seed": "int64", "outcome": "string", "reason": "string"}
NUMBERS = {
    "captured": "Int64",
    "displayed": "Int64",
    **{metric.column: metric.kind for metric in METRICS.values() if not metric.against_floor},
    **SESSION_NUMBERS,
    **{f"fate_{name}": "Int64" for name in FATES},
    **{f"stage_{name}_ms": "Float64" for name in STAGE_NAMES},
    **{f"chat_{name}": "Int64" for name in ("sent", "delivered")},
    **{f"chat_delay_{name}_ms": "Float64" for name in ("p50", "p95", "p99", "max")},
}
TEXTS: dict[str, type] = {"flow_numbers": list, "notes": list, "stats": dict, "impairments": dict, "scenario": dict}
"""The columns of JSON, and what each holds."""

_AXIS_TYPES = {"boolean": "boolean", "integer": "Int64", "floating": "Float64", "mixed-integer-float": "Float64"}


def axis_types(axes: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """The type of the column of each axis that stands in any of these: numbers stay numbers, what is mixed is text."""
    names = dict.fromkeys(name for place in axes for name in place)
    kinds = {name: pd.api.types.infer_dtype([place[name] for place in axes if name in place]) for name in names}
    return {name: _AXIS_TYPES.get(kind, "string") for name, kind in kinds.items()}


def summary_table(records: Sequence[Mapping[str, Any]], axes: Mapping[str, str]) -> pd.DataFrame:
    """A row per record of `cell, axes, arm, seed, scenario, outcome, reason, summary, flow_numbers, notes, stats,
    impairments`.

    `axes` has the type of each axis. Columns: IDENTITY, an `axis.NAME` per axis, NUMBERS, TEXTS (JSON).
    """
    table = {name: pd.Series([record[name] for record in records], dtype=kind) for name, kind in IDENTITY.items()}
    for axis, kind in axes.items():
        values = [record["axes"].get(axis) for record in records]
        if kind == "string":
            values = [None if value is None else str(value) for value in values]
        table[f"{AXIS}{axis}"] = pd.Series(values, dtype=kind)
    flat = [flat_numbers(record["summary"]) for record in records]
    for name, kind in NUMBERS.items():
        table[name] = pd.Series([row.get(name) for row in flat], dtype=kind)
    for name in TEXTS:
        table[name] = pd.Series([json.dumps(record[name]) for record in records], dtype="string")
    return pd.DataFrame(table)


def flat_numbers(summary: Mapping[str, Any]) -> dict[str, Any]:
    """The summary of an arm without tables in it: `fates`, `stages_ms` and `chat` become columns of their own."""
    flat = {name: value for name, value in summary.items() if not isinstance(value, Mapping)}
    flat |= {f"fate_{name}": value for name, value in summary.get("fates", {}).items()}
    flat |= {f"stage_{name}_ms": value for name, value in summary.get("stages_ms", {}).items()}
    return flat | {f"chat_{name}": value for name, value in summary.get("chat", {}).items()}


def nested_numbers(row: Mapping[Any, Any]) -> dict[str, Any]:
    """The summary of an arm from its row: `fates`, `stages_ms` and `chat` are tables again, and what is undefined is
    None. Empty for an arm that gave no numbers."""
    if pd.isna(row["captured"]):
        return {}
    values = {name: None if pd.isna(row[name]) else row[name] for name in (*NUMBERS, "floor_ratio")}
    tables: dict[str, dict[str, Any]] = {
        "fates": {fate: values.pop(f"fate_{fate}") for fate in FATES},
        "stages_ms": {stage: values.pop(f"stage_{stage}_ms") for stage in STAGE_NAMES},
        "chat": {name.removeprefix("chat_"): values.pop(name) for name in NUMBERS if name.startswith("chat_")},
    }
    if all(value is None for value in tables["chat"].values()):
        del tables["chat"]
    return {**values, **tables}
