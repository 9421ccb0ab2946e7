"""The tables of a report: numbers per arm of one run, of many runs with intervals, fates, and freezes."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from glassbench.experiments.account.ledger import FATES
from glassbench.experiments.account.metric_table import Metric, in_view, known
from glassbench.experiments.account.metrics import freezes
from glassbench.experiments.account.number_text import NOTHING, finite, number_text, share_text
from glassbench.experiments.results.flow_rows import COLUMNS, FlowText
from glassbench.experiments.results.paired_metrics import values_of
from glassbench.experiments.results.report.content import Row, Table, TableCell
from glassbench.experiments.results.statistics import Comparison, Interval, Paired, quantile_interval

_FREEZES_TOLD = 6  # of an arm, by length; the strips show all


def run_table(arms: Sequence[Mapping[str, Any]]) -> Table:
    """The numbers of one run in the order given; an arm that was not measured to its end has its outcome instead."""
    metrics = known(in_view("report"), (arm["summary"] for arm in arms))
    return Table(
        caption="One run, so these are its numbers and not intervals. Latencies are glass to glass over all captured "
        "frames: one never shown is infinite (∞).",
        corner="arm",
        columns=headings(metrics),
        rows=tuple(_run_row(arm, metrics) for arm in arms),
    )


def _run_row(arm: Mapping[str, Any], metrics: Sequence[Metric]) -> Row:
    numbers = arm["summary"]
    if arm["outcome"] != "measured" and not numbers:
        return Row(arm["arm"], (TableCell(arm["outcome"]), *[TableCell(NOTHING)] * (len(metrics) - 1)))
    first, *others = (_cell(metric, numbers) for metric in metrics)
    note = first.note if arm["outcome"] == "measured" else arm["outcome"]
    return Row(arm["arm"], (TableCell(first.text, note), *others))


def _cell(metric: Metric, numbers: Mapping[str, Any]) -> TableCell:
    if metric.name == "shown":
        shown, captured = (finite(numbers.get(name)) or 0.0 for name in ("displayed", "captured"))
        return TableCell(share_text(shown, captured), f"{shown:.0f} of {captured:.0f}")
    note = f"{number_text(numbers.get('freeze_s'), '.2f')} s" if metric.name == "freezes" else ""
    return TableCell(metric.text(numbers.get(metric.column)), note)


def headings(metrics: Sequence[Metric]) -> tuple[str, ...]:
    """Of the columns of a page that have metrics."""
    return tuple(metric.heading.replace("\n", " ") for metric in metrics)


def interval_table(summary: pd.DataFrame, arms: Sequence[str], *, intervals: bool) -> Table:
    """Each number in a typical run, the median, and its interval unless the runs are dependent; `summary` as of a
    dataset without axes."""
    metrics = known(in_view("report"), summary.to_dict("records"))
    within = (
        ", below it its 95 % interval by order statistics (∞ stands for a side on which so few runs bound nothing, and "
        "for frames never shown)"
    )
    return Table(
        caption="In a typical run: the median over the measured runs in which a number is defined"
        f"{within if intervals else ''}. Latencies are glass to glass over all captured frames of a run.",
        corner="arm",
        columns=("runs", *headings(metrics)),
        rows=tuple(_interval_row(arm, summary[summary["arm"] == arm], metrics, intervals=intervals) for arm in arms),
    )


def _interval_row(arm: str, rows: pd.DataFrame, metrics: Sequence[Metric], *, intervals: bool) -> Row:
    measured = rows[rows["outcome"] == "measured"]
    count = TableCell(str(len(measured)), "" if len(measured) == len(rows) else f"of {len(rows)}")
    if measured.empty:
        return Row(arm, (count, TableCell(str(rows["outcome"].iloc[0])), *[TableCell(NOTHING)] * (len(metrics) - 1)))
    return Row(arm, (count, *(_typical(measured, metric, within=intervals) for metric in metrics)))


def _typical(measured: pd.DataFrame, metric: Metric, *, within: bool) -> TableCell:
    values = values_of(measured, metric)
    defined = values[~np.isnan(values)]
    if not len(defined):
        return TableCell(NOTHING)
    bounds = quantile_interval(defined)
    note = f"[{metric.text(bounds.low)}, {metric.text(bounds.high)}]" if within else ""
    return TableCell(metric.text(float(np.median(defined))), note)


def verdict_table(compared: Comparison) -> Table:
    """How much later than the soonest arm each is, and whether chance explains it."""
    name = compared.name
    rows = []
    for arm in compared.arms:
        paired = arm.against_best
        rows.append(
            Row(
                arm.arm,
                (
                    _with_bounds(arm.typical, arm.interval),
                    TableCell(_ms(arm.pooled)),
                    TableCell(NOTHING) if paired is None else _with_bounds(paired.difference, paired),
                    TableCell(NOTHING if arm.p_value is None else f"{arm.p_value:.2g}"),
                    TableCell(arm.verdict),
                ),
            )
        )
    return Table(
        caption=f"{name} of {compared.blocks} {compared.unit}s, all arms over the same seeds. Differences are paired, "
        f"their 95 % intervals a bootstrap over {compared.unit}s; p is of an exact sign-flip test, adjusted by Holm "
        "over all pairs of arms.",
        corner="arm",
        columns=(
            f"{name} in a typical {compared.unit}, ms",
            f"{name} over all frames, ms",
            "later than the soonest, ms",
            "p (Holm)",
            "verdict",
        ),
        rows=tuple(rows),
    )


def flow_table(rows: Sequence[FlowText], *, of: str) -> Table:
    """What each flow of each arm got."""
    return Table(
        caption=f"What the flows of each arm got in {of}. Goodput is the payload of the frames that were delivered; "
        "sent and missing are packets on their way to the receiver. Latencies are from capture to display, or to the "
        "delivery of a chunk of a bulk transfer.",
        corner="arm and flow",
        columns=("transport", *(column.heading.replace("\n", " ") for column in COLUMNS)),
        rows=tuple(
            Row(f"{row.arm}: {row.flow}", (TableCell(row.transport), *map(TableCell, row.numbers))) for row in rows
        ),
    )


def fate_table(fates: Mapping[str, Mapping[str, Any]]) -> Table:
    """How many captured frames met which end; `fates` is a count per fate, by arm."""
    rows = []
    for arm, counts in fates.items():
        numbers = {fate: int(finite(counts.get(fate)) or 0) for fate in FATES}
        total = sum(numbers.values())
        rows.append(
            Row(
                arm,
                tuple(
                    TableCell(str(numbers[fate]), share_text(numbers[fate], total) if numbers[fate] else "")
                    for fate in FATES
                ),
            )
        )
    return Table(
        caption="Video frames by fate. undecodable: its reference was missing. late: whole, but after its deadline "
        "or its turn. dropped, expired: given up by the sender. lost: it never arrived whole.",
        corner="arm",
        columns=tuple(FATES),
        rows=tuple(rows),
    )


def freeze_table(video: Mapping[str, pd.DataFrame], order: Sequence[str], *, of: str) -> Table:
    """When the picture stood still, and for how long."""
    rows = []
    for arm in order:
        arm_freezes = freezes(video[arm])
        longest = sorted(arm_freezes, key=lambda freeze: -freeze[1])[:_FREEZES_TOLD]
        told = "; ".join(f"{length:.2f} s at {start:.1f} s" for start, length in sorted(longest)) or NOTHING
        if len(arm_freezes) > len(longest):
            told += f"; and {len(arm_freezes) - len(longest)} shorter"
        total = float(np.sum([length for _, length in arm_freezes]))
        rows.append(Row(arm, (TableCell(str(len(arm_freezes))), TableCell(f"{total:.2f} s"), TableCell(told))))
    return Table(
        caption=f"Freezes of {of} by the rule of W3C webrtc-stats: a gap between shown frames of at least three "
        "mean gaps, and of at least the mean gap and 150 ms.",
        corner="arm",
        columns=("number", "together", "when"),
        rows=tuple(rows),
        numbers=False,
    )


def _with_bounds(seconds: float, bounds: Interval | Paired | None) -> TableCell:
    return TableCell(_ms(seconds), "" if bounds is None else f"[{_ms(bounds.low)}, {_ms(bounds.high)}]")


def _ms(seconds: float) -> str:
    return number_text(1e3 * seconds, ".1f")
