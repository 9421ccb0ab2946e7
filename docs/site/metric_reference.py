"""On docs/metrics.md: below the heading of each metric its picture, and what the table of metrics says of it."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metric_pictures import save

from glassbench.experiments.account.metric_table import METRICS, Metric

if TYPE_CHECKING:
    from sphinx.application import Sphinx

PAGE = "docs/metrics"
PICTURES = Path("build/metrics")

_VIEWS = {
    "table": "`glass compare`",
    "following": "`glass compare`",
    "medians": "`--runs`",
    "sweep": "`glass sweep`",
    "report": "`glass report`",
    "paired": "`glass ab`",
    "agreement": "`glass agree`",
    "budget": "`glass budget`",
}


def filled(text: str, root: Path) -> str:
    """The page with its pictures, which are written below the root. Raises LookupError if it lacks a metric."""
    folder = root / PICTURES
    folder.mkdir(parents=True, exist_ok=True)
    for metric in METRICS.values():
        heading = f"### `{metric.name}`\n"
        if heading not in text:
            raise LookupError(f"{PAGE}.md explains no metric {metric.name}: add a section {heading.strip()}")
        save(metric, str(folder / f"{metric.name}.svg"))
        figure = f"```{{figure}} /{PICTURES}/{metric.name}.svg\n:alt: {_alt(text, heading)}\n\n{_facts(metric)}\n```\n"
        text = text.replace(heading, f"{heading}\n{figure}")
    return text


def _alt(text: str, heading: str) -> str:
    """The first sentence of the section says what the picture shows."""
    first = text.split(heading)[1].strip().split("\n\n")[0].replace("\n", " ")
    return re.sub(r"[`*\[\]]|\(\S+\)", "", re.split(r"(?<=\.) ", first)[0])


def _facts(metric: Metric) -> str:
    better = "less is better" if metric.lower_is_better else "more is better"
    where = ", ".join(dict.fromkeys(_VIEWS[view] for view in metric.views))
    parts = [f"Column `{metric.column}`", f"unit {metric.unit}" if metric.unit else "no unit", better]
    parts += ["of video alone"] if metric.video_only else []
    return "; ".join(parts) + (f". Shown by {where}." if where else ". In `summary` and `--json`.")


def setup(app: "Sphinx") -> dict[str, Any]:
    def fill(_: "Sphinx", page: str, source: list[str]) -> None:
        if page == PAGE:
            source[0] = filled(source[0], Path(app.srcdir))

    app.connect("source-read", fill)
    return {"parallel_read_safe": True}
