"""The flows of each arm as a table in a terminal: what each of them got of the network that they share."""

from collections.abc import Mapping, Sequence
from typing import Any

import typer
from rich import box
from rich.table import Table

from glassbench.experiments.cli.table import WIDE
from glassbench.experiments.cli.whole_table import print_whole, wide_console
from glassbench.experiments.results.flow_rows import COLUMNS, flow_rows, sharing_lines


def print_flows(arms: Sequence[Mapping[str, Any]], *, title: str) -> None:
    """A row per arm and flow, of records as in `Run.arms`, and how they share; nothing if `flow_rows` has none."""
    rows = flow_rows(arms)
    if not rows:
        return
    console = wide_console()
    padding = 1 if console.width >= WIDE else 0
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, padding))
    for heading in ("arm", "flow", "transport"):
        table.add_column(heading, overflow="fold")
    for column in COLUMNS:
        table.add_column(column.heading, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(row.arm, row.flow, row.transport, *row.numbers)
    print_whole(table, console=console)
    for line in sharing_lines(arms):
        typer.echo(line)
