"""Every table that the program prints, in terminals of any width: whole, and what decides in one line."""

import io
import math
import re
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from glassbench.experiments.account.metric_table import METRICS
from glassbench.experiments.budgets.check import Verdict
from glassbench.experiments.budgets.judge import Margin
from glassbench.experiments.catalog.experiment import Check
from glassbench.experiments.cli import (
    agree,
    budget_table,
    check_table,
    flow_table,
    listing,
    oracle,
    paired_table,
    results,
    show_runs,
    table,
    trace,
)
from glassbench.experiments.cli.table_layout import laid_out
from glassbench.experiments.cli.terminal import wrapped
from glassbench.experiments.cli.whole_table import TableColumn, WholeTable
from glassbench.experiments.results.flow_rows import COLUMNS, FlowText
from glassbench.experiments.results.paired_metrics import PairedRow
from glassbench.experiments.results.ranking import BY_LATENCY, Ranking, ranking_of
from glassbench.experiments.results.statistics import Paired, compare_arms
from glassbench.experiments.results.store import Entry
from glassbench.netem.traces import GENERATORS, generate
from glassbench.transport.registry import TRANSPORTS

Glass = Callable[..., Any]
Terminal = Callable[[int], None]

ROOT = Path(__file__).parents[2]
FOLLOWING = ranking_of([{"follows": True, "picture_floor": 0.85}])
ARMS = (
    "quic-stream:control=cubic,encoder=follow",
    "webtransport-stream-per-frame",
    "udp",
    "quic-stream:stack=stock,control=cubic,queue_bytes=1000000,ecn=true,slices=4",
)
WIDTHS = (60, 80, 100, 120, None)
VALUES = {"ms": 1234.56, "s": 12.345, "count": 12, "share": 0.98765, "ratio": 10.01, "Mbit/s": 12.345, "dB": 34.5}


def of_one_run(ranking: Ranking) -> WholeTable:
    numbers = {metric.column: VALUES.get(metric.unit, 0.9) for metric in METRICS.values()}
    row = {**numbers, "outcome": "measured", "displayed": 743, "captured": 750, "g2g_p99_ms": math.inf}
    rows: list[dict[str, Any]] = [{**row, "arm": arm} for arm in ARMS]
    rows.append({"arm": "rtp", "outcome": "unsupported"})
    return table.summary_table(rows, title="a title of some words " * 9, ranking=ranking)


def of_a_sweep(ranking: Ranking) -> WholeTable:
    metrics = ranking.metrics("medians")
    names = [TableColumn(name, "name") for name in ("network.delay", "video.bitrate", "arm")]
    whole = WholeTable("title", [*names, TableColumn("runs"), *table.metric_columns(metrics, ranking)])
    for arm in ARMS:
        numbers = (metric.text(VALUES.get(metric.unit, 0.9)) for metric in metrics)
        whole.add_row("20ms", "2500kbit/s", arm, "20", *numbers)
    return whole


def of_many_runs(blocks: int) -> WholeTable:
    rng = np.random.default_rng(1)
    delays = {arm: [rng.uniform(0.1, 0.2 + 0.1 * index, 60) for _ in range(blocks)] for index, arm in enumerate(ARMS)}
    delays["rtp"] = [np.full(60, np.inf)] * blocks
    compared = compare_arms(delays, rng=rng, delay="signal delay", shown=dict.fromkeys(delays, 0.9))
    return show_runs.evidence_table("title", compared)


def of_pairs() -> WholeTable:
    paired = Paired(20, -math.inf, -math.inf, 1234.5, -1, 0.04)
    rows = [
        PairedRow(arm, metric, 1e4, math.inf, paired, 0.0123) for arm in ARMS for metric in FOLLOWING.metrics("paired")
    ]
    return paired_table.paired_table("title", rows)


def of_worlds() -> WholeTable:
    difference = Paired(3, 1234.5, -math.inf, math.inf, 1, 1.0)
    compared = [
        SimpleNamespace(arm=arm, metric=metric, virtual=1234.5, live=math.inf, within=False, difference=difference)
        for arm in ARMS
        for metric in METRICS.values()
        if metric.tolerance
    ]
    return agree.agreement_table("title", SimpleNamespace(compared=compared))  # type: ignore[arg-type]


def of_budgets() -> WholeTable:
    def verdict(arm: str, margin: Margin | None) -> Verdict:
        budget: Any = SimpleNamespace(
            target=f"calls/of/a/call.toml, {arm}, video", metric=METRICS["p95"], limit="max_increase 10%"
        )
        return Verdict(budget, margin, problem="" if margin else "it was not measured, since the codec is not there")

    margins = (Margin(False, 1234.5, 1000.0, 234.5, 909.0, "says little: " + "it takes more frames " * 5), None)
    verdicts = [verdict(arm, margin) for arm in ARMS for margin in margins]
    report: Any = SimpleNamespace(budgets=SimpleNamespace(file="budgets.toml", targets=[]), verdicts=verdicts)
    return budget_table.budget_table(report)


def of_checks() -> WholeTable:
    sentence = "the latency of a frame falls by a round trip "
    check = Check(
        3 * sentence, "RFC 9002, 6.1", "order", sentence, "20.5, 40.6 and 60.7 ms", holds=False, note=sentence
    )
    return check_table.check_table({"stream-vs-datagram-cellular-v1": [check, check], "repair-v1": [check]})


def of_flows() -> WholeTable:
    numbers = tuple("12.34" for _ in COLUMNS)
    rows = [FlowText(arm, flow, f"{arm},slices=4", numbers) for arm in ARMS for flow in ("media", "a-second-call")]
    return flow_table.flow_table("flows", rows)


def of_folders() -> WholeTable:
    path = Path("results/of/many/days", "a-setting-with-a-long-name-of-a-scenario-seeds1-20")
    return results.folder_table([Entry(path, "a-setting-with-a-long-name", (1, 20), 40, True, "0123456789", 1e9, True)])


def of_bounds() -> WholeTable:
    return oracle.bound_table(
        [oracle.BoundRow("one", "newest first, of all packets that the link takes", (1e3, 2e3, math.inf), 1.0)]
    )


TABLES: dict[str, Callable[[], WholeTable]] = {
    "one run, fixed": partial(of_one_run, BY_LATENCY),
    "one run, following": partial(of_one_run, FOLLOWING),
    "sweep, fixed": partial(of_a_sweep, BY_LATENCY),
    "sweep, following": partial(of_a_sweep, FOLLOWING),
    "many runs": partial(of_many_runs, 20),
    "few runs": partial(of_many_runs, 2),
    "pairs": of_pairs,
    "worlds": of_worlds,
    "budgets": of_budgets,
    "checks": of_checks,
    "flows": of_flows,
    "folders": of_folders,
    "bounds": of_bounds,
    "traces": lambda: trace.statistics_table(
        {name: generate(name, seed=1, duration=2.0) for name in ("steps", "satellite")},
        {name: entry.summary for name, entry in GENERATORS.items()},
    ),
    **{f"list {kind}": partial(listing.listing_table, kind) for kind in listing.Kind},
}


def words_of(whole: WholeTable) -> set[str]:
    """The words of all cells that say something; of names those parts that stay together."""
    texts = [str(cell) for row in whole.rows for cell in row if str(cell) != "-"]
    return {part for text in texts for word in text.split() for part in re.split(r"(?<=[:,])", word) if part}


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", TABLES)
def test_a_table_is_whole_at_any_width(name: str, width: int | None) -> None:
    whole = TABLES[name]()
    lines = [line.plain for line in laid_out(whole, width)]
    if width is not None:
        assert max(len(line) for line in lines if " " in line.strip()) <= width  # a path alone in its line stays whole
    text = "\n".join(lines)
    assert "…" not in text
    missing = {word for word in words_of(whole) if word not in text}
    assert not missing
    for arm in ARMS:
        if any(arm in map(str, row) for row in whole.rows) and (width is None or len(arm) <= width - 2):
            assert arm in text


@pytest.mark.parametrize("name", TABLES)
def test_the_columns_that_decide_stand_in_one_line_at_80_columns_and_all_at_120(name: str) -> None:
    whole = TABLES[name]()
    decide = [place for place, column in enumerate(whole.columns) if column.decides]
    numbers = [place for place, column in enumerate(whole.columns) if column.kind == "number"]
    for width, places in ((80, decide), (120, numbers), (None, numbers)):
        lines = [line.plain for line in laid_out(whole, width)]
        for row in whole.rows:
            if len(row) == len(whole.columns):
                cells = [str(row[place]).split(" on ")[0] for place in places if str(row[place]) not in ("", "-")]
                assert any(in_order(cells, line) for line in lines), (width, cells)


def in_order(cells: list[str], line: str) -> bool:
    """Whether these texts follow each other in a line."""
    return re.search(".*".join(map(re.escape, cells)), line) is not None


@pytest.mark.parametrize("ranking", [BY_LATENCY, FOLLOWING], ids=["fixed", "following"])
def test_what_decides_is_what_orders_arms_and_what_is_paid_for_it(ranking: Ranking) -> None:
    deciding = {metric.name for metric in METRICS.values() if ranking.decides(metric)}
    assert {"shown", "p95", "signal_p95", "ssim", "sent"} <= deciding
    assert ("picture_p95" in deciding) == ranking.by_signal


def test_no_command_makes_a_table_of_its_own() -> None:
    files = (ROOT / "experiments").rglob("*.py")
    assert not [path.name for path in files if re.search(r"rich\.table|import Table\b.*rich", path.read_text("utf-8"))]


def test_a_column_without_any_number_is_left_out() -> None:
    numbers = {metric.column: None if metric.name in ("ssim", "picture_p95") else 1.0 for metric in METRICS.values()}
    row = {**numbers, "arm": "udp", "outcome": "measured", "displayed": 1, "captured": 1}
    lines = [line.plain for line in laid_out(table.summary_table([row], title="", ranking=FOLLOWING), 80)]
    headings = " ".join(lines[-5:])
    assert "signal" in headings and "SSIM" not in headings and "picture" not in headings


def test_a_short_name_stands_beside_its_numbers_and_a_long_one_above() -> None:
    whole = WholeTable("", [TableColumn("arm", "name"), TableColumn("p95\nms")])
    for name in ("udp", "rtp", "quic-datagram:control=bbr"):
        whole.add_row(name, "12.5")
    assert [line.plain for line in laid_out(whole, 28)] == [
        "       p95",
        " arm    ms",
        " ─────────────────────────",
        " udp  12.5",
        " rtp  12.5",
        " quic-datagram:control=bbr",
        "      12.5",
        "",
    ]


def test_sentences_break_between_words_and_long_names_at_their_joints() -> None:
    assert wrapped("it takes 20 ms over quic-stream:control=cubic,encoder=follow", 24, hanging=2) == [
        "it takes 20 ms over",
        "quic-stream:",
        "control=cubic,",
        "encoder=follow",
    ]
    assert wrapped("loss of 1 % in 20 ms", 11) == ["loss of 1 %", "in 20 ms"]
    assert wrapped("one line\nand another", None) == ["one line", "and another"]


def test_letters_that_a_terminal_lacks_keep_the_columns_straight(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding="latin-1"))
    lines = [line.plain for line in laid_out(TABLES["one run, fixed"](), 80)]
    assert all(line.isascii() and len(line) <= 80 for line in lines)
    assert any(re.search(r" +inf  ", line) for line in lines)


def test_a_terminal_wraps_what_a_file_has_in_one_line(
    glass: Glass, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich takes anything for a terminal then
    monkeypatch.setenv("COLUMNS", "60")
    whole = glass("list", "transports").out
    assert max(map(len, whole.splitlines())) > 120
    for columns in (60, 80, 120):
        terminal(columns)
        lines = re.sub(r"\x1b\[[0-9;]*m", "", glass("list", "transports").out).splitlines()
        assert max(map(len, lines)) <= columns
        assert set(TRANSPORTS) <= {line.split()[0] for line in lines if line.strip()}
