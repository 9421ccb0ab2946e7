"""What each flow of an arm got of the network, as rows of text: the same in a terminal and on a page."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from glassbench.experiments.account.metric_table import METRICS
from glassbench.experiments.account.number_text import number_text
from glassbench.experiments.results.dataset import Dataset
from glassbench.experiments.scenario.spec import FLOOR
from glassbench.experiments.scenario.tracks import GREEDY


class FlowColumn(NamedTuple):
    """A number of `account.flow_numbers`, and how it is shown: a share is shown in percent."""

    name: str
    heading: str
    form: str
    is_share: bool = False

    def text(self, value: object) -> str:
        """A value without its unit."""
        if self.is_share and isinstance(value, int | float):
            return number_text(100 * float(value), self.form)
        return number_text(value, self.form)


class FlowText(NamedTuple):
    """A flow of an arm: names, and a text per column."""

    arm: str
    flow: str
    transport: str
    numbers: tuple[str, ...]


COLUMNS = (
    FlowColumn("goodput_mbps", "goodput\nMbit/s", ".2f"),
    FlowColumn("sent_mbps", "sent\nMbit/s", ".2f"),
    FlowColumn("missing", "missing\n%", ".2f", is_share=True),
    FlowColumn("g2g_p50_ms", "p50\nms", ".1f"),
    FlowColumn("g2g_p95_ms", "p95\nms", ".1f"),
)


def flow_rows(arms: Sequence[Mapping[str, Any]]) -> list[FlowText]:
    """A row per flow, from records as in `Run.arms`, of each arm with several or with a bulk transfer: the table of
    arms says all of one with video alone."""
    return [
        FlowText(
            str(arm["arm"]),
            str(flow.get("flow")),
            str(flow.get("transport")),
            tuple(column.text(flow.get(column.name)) for column in COLUMNS),
        )
        for arm in arms
        if len(arm["flow_numbers"]) > 1 or any(flow.get("source") == GREEDY for flow in arm["flow_numbers"])
        for flow in arm["flow_numbers"]
    ]


def sharing_lines(arms: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """A sentence per arm about how its flows share a segment."""
    jain, utilisation, queue = (METRICS[name] for name in ("jain", "utilisation", "queue_p50"))
    for arm in arms:
        numbers = arm["summary"]
        if numbers.get(jain.column) is None:
            continue
        line = f"{arm['arm']}: Jain's index of its flows is {jain.text(numbers[jain.column])}"
        if numbers.get(utilisation.column) is not None:
            line += (
                f"; they use {utilisation.with_unit(numbers[utilisation.column])} of the segment that they share, and "
                f"its queue takes {queue.with_unit(numbers.get(queue.column))} (median)"
            )
        yield line


def typical_arms(dataset: Dataset) -> list[dict[str, Any]]:
    """The arms of a dataset without axes as in `Run.arms`, with the medians over its measured runs as their numbers."""
    measured = dataset.summary[dataset.summary["outcome"] == "measured"]
    medians = {str(row["arm"]): row for row in dataset.medians().to_dict("records")}
    arms = []
    for arm, cells in measured.groupby("arm", sort=False)["cell"]:
        if arm == FLOOR:
            continue
        by_flow: dict[str, list[Mapping[str, Any]]] = {}
        for cell in cells.tolist():
            for record in dataset.flow_records[int(cell)]:
                by_flow.setdefault(str(record.get("flow")), []).append(record)
        flows = [{**records[0], **_medians(records)} for records in by_flow.values()]
        summary = {str(name): None if pd.isna(value) else value for name, value in medians[str(arm)].items()}
        arms.append({"arm": str(arm), "summary": summary, "flow_numbers": flows})
    return arms


def _medians(records: Sequence[Mapping[str, Any]]) -> dict[str, float | None]:
    numbers = {}
    for column in COLUMNS:
        values = [value for record in records if isinstance(value := record.get(column.name), int | float)]
        numbers[column.name] = float(np.median(values)) if values else None
    return numbers
