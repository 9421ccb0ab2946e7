"""`glass ab`: two settings over the same seeds, metric by metric, with a verdict that chance cannot explain."""

import json
import math
from pathlib import Path
from typing import Annotated, Any

import typer
from rich import box
from rich.table import Table

from experiments.cli.options import AsJson, Results, Workers, command_line
from experiments.cli.progress import cell_progress
from experiments.cli.show import wide_console
from experiments.cli.show_dataset import sizing
from experiments.statistics.comparison import NOT_DISTINGUISHABLE


def ab(
    a: Annotated[str, typer.Argument(metavar="A", help="A scenario file, or a name of glass list scenarios.")],
    b: Annotated[str, typer.Argument(metavar="B", help="The other one.")],
    *,
    runs: Annotated[
        int, typer.Option(min=1, max=10_000, metavar="COUNT", help="Runs of each, over the same seeds.")
    ] = 20,
    results: Results = Path("results"),
    workers: Workers = None,
    as_json: AsJson = False,
) -> None:
    """Compare two settings: the same seeds for both, so that only the setting differs.

    Arms of the same label are compared with each other; if A and B have one arm
    each, those two are. Each run gives one number per metric, and a difference
    counts if a randomization test over the runs, adjusted for all of them, says
    so at 5 %. A is also compared with itself, which shows the rate of false
    alarms.
    """
    from experiments.engine.ab import Settings, false_alarms, paired_metrics, run_settings
    from experiments.scenario import load

    settings = Settings.of(load(a), load(b))
    with cell_progress(quiet=as_json) as progress:
        dataset = run_settings(
            settings, runs, results=results, workers=workers, progress=progress, command=command_line()
        )
    rows = paired_metrics(dataset, settings)
    alarms = false_alarms(dataset, settings)
    if as_json:
        record = {"dataset": str(dataset.path), "runs": runs, "rows": [_object(row) for row in rows]}
        aa = None if alarms is None else {**vars(alarms), "as_stated": alarms.as_stated}
        typer.echo(json.dumps({**record, "a_against_itself": aa}, allow_nan=False))
        return
    wide_console().print(_table(settings, runs, rows))
    typer.echo(_answer(settings, rows))
    if alarms is not None:
        typer.echo(
            f"A against itself: {alarms.called} of {alarms.pairs} random halves called different at "
            f"{alarms.level:.0%}; by chance {alarms.least} to {alarms.most} are."
        )
    typer.echo(sizing(runs))
    typer.echo(f"results: {dataset.path} (complete)")


def _table(settings: Any, runs: int, rows: list[Any]) -> Table:
    title = f"A: {settings.a.name}, B: {settings.b.name}, {runs} runs each, in virtual time"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, title_style="bold")
    table.add_column("arm", overflow="fold")
    table.add_column("metric, in a typical run")
    for heading in ("A", "B", "A less B [95 %]", "p (Holm)", "verdict"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        paired = row.paired
        table.add_row(
            row.arm,
            f"{row.metric.label}, {row.metric.unit}" if row.metric.unit else row.metric.label,
            _number(row.a),
            _number(row.b),
            f"{_number(paired.difference)} [{_number(paired.low)}, {_number(paired.high)}]",
            f"{row.p_value:.2g}",
            row.verdict,
        )
    return table


def _answer(settings: Any, rows: list[Any]) -> str:
    if settings.same:
        return "A and B are the same setting: with the same seeds every difference is 0."
    parts = []
    for row in rows:
        if row.metric.name != "g2g_p95_ms":
            continue
        if row.verdict == NOT_DISTINGUISHABLE:
            parts.append(f"{row.arm}: A and B are {NOT_DISTINGUISHABLE}")
        else:
            bounds = sorted((abs(row.paired.low), abs(row.paired.high)))
            size = f"{_number(abs(row.paired.difference))} ms [{_number(bounds[0])}, {_number(bounds[1])}]"
            parts.append(f"{row.arm}: {row.verdict}, by {size} in a typical run")
    return f"At p95, {'; '.join(parts)}."


def _number(value: float) -> str:
    return f"{value:.4g}" if math.isfinite(value) else ("∞" if value > 0 else "-∞")


def _finite(value: float) -> float | None:
    return round(value, 6) if math.isfinite(value) else None


def _object(row: Any) -> dict[str, Any]:
    return {
        "arm": row.arm,
        "metric": row.metric.name,
        "unit": row.metric.unit,
        "a": _finite(row.a),
        "b": _finite(row.b),
        "difference": _finite(row.paired.difference),
        "interval": [_finite(row.paired.low), _finite(row.paired.high)],
        "p_holm": row.p_value,
        "verdict": row.verdict,
    }
