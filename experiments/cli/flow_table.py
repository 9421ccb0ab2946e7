"""The flows of each arm as a table in a terminal: what each of them got of the network that they share."""

from collections.abc import Mapping, Sequence
from typing import Any

from glassbench.experiments.cli.table_layout import print_whole
from glassbench.experiments.cli.terminal import say
from glassbench.experiments.cli.whole_table import TableColumn, WholeTable
from glassbench.experiments.results.flow_rows import COLUMNS, FlowText, flow_rows, sharing_lines


def print_flows(arms: Sequence[Mapping[str, Any]], *, title: str) -> None:
    """A row per arm and flow, of records as in `Run.records`, and how they share; nothing if `flow_rows` has none."""
    rows = flow_rows(arms)
    if not rows:
        return
    print_whole(flow_table(title, rows))
    for line in sharing_lines(arms):
        say(line)


def flow_table(title: str, rows: Sequence[FlowText]) -> WholeTable:
    """A row per arm and flow."""
    names = [TableColumn(heading, "name") for heading in ("arm", "flow", "transport")]
    table = WholeTable(title, [*names, *(TableColumn(column.heading) for column in COLUMNS)])
    for row in rows:
        table.add_row(row.arm, row.flow, row.transport, *row.numbers)
    return table
