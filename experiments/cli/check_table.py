"""Checks of the catalog as a table in a terminal, as GitHub-flavoured markdown, and as JSON."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, TypeAlias

from glassbench.experiments.cli.whole_table import TableColumn, WholeTable

if TYPE_CHECKING:  # the catalog imports matplotlib
    from glassbench.experiments.catalog.experiment import Check

Checks: TypeAlias = "Mapping[str, Sequence[Check]]"
"""Checks by the name of their experiment."""


def check_table(checks: Checks) -> WholeTable:
    """A row per check: verdict, claim, source, expected, measured."""
    sentences = (TableColumn(heading, "prose") for heading in ("claim", "source", "expected", "measured"))
    columns = [TableColumn("experiment", "name"), TableColumn("verdict", "words"), *sentences]
    table = WholeTable("", columns)
    for name, group in checks.items():
        for check in group:
            claim = f"{check.claim} ({check.kind})" if not check.note else f"{check.claim} ({check.kind}: {check.note})"
            table.add_row(name, verdict(check), claim, check.source, check.expected, check.measured)
    return table


def markdown(checks: Checks, written: str = "") -> str:
    """A table per experiment, with the verdicts as words; those that are `written` for other experiments stay."""
    from glassbench.experiments.catalog import EXPERIMENTS

    parts = re.split(r"^### (\S+)\n", written, flags=re.MULTILINE)[1:]
    tables = dict(zip(parts[::2], parts[1::2], strict=True)) | {name: _table(group) for name, group in checks.items()}
    sections = (f"### {name}\n\n{tables[name].strip()}\n" for name in EXPERIMENTS if name in tables)
    return "\n".join(["# All checks of the catalog\n", *sections])


def _table(group: "Sequence[Check]") -> str:
    lines = ["| claim | compared by | source | expected | measured | verdict |", "|---|---|---|---|---|---|"]
    for check in group:
        claim = check.claim if not check.note else f"{check.claim} ({check.note})"
        cells = (claim, check.kind, check.source, check.expected, check.measured, verdict(check))
        lines.append(f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |")
    return "\n".join(lines)


def verdict(check: "Check") -> str:
    """The verdict in a word."""
    return "holds" if check.holds else "DOES NOT HOLD"


def check_object(check: "Check") -> dict[str, Any]:
    """What `--json` prints of a check."""
    return asdict(check)
