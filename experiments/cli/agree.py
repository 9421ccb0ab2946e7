"""`glass agree` and `glass calibrate`: virtual time against real sockets, and what the codecs take here."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from glassbench.experiments.account.metric_table import Metric
from glassbench.experiments.account.number_text import interval_text
from glassbench.experiments.cli.change_options import scenario_with, with_changes
from glassbench.experiments.cli.options import (
    AsJson,
    Figures,
    FigureSize,
    Folder,
    Results,
    Runs,
    ScenarioName,
    WithEmulator,
    command_line,
    form_of,
)
from glassbench.experiments.cli.output import print_json
from glassbench.experiments.cli.pictures import draw_files, echo_drawn
from glassbench.experiments.cli.progress import progress_bars
from glassbench.experiments.cli.table_layout import print_whole
from glassbench.experiments.cli.terminal import say
from glassbench.experiments.cli.whole_table import TableColumn, WholeTable
from glassbench.experiments.results.figure_form import PageSize
from glassbench.experiments.results.ranking import ranking_of
from glassbench.experiments.worlds.table import VIRTUAL, named

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from glassbench.experiments.engine.agreement import Agreement
    from glassbench.experiments.engine.changes import Changes
    from glassbench.experiments.results.dataset import Dataset
    from glassbench.experiments.results.plots.spreads import Spread


@with_changes()
def agree(
    scenario: ScenarioName,
    *,
    changes: "Changes",
    runs: Runs = 3,
    emulator: WithEmulator = None,
    results: Results = Path("results"),
    figures: Figures = None,
    figure_size: FigureSize = PageSize.SCREEN,
    as_json: AsJson = False,
) -> None:
    """Run a scenario live and in virtual time, and say how far they agree.

    Both worlds run the same seeds. What encoding and decoding take in virtual
    time is what it took live. A difference is that of a typical run, with a 95 %
    interval if there are enough runs for one.
    """
    from glassbench.experiments.engine.agreement import agree as both
    from glassbench.experiments.results.subject import subject

    plan = scenario_with(scenario, changes, quiet=as_json)
    with progress_bars(quiet=as_json) as progress:
        agreement = both(
            plan,
            runs,
            world=named(emulator or "netns"),
            results=results,
            progress=progress,
            command=command_line(),
        )
    form = form_of(figures, figure_size)
    about = ranking_of(agreement.live.counters()).title(subject(agreement.live))
    title = f"{scenario}, {runs} runs, live less virtual"

    def drawn() -> None:
        picture = agreement.live.path / "agreement"
        echo_drawn(draw_files(picture, lambda: _figure(title, about, agreement), form), as_json=as_json)

    if as_json:
        notes = [f"{world}: {note}" for world, of in _worlds(agreement).items() for note in of.notes]
        print_json(_object(agreement), results=agreement.live.path, notes=notes)
        drawn()
        return
    print_whole(agreement_table(f"{title}\n{about}", agreement))
    beyond = [one for one in agreement.compared if not one.within]
    metrics = {one.metric.name: one.metric for one in agreement.compared}
    stated = ", ".join(f"{name} {_stated(metric)}" for name, metric in metrics.items())
    say(f"{len(agreement.compared) - len(beyond)} of {len(agreement.compared)} are within tolerance ({stated}).")
    for arm, reason in agreement.not_measured.items():
        say(f"{arm}: not compared: {reason}")
    for world, dataset in _worlds(agreement).items():
        for note in dataset.headlines:
            say(f"note, {world}: {note}")
    say(f"results: {agreement.live.path} and {agreement.virtual.path} (complete)")
    drawn()


def calibrate(folder: Folder, *, as_json: AsJson = False) -> None:
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
    encode, decode = write_codec_costs(folder, dataset.frames("ledger"))
    costs = {"encode_cost": f"recorded:{encode}", "decode_cost": f"recorded:{decode}"}
    if as_json:
        print_json({"video": costs}, results=folder)
        return
    typer.echo("\n".join(["[video]", *(f'{field} = "{cost}"' for field, cost in costs.items())]))


def agreement_table(title: str, agreement: "Agreement") -> WholeTable:
    """A row per arm and metric."""
    columns = [
        TableColumn("arm", "name"),
        TableColumn("metric", "name"),
        TableColumn("virtual"),
        TableColumn("live"),
        TableColumn("live less virtual\n[95 %]", decides=True),
        TableColumn("tolerance", decides=True),
        TableColumn("within", "words", decides=True),
    ]
    table = WholeTable(title, columns)
    for one in agreement.compared:
        spread = one.difference
        table.add_row(
            one.arm,
            one.metric.title,
            one.metric.text(one.virtual),
            one.metric.text(one.live),
            one.metric.text(spread.difference) + interval_text(spread.low, spread.high, one.metric.text),
            _stated(one.metric),
            "yes" if one.within else "NO",
        )
    return table


def _figure(title: str, about: str, agreement: "Agreement") -> "Figure":
    """A panel per metric, with the tolerance of each arm behind it."""
    from glassbench.experiments.results.plots.pairs import difference, paired_figure

    spreads: dict[Metric, list[Spread]] = {}
    for one in agreement.compared:
        said, within = "within" if one.within else "NOT within", one.tolerance.of(one.virtual)
        row = difference(one.arm, one.metric, one.difference, said, within=within)
        spreads.setdefault(one.metric, []).append(row)
    return paired_figure(spreads, ("live", "virtual"), title, about)


def _stated(metric: Metric) -> str:
    """A tolerance in words: 10 % + 5 ms."""
    tolerance = metric.tolerance
    assert tolerance is not None
    relative = f"{tolerance.relative:.0%}".replace("%", " %") if tolerance.relative else ""
    absolute = metric.with_unit(tolerance.absolute) if tolerance.absolute else ""
    return " + ".join(filter(None, (relative, absolute)))


def _object(agreement: "Agreement") -> dict[str, Any]:
    rows = [
        {
            "arm": one.arm,
            "metric": one.metric.column,
            "virtual": round(one.virtual, 6),
            "live": round(one.live, 6),
            "difference": round(one.difference.difference, 6),
            "interval": [round(one.difference.low, 6), round(one.difference.high, 6)],
            "within": one.within,
        }
        for one in agreement.compared
    ]
    folders = {world: str(dataset.path) for world, dataset in _worlds(agreement).items()}
    return {**folders, "rows": rows, "not_measured": agreement.not_measured}


def _worlds(agreement: "Agreement") -> "dict[str, Dataset]":
    return {"live": agreement.live, "virtual": agreement.virtual}
