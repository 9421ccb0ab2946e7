"""How to get these results again: the version, the commands, the scenario, and what they were made with."""

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from glassbench.experiments.account.number_text import NOTHING
from glassbench.experiments.results.report.content import Row, Section, Table, TableCell
from glassbench.experiments.scenario.toml_text import to_toml
from glassbench.experiments.worlds.table import VIRTUAL

_FILE = "scenario.toml"
_VERSION = re.compile(r"\d[\w.+!-]{0,40}", re.ASCII)


def reproduce_section(
    manifest: Mapping[str, Any], *, seeds: Sequence[int], scenario: object, one_scenario: bool = True
) -> Section:
    """Commands, scenario as TOML, seeds, versions and digests of the files that were named. Without `one_scenario` the
    results have many, and `scenario` is that of the first cell."""
    world = str(manifest.get("world", NOTHING))
    same = (
        f"In {world} the same versions, scenario and seeds give the same numbers again."
        if world == VIRTUAL.words
        else f"This was measured in {world}: another time and another machine give other numbers."
    )
    facts = {
        "seeds": ", ".join(map(str, seeds)),
        "measured in": world,
        "schema of the results": str(manifest.get("schema", NOTHING)),
    }
    tables = [_table("What was run.", "what", facts)]
    for caption, corner, name in (
        ("Versions of what it was made with; source is a digest of our own code.", "part", "versions"),
        ("Digests of the files that the scenario names.", "file", "files"),
    ):
        if isinstance(values := manifest.get(name), dict) and values:
            tables.append(_table(caption, corner, {key: str(value) for key, value in values.items()}))
    named = f"Scenario ({_FILE})" if one_scenario else "Scenario of the first cell (TOML)"
    return Section(
        name="reproduce",
        title="How to reproduce it",
        paragraphs=(same,),
        tables=tuple(tables),
        texts=(
            ("Commands", "\n".join(_commands(manifest, seeds, one_scenario=one_scenario))),
            (named, scenario_text(scenario)),
        ),
    )


def _commands(manifest: Mapping[str, Any], seeds: Sequence[int], *, one_scenario: bool) -> list[str]:
    versions = manifest.get("versions")
    version = versions.get("glassbench") if isinstance(versions, dict) else None
    known = isinstance(version, str) and _VERSION.fullmatch(version) is not None
    lines = ["# The program.", f"python -m pip install glassbench=={version}" if known else "# Its version is unknown."]
    command = manifest.get("command")
    if isinstance(command, list) and command:
        lines += ["", "# What was typed.", shlex.join(map(str, command))]
    in_a_row = seeds[-1] - seeds[0] == len(seeds) - 1 if seeds else False
    if one_scenario and in_a_row and manifest.get("world") == VIRTUAL.words:
        runs = f" --runs {len(seeds)}" if len(seeds) > 1 else ""
        lines += ["", f"# Or with the scenario below, saved as {_FILE}.", f"glass run {_FILE}{runs}"]
    return lines


def scenario_text(scenario: object) -> str:
    """A scenario as TOML; as JSON if there is something in it that TOML cannot hold."""
    try:
        return to_toml(scenario) if isinstance(scenario, dict) else json.dumps(scenario, indent=2)
    except TypeError:
        return json.dumps(scenario, indent=2)


def _table(caption: str, corner: str, facts: Mapping[str, str]) -> Table:
    rows = tuple(Row(name, (TableCell(value),)) for name, value in facts.items())
    return Table(caption, corner, ("value",), rows, numbers=False)
