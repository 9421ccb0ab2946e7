"""The comparison as a table in a terminal: one row an arm, soonest first."""

import math
from collections.abc import Mapping, Sequence

from rich import box
from rich.table import Table

from glassbench.experiments.cli.numbers import number_text

Row = Mapping[str, object]

WIDE = 110  # characters: with less, the table gives up its spacing


def summary_table(rows: Sequence[Row], *, title: str, width: int = WIDE) -> Table:
    """The table of `glass compare`: `rows` as in the `arms` of `--json`, for a terminal of `width` characters.

    An arm that was not measured to its end has its outcome in place of numbers.
    """
    padding = 1 if width >= WIDE else 0
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, title_style="bold", padding=(0, padding))
    table.add_column("arm", overflow="fold")
    for heading in (
        "frames\nshown",
        "p50\nms",
        "p95\nms",
        "p99\nms",
        "signal\np95 ms",
        "freezes",
        "SSIM",
        "sent\nMbit/s",
        "p95 /\nfloor",
    ):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in sorted(rows, key=_soonest_first):
        if row["outcome"] != "measured":
            table.add_row(str(row["arm"]), str(row["outcome"]))
            continue
        table.add_row(
            str(row["arm"]),
            f"{row['displayed']}/{row['captured']}",
            *(
                number_text(row[column], ".1f")
                for column in ("g2g_p50_ms", "g2g_p95_ms", "g2g_p99_ms", "signal_p95_ms")
            ),
            str(row["freezes"]),
            number_text(row["ssim"], ".3f"),
            number_text(row["sent_mbps"], ".2f"),
            number_text(row["floor_ratio"], ".2f"),
        )
    return table


def _soonest_first(row: Row) -> tuple[bool, float, float, float, str]:
    columns = ("g2g_p95_ms", "g2g_p50_ms", "signal_p95_ms")
    first, second, third = (_or_infinite(row.get(column)) for column in columns)
    return row["outcome"] != "measured", first, second, third, str(row["arm"])


def _or_infinite(value: object) -> float:
    return float(value) if isinstance(value, int | float) else math.inf
