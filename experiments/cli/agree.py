"""`glass agree` and `glass calibrate`: virtual time against real sockets, and what the codecs take here."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich import box
from rich.table import Table

from glassbench.experiments.cli.numbers import number_text
from glassbench.experiments.cli.options import AsJson, Results, WithEmulator, command_line
from glassbench.experiments.cli.progress import progress_bars
from glassbench.experiments.cli.whole_table import print_whole
from glassbench.experiments.results.json_form import json_text
from glassbench.experiments.worlds.table import VIRTUAL, named

if TYPE_CHECKING:
    from glassbench.experiments.engine.agreement import Agreement


def agree(
    scenario: Annotated[str, typer.Argument(help="A scenario file (TOML), or a name of glass list scenarios.")],
    *,
    runs: Annotated[int, typer.Option(min=1, max=1000, metavar="COUNT", help="Seeds, each run both ways.")] = 3,
    duration: Annotated[
        str | None, typer.Option(metavar="TIME", help="Length of the media, instead of the scenario's.")
    ] = None,
    emulator: WithEmulator = None,
    results: Results = Path("results"),
    as_json: AsJson = False,
) -> None:
    """Run a scenario live and in virtual time, and say how far they agree.

    Both worlds run the same seeds. What encoding and decoding take in virtual
    time is what it took live. A difference is that of a typical run, with a 95 %
    interval if there are enough runs for one.
    """
    from glassbench.experiments.engine.agreement import MEASURES
    from glassbench.experiments.engine.agreement import agree as both
    from glassbench.experiments.results.subject import subject
    from glassbench.experiments.scenario import build, load

    plan = load(scenario)
    if duration is not None:
        plan = build({**plan.dump(), "duration": duration})
    with progress_bars(quiet=as_json) as progress:
        found = both(
            plan,
            runs,
            world=named(emulator or "netns"),
            results=results,
            progress=progress,
            command=command_line(),
        )
    if as_json:
        typer.echo(json_text(_object(found)))
        return
    heading = f"{scenario}, {runs} runs, live less virtual\n{subject(found.live)}"
    print_whole(_table(heading, found))
    beyond = [one for one in found.compared if not one.within]
    stated = ", ".join(f"{measure.label.split(',')[0]} {measure.stated}" for measure in MEASURES)
    typer.echo(f"{len(found.compared) - len(beyond)} of {len(found.compared)} are within tolerance ({stated}).")
    for arm, reason in found.not_measured.items():
        typer.echo(f"{arm}: not compared: {reason}")
    for world, dataset in (("live", found.live), ("virtual", found.virtual)):
        for note in dataset.notes:
            typer.echo(f"note, {world}: {note}")
    typer.echo(f"results: {found.live.path} and {found.virtual.path} (complete)")


def calibrate(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Of a live run, or of several.")],
) -> None:
    """Record what encoding and decoding took in live runs, for virtual time.

    Writes a line per frame into two files in that folder, and prints what to put
    into a scenario. Without it, virtual time uses the cost models of the scenario
    (docs/scenarios.md, encode_cost and decode_cost).
    """
    from glassbench.experiments.results.codec_costs import write_codec_costs
    from glassbench.experiments.results.dataset import load

    dataset = load(folder)
    if (world := dataset.manifest.get("world")) == VIRTUAL.words:
        raise ValueError(f"{folder}: found {world}, where codecs take what a model says; accepted is a live run")
    encode, decode = write_codec_costs(folder, dataset.ledger())
    typer.echo(f'[video]\nencode_cost = "recorded:{encode}"\ndecode_cost = "recorded:{decode}"')


def _table(title: str, found: "Agreement") -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, title_style="bold")
    table.add_column("arm")
    table.add_column("measure")
    for heading in ("virtual", "live", "live less virtual [95 %]", "tolerance", "within"):
        table.add_column(heading, justify="right", no_wrap=True)
    before = ""
    for one in found.compared:
        spread = one.difference
        table.add_row(
            "" if one.arm == before else one.arm,
            one.measure.label,
            number_text(one.virtual),
            number_text(one.live),
            f"{number_text(spread.difference)} [{number_text(spread.low)}, {number_text(spread.high)}]",
            one.measure.stated,
            "yes" if one.within else "NO",
        )
        before = one.arm
    return table


def _object(found: "Agreement") -> dict[str, Any]:
    rows = [
        {
            "arm": one.arm,
            "measure": one.measure.name,
            "virtual": round(one.virtual, 6),
            "live": round(one.live, 6),
            "difference": round(one.difference.difference, 6),
            "interval": [round(one.difference.low, 6), round(one.difference.high, 6)],
            "within": one.within,
        }
        for one in found.compared
    ]
    folders = {"live": str(found.live.path), "virtual": str(found.virtual.path)}
    notes = {"live": found.live.notes, "virtual": found.virtual.notes}
    return {**folders, "rows": rows, "not_measured": found.not_measured, "notes": notes}
