"""What the commands show of one run: table, answer in a sentence, and notes; or one JSON object."""

from typing import Any

from glassbench.experiments.account.metric_table import METRICS
from glassbench.experiments.account.session_numbers import SESSION_NUMBERS
from glassbench.experiments.cli.flow_table import print_flows
from glassbench.experiments.cli.show_notes import print_notes
from glassbench.experiments.cli.table import summary_table
from glassbench.experiments.cli.table_layout import print_whole
from glassbench.experiments.cli.terminal import say
from glassbench.experiments.results.answer import sentences
from glassbench.experiments.results.captures import CAPTURES
from glassbench.experiments.results.ranking import ranking_of
from glassbench.experiments.results.run import Run
from glassbench.experiments.results.subject import network, subject


def json_object(run: Run) -> dict[str, Any]:
    """What `--json` prints of a run besides its folder and notes; `trace_window` is null without a recorded trace."""
    windows = run.manifest.get("trace_windows") or [None]
    return {
        "complete": run.complete,
        "scenario": run.dataset.scenario_of_all(),
        "trace_window": windows[0],
        "floor": {name: run.floor.get(name) for name in ("outcome", "g2g_p95_ms")},
        "arms": [_row(arm) for arm in run.records],
    }


def print_run(run: Run, *, whole: bool = False) -> None:
    """The table, the arms that were not measured and why, the answer, and the notes, `whole` or how they begin."""
    rows = [_row(arm) for arm in run.records]
    ranking = ranking_of(arm["stats"] for arm in run.records)
    print_whole(summary_table(rows, title=subject(run), ranking=ranking))
    print_flows(run.records, title="flows")
    for row in rows:
        if row["outcome"] != "measured":
            say(f"{row['arm']}: {row['outcome']}: {row['reason']}")
    for sentence in sentences(run.records, network(run)):
        say(sentence)
    print_notes(run, whole=whole)
    if (captures := run.path / CAPTURES).is_dir():
        say(f"captures: {captures} (packets for Wireshark, qlogs for qvis)")
    state = "complete" if run.complete else "incomplete: the run broke off"
    say(f"results: {run.path} ({state})")


def _row(arm: dict[str, Any]) -> dict[str, Any]:
    metrics = (metric.column for metric in METRICS.values())
    fields = ("captured", "displayed", *metrics, *SESSION_NUMBERS, "fates", "stages_ms", "chat")
    numbers = {field: arm["summary"].get(field) for field in fields}
    about = {"arm": arm["arm"], "outcome": arm["outcome"], "reason": arm.get("reason")}
    return {**about, "notes": arm.get("notes", []), **numbers, "flows": arm["flow_numbers"]}
