"""The flows of each arm as a table in a terminal: what each of them got of the network that they share."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich import box
from rich.table import Table

from glassbench.experiments.account.metric_table import METRICS
from glassbench.experiments.account.number_text import number_text
from glassbench.experiments.cli.table import WIDE

_COLUMNS = (
    ("goodput_mbps", "goodput\nMbit/s", ".2f"),
    ("sent_mbps", "sent\nMbit/s", ".2f"),
    ("missing", "missing\n%", ".2f"),
    ("g2g_p50_ms", "p50\nms", ".1f"),
    ("g2g_p95_ms", "p95\nms", ".1f"),
)


def flow_table(arms: Sequence[Mapping[str, Any]], *, width: int = WIDE) -> Table | None:
    """A row per arm and flow, of records as in `run.arms`; None if no arm has several flows."""
    rows = [(arm, flow) for arm in arms if len(arm["flow_numbers"]) > 1 for flow in arm["flow_numbers"]]
    if not rows:
        return None
    table = Table(title="flows", title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1 if width >= WIDE else 0))
    for heading in ("arm", "flow", "transport"):
        table.add_column(heading, overflow="fold")
    for _, heading, _ in _COLUMNS:
        table.add_column(heading, justify="right", no_wrap=True)
    for arm, flow in rows:
        numbers = (_text(flow.get(name), form, percent=name == "missing") for name, _, form in _COLUMNS)
        table.add_row(str(arm["arm"]), str(flow.get("flow")), str(flow.get("transport")), *numbers)
    return table


def sharing_lines(arms: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """A sentence per arm about how its flows share a segment."""
    jain, utilisation, queue = (METRICS[name] for name in ("jain", "utilisation", "queue_p50"))
    for arm in arms:
        numbers = arm["summary"]
        if numbers.get(jain.column) is not None:
            yield (
                f"{arm['arm']}: Jain's index of its flows is {jain.text(numbers[jain.column])}; they use "
                f"{utilisation.with_unit(numbers[utilisation.column])} of the segment that they share, and its queue "
                f"takes {queue.with_unit(numbers[queue.column])} (median)"
            )


def _text(value: object, form: str, *, percent: bool) -> str:
    if percent and isinstance(value, int | float):
        return number_text(100 * float(value), form)
    return number_text(value, form)
