"""Two sets of runs side by side, metric by metric: the table of `glass ab` and `glass results compare`."""

from collections.abc import Sequence
from typing import Any

from glassbench.experiments.account.number_text import interval_text
from glassbench.experiments.cli.whole_table import TableColumn, WholeTable
from glassbench.experiments.results.paired_metrics import PairedRow
from glassbench.experiments.results.ranking import Ranking
from glassbench.experiments.results.statistics.comparison import NOT_DISTINGUISHABLE, TIED, brief, named


def paired_table(title: str, rows: Sequence[PairedRow]) -> WholeTable:
    """A row per arm and metric."""
    columns = [
        TableColumn("arm", "name"),
        TableColumn("metric, in\na typical run", "name"),
        TableColumn("A", decides=True),
        TableColumn("B", decides=True),
        TableColumn("A less B\n[95 %]", decides=True),
        TableColumn("p\n(Holm)"),
        TableColumn("verdict", "words", decides=True),
    ]
    table = WholeTable(title, columns)
    for row in rows:
        paired = row.paired
        table.add_row(
            row.arm,
            row.metric.title,
            row.metric.text(row.a),
            row.metric.text(row.b),
            row.metric.text(paired.difference) + _interval(row),
            "" if row.p_value is None else f"{row.p_value:.2g}",
            brief(row.verdict),
        )
    return table


def _interval(row: PairedRow) -> str:
    return "" if row.p_value is None else interval_text(row.paired.low, row.paired.high, row.metric.text)


def answer(rows: Sequence[PairedRow], ranking: Ranking, dependent: str = "") -> str:
    """The verdicts by what decides, in a sentence each; or why there are none, if the runs are `dependent`."""
    if dependent:
        return f"There is no verdict: {dependent}."
    deciding = {words: [row for row in rows if row.metric.name == name] for name, words in ranking.judged_by.items()}
    return " ".join(_verdicts(words, its) for words, its in deciding.items() if its)


def _verdicts(words: str, rows: Sequence[PairedRow]) -> str:
    parts, alike = [], []
    for row in rows:
        if row.verdict == NOT_DISTINGUISHABLE:
            alike.append(row.arm)
            continue
        bounds = sorted((abs(row.paired.low), abs(row.paired.high)))
        size, least, most = (row.metric.text(each) for each in (abs(row.paired.difference), *bounds))
        parts.append(f"{row.arm}: {row.verdict}, by {size} ms [{least}, {most}] in a typical run")
    if alike:
        parts.append(f"{named(alike, len(rows))}: A and B are {NOT_DISTINGUISHABLE} ({TIED})")
    return f"At {words}, {'; '.join(parts)}."


def row_object(row: PairedRow) -> dict[str, Any]:
    """What `--json` prints of a row."""
    return {
        "arm": row.arm,
        "metric": row.metric.column,
        "unit": row.metric.unit,
        "a": round(row.a, 6),
        "b": round(row.b, 6),
        "difference": round(row.paired.difference, 6),
        "interval": None if row.p_value is None else [round(row.paired.low, 6), round(row.paired.high, 6)],
        "p_holm": row.p_value,
        "verdict": row.verdict,
    }
