"""What was run, with what: enough to run it again."""

import json
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from glassbench.experiments.account.number_text import NOTHING
from glassbench.experiments.results.report.content import Row, Section, Table, TableCell
from glassbench.experiments.scenario.toml_text import to_toml


def provenance_section(
    manifest: Mapping[str, Any], *, seeds: Sequence[object], scenario: object, of: str = ""
) -> Section:
    """Command, seeds, schema, versions, digests of the files that were named, and the scenario as TOML; `of` says whose
    scenario it is, if it is not that of all."""
    facts = {
        "command": _command(manifest.get("command")),
        "seeds": ", ".join(map(str, seeds)),
        "measured in": str(manifest.get("world", NOTHING)),
        "schema of the results": str(manifest.get("schema", NOTHING)),
    }
    tables = [_table("How it was made.", "what", facts)]
    for caption, corner, name in (
        ("Versions of what it was made with; source is a digest of our own code.", "part", "versions"),
        ("Digests of the files that the scenario names.", "file", "files"),
    ):
        if isinstance(values := manifest.get(name), dict) and values:
            tables.append(_table(caption, corner, {key: str(value) for key, value in values.items()}))
    return Section(
        name="provenance",
        title="Provenance",
        tables=tuple(tables),
        texts=((f"Scenario{of} (TOML; run it by: glass run FILE)", scenario_text(scenario)),),
    )


def scenario_text(scenario: object) -> str:
    """A scenario as TOML; as JSON if there is something in it that TOML cannot hold."""
    try:
        return to_toml(scenario) if isinstance(scenario, dict) else json.dumps(scenario, indent=2)
    except TypeError:
        return json.dumps(scenario, indent=2)


def _table(caption: str, corner: str, facts: Mapping[str, str]) -> Table:
    rows = tuple(Row(name, (TableCell(value),)) for name, value in facts.items())
    return Table(caption, corner, ("value",), rows, numbers=False)


def _command(command: object) -> str:
    return shlex.join(map(str, command)) if isinstance(command, list) and command else "made from Python"
