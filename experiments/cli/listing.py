"""`glass list`: what there is to choose from."""

from dataclasses import asdict
from enum import StrEnum
from typing import Annotated, Any

import typer

from glassbench.experiments.cli.options import AsJson
from glassbench.experiments.cli.output import print_json
from glassbench.experiments.cli.table_layout import print_whole
from glassbench.experiments.cli.terminal import say
from glassbench.experiments.cli.whole_table import TableColumn, WholeTable


class Kind(StrEnum):
    """What can be listed."""

    TRANSPORTS = "transports"
    TRACES = "traces"
    SOURCES = "sources"
    SCENARIOS = "scenarios"


def list_things(
    kind: Annotated[Kind, typer.Argument(metavar="KIND", help=f"What to list: {', '.join(Kind)}.")],
    *,
    as_json: AsJson = False,
) -> None:
    """List the transports, traces, sources or scenarios by name."""
    if as_json:
        options = {name: _options(name) for name, _ in _LISTINGS[kind]()} if kind is Kind.TRANSPORTS else {}
        rows = [{"name": name, "about": about.splitlines()[0]} for name, about in _LISTINGS[kind]()]
        print_json({"rows": [{**row, **options.get(row["name"], {})} for row in rows]})
        return
    print_whole(listing_table(kind))
    for line in _NOTES[kind]:
        say(line)


def listing_table(kind: Kind) -> WholeTable:
    """A row per thing of a kind."""
    table = WholeTable("", [TableColumn("name", "name"), TableColumn("what it is", "prose")])
    for name, summary in _LISTINGS[kind]():
        table.add_row(name, summary)
    return table


def _transports() -> list[tuple[str, str]]:
    from glassbench.experiments.scenario.arm_options import arm_options
    from glassbench.experiments.scenario.arm_table import ARMS

    rows = []
    for entry in ARMS.values():
        options = ", ".join(option.text for option in arm_options(entry))
        codecs = ", ".join(entry.codecs)
        rows.append((entry.name, f"{entry.summary}\noptions: {options}\ncodecs: {codecs}"))
    return rows


def _options(transport: str) -> dict[str, Any]:
    from glassbench.experiments.scenario.arm_options import arm_options
    from glassbench.experiments.scenario.arm_table import ARMS

    entry = ARMS[transport]
    return {"options": [asdict(option) for option in arm_options(entry)], "codecs": entry.codecs}


def _traces() -> list[tuple[str, str]]:
    from glassbench.netem.traces import GENERATORS

    return [(name, generator.summary) for name, generator in GENERATORS.items()]


def _sources() -> list[tuple[str, str]]:
    from glassbench.sender.sources import SOURCES

    return [(name, f"{entry.summary}\n{entry.attribution}".rstrip()) for name, entry in SOURCES.items()]


def _scenarios() -> list[tuple[str, str]]:
    from glassbench.experiments.scenario.shipped import SCENARIOS

    return [(name, question) for name, question in SCENARIOS.items()]


_LISTINGS = {
    Kind.TRANSPORTS: _transports,
    Kind.TRACES: _traces,
    Kind.SOURCES: _sources,
    Kind.SCENARIOS: _scenarios,
}
_NOTES = {
    Kind.TRANSPORTS: (
        "An arm is NAME or NAME:option=value,option=value; shown are the defaults, and what else an option takes.",
        "For example: glass compare --arm rtp --arm srt:latency_ms=200",
    ),
    Kind.TRACES: (
        "A file of your own is a trace too: glass compare --trace FILE",
        "Rates and outages of these, and the formats of files: glass trace list",
    ),
    Kind.SOURCES: (
        "Any video file is a source too: glass compare --source FILE",
        "So is a list of frame sizes, a number of bytes a line: --source sizes:FILE",
    ),
    Kind.SCENARIOS: (
        "Run one: glass run NAME",
        "Any scenario file runs too (docs/scenarios.md): glass run FILE.toml",
    ),
}
