"""`glass shell`: any command behind an emulated link, without root."""

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from glassbench.experiments.cli import completion
from glassbench.experiments.cli.change_options import Delay, Jitter, Loss, Queue, Rate, Trace, TraceColumns, TraceStart
from glassbench.experiments.cli.output import print_json, stdout_to_stderr, write_file

if TYPE_CHECKING:
    from glassbench.experiments.scenario.trace_window import TraceWindow
    from glassbench.experiments.worlds.live.behind_link import Passed

MOST_LATE_MS = 1.0

app = typer.Typer(add_completion=False)


@app.command(context_settings={"allow_interspersed_args": False})  # options after the command are the command's
def shell(
    command: Annotated[list[str], typer.Argument(metavar="-- COMMAND...", help="What to run behind the link.")],
    *,
    trace: Trace = None,
    trace_start: TraceStart = None,
    trace_columns: TraceColumns = None,
    up: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FILE",
            help="Another trace for what the command sends.",
            autocompletion=completion.traces,
        ),
    ] = None,
    rate: Rate = None,
    queue: Queue = None,
    delay: Delay = None,
    jitter: Jitter = None,
    loss: Loss = None,
    scenario: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FILE",
            help="The network of this scenario, instead of all of these.",
            autocompletion=completion.scenarios,
        ),
    ] = None,
    far: Annotated[
        str | None, typer.Option(metavar="COMMAND", help="A server on the far side, for as long as the command runs.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, metavar="NUMBER", help="Of the dice of the link.")] = 1,
    log: Annotated[
        Path | None, typer.Option(metavar="FILE.csv", help="Write what passed, each 100 ms, when the command ends.")
    ] = None,
    as_json: Annotated[
        bool,
        typer.Option("--json", help="Print one JSON object on stdout when the command ends; the command has stderr."),
    ] = False,
) -> None:
    """Run a command behind an emulated link, without root.

    The command has a network of its own: every IP protocol passes the link, and
    nothing else leads out. On its far side, at $GLASS_FAR, is what --far runs;
    or, inside of another glass shell, everything that that one reaches: links
    nest. Nothing is left when the command ends.

    glass shell --trace lte-driving --delay 20ms --far "iperf3 -s" -- iperf3 -c 198.18.1.1
    """
    from glassbench.experiments.scenario.trace_window import window_of
    from glassbench.experiments.worlds.live.behind_link import run_behind

    short = {"trace": trace, "trace_columns": trace_columns, "trace_start": trace_start, "rate": rate, "queue": queue}
    short |= {"delay": delay, "jitter": jitter, "loss": loss}
    given = {name: value for name, value in short.items() if value is not None}
    if scenario is not None and (given or up):
        raise typer.BadParameter("the scenario has a network; accepted is --scenario, or the options of a link")
    behind = _behind(scenario, given, up, seed)
    with stdout_to_stderr() if as_json else nullcontext():
        passed = run_behind(command=command, far_command=far or "", **behind)
    window = window_of(behind["network"], seed=seed, length=behind["trace_length"])
    notes = [] if (busy := _busy(passed)) is None else [busy]
    if not as_json:
        _say(passed, window, notes)
    if log is not None:
        typer.echo(write_file(log, passed.links.to_csv(index=False).encode()), err=True)
    if as_json:
        ways = {"to_command": passed.down, "from_command": passed.up}
        names = {"pushed": "packets", "popped": "passed", "lost": "lost", "dropped": "dropped"}
        counts = {way: {name: getattr(count, field) for field, name in names.items()} for way, count in ways.items()}
        record = {"code": passed.code, **counts, "trace_start_s": None if window is None else window.start}
        print_json({**record, "log": None if log is None else str(log)}, notes=notes)
    raise typer.Exit(passed.code)


def _say(passed: "Passed", window: "TraceWindow | None", notes: list[str]) -> None:
    if window is not None:
        typer.echo(f"the trace was replayed from {window.start:g} s on", err=True)
    for way, counts in (("to the command", passed.down), ("from the command", passed.up)):
        typer.echo(
            f"{way}: {counts.popped} of {counts.pushed} packets passed, {counts.lost} lost, {counts.dropped} dropped",
            err=True,
        )
    for note in notes:
        typer.echo(f"warning: {note}", err=True)


def _busy(passed: "Passed") -> str | None:
    """A sentence if the machine was too busy to be this link."""
    if passed.late_ms <= MOST_LATE_MS and not passed.overflows and not passed.pause_ms:
        return None
    return (
        f"the machine was busy, so this was another link: 1 % of the packets left more than {passed.late_ms:.1f} ms "
        f"late, {passed.overflows} were dropped by the kernel, and its longest pause took {passed.pause_ms:.0f} ms"
    )


def _behind(scenario: str | None, given: dict[str, str], up: str | None, seed: int) -> dict[str, Any]:
    """What the command is behind: the network, the names of the segments that are passed, the seed of the dice, and the
    length of generated traces."""
    from glassbench.experiments.scenario import build_network, load
    from glassbench.experiments.worlds.live.behind_link import TRACE_LENGTH

    if scenario is not None:
        plan = load(scenario)
        over = plan.routes()[0].over
        return {"network": plan.network, "over": over, "seed": seed, "trace_length": plan.duration}

    if up is None:
        link = build_network(given)
    else:
        start = {name: given[name] for name in ("trace_start",) if name in given}
        rest = {name: value for name, value in given.items() if name not in start}
        down, _ = build_network(rest).paths()
        _, back = build_network({**rest, "trace": up}).paths()
        link = build_network({"down": [one.dump() for one in down], "up": [one.dump() for one in back], **start})
    return {"network": link, "seed": seed, "trace_length": TRACE_LENGTH}
