"""A table in a notebook: what decides, a row per arm, soonest first."""

import html
import math
from collections.abc import Sequence

import pandas as pd

from glassbench.experiments.account.metric_table import Metric
from glassbench.experiments.results.ranking import Ranking

_MOST_ROWS = 30


def html_table(numbers: pd.DataFrame, axes: Sequence[str], ranking: Ranking, *, title: str, place: str) -> str:
    """`numbers` has a row per arm, and per point of the `axes`; `place` is where all of it is."""
    columns = [column for column in (*axes, *ranking.columns) if column in numbers]
    ordered = numbers.sort_values(columns, kind="stable", na_position="last") if len(numbers) else numbers
    metrics = [metric for metric in ranking.metrics("medians") if metric.column in numbers]
    shown = {**{name: ordered[name].map(str) for name in (*axes, "arm")}, **_texts(ordered, metrics)}
    body = pd.DataFrame(shown).head(_MOST_ROWS).to_html(index=False, border=0, escape=True)
    rest = len(numbers) - _MOST_ROWS
    more = f"<p>and {rest} rows more: <code>summary</code></p>" if rest > 0 else ""
    return f"<p><b>{html.escape(title)}</b><br><code>{html.escape(place)}</code></p>{body}{more}"


def _texts(numbers: pd.DataFrame, metrics: Sequence[Metric]) -> dict[str, pd.Series]:
    return {
        metric.heading.replace("\n", " "): numbers[metric.column].map(lambda value, of=metric: _text(of, value))
        for metric in metrics
    }


def _text(metric: Metric, value: float) -> str:
    return metric.text(math.nan if pd.isna(value) else value)
