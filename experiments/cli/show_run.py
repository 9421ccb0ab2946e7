"""What the commands show of one run: table, answer in a sentence, and notes; or one JSON object."""

from typing import Any

import typer

from glassbench.experiments.account.metric_table import METRICS
from glassbench.experiments.cli.flow_table import print_flows
from glassbench.experiments.cli.table import summary_table
from glassbench.experiments.cli.whole_table import print_whole, wide_console
from glassbench.experiments.results.answer import answer
from glassbench.experiments.results.captures import CAPTURES
from glassbench.experiments.results.ranking import ranking_of
from glassbench.experiments.results.run import Run
from glassbench.experiments.results.subject import subject


def json_object(run: Run) -> dict[str, Any]:
    """What `--json` prints; `trace_window` is null without a recorded trace."""
    windows = run.manifest.get("trace_windows") or [None]
    return {
        "results": str(run.path),
        "complete": run.complete,
        "scenario": run.dataset.scenario_of_all(),
        "trace_window": windows[0],
        "floor": {name: run.floor.get(name) for name in ("outcome", "g2g_p95_ms")},
        "arms": [_row(arm) for arm in run.records],
    }


def print_run(run: Run) -> None:
    """The table, the arms that were not measured and why, the answer, and the notes."""
    rows = [_row(arm) for arm in run.records]
    console = wide_console()
    ranking = ranking_of(arm["stats"] for arm in run.records)
    print_whole(summary_table(rows, title=subject(run), ranking=ranking, width=console.width), console=console)
    print_flows(run.records, title="flows")
    for row in rows:
        if row["outcome"] != "measured":
            typer.echo(f"{row['arm']}: {row['outcome']}: {row['reason']}")
    typer.echo(answer(run.records))
    for note in run.notes:
        typer.echo(f"note: {note}")
    if (captures := run.path / CAPTURES).is_dir():
        typer.echo(f"captures: {captures} (packets for Wireshark, qlogs for qvis)")
    state = "complete" if run.complete else "incomplete: the run broke off"
    typer.echo(f"results: {run.path} ({state})")


def _row(arm: dict[str, Any]) -> dict[str, Any]:
    fields = ("captured", "displayed", *(metric.column for metric in METRICS.values()), "fates", "stages_ms", "chat")
    numbers = {field: arm["summary"].get(field) for field in fields}
    about = {"arm": arm["arm"], "outcome": arm["outcome"], "reason": arm.get("reason")}
    return {**about, "notes": arm.get("notes", []), **numbers, "flows": arm["flow_numbers"]}
