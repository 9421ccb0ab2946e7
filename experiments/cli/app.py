"""The commands of `glass`, one room of them a file, mounted here."""

from importlib.metadata import version as version_of
from typing import Annotated

import typer

from glassbench.experiments.cli.ab import ab
from glassbench.experiments.cli.agree import agree, calibrate
from glassbench.experiments.cli.between import receive, send
from glassbench.experiments.cli.budget import app as budget_app
from glassbench.experiments.cli.compare import compare, run
from glassbench.experiments.cli.doctor import doctor
from glassbench.experiments.cli.experiment import app as experiment_app
from glassbench.experiments.cli.listing import list_things
from glassbench.experiments.cli.literature import literature
from glassbench.experiments.cli.oracle import oracle
from glassbench.experiments.cli.report import report
from glassbench.experiments.cli.results import app as results_app
from glassbench.experiments.cli.shell import SETTINGS, shell
from glassbench.experiments.cli.sweep import sweep
from glassbench.experiments.cli.trace import app as trace_app

app = typer.Typer(
    name="glass",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(compare)
app.command()(run)
app.command()(ab)
app.command()(sweep)
app.command("list")(list_things)
app.command()(literature)
app.command()(oracle)
app.command()(report)
app.command()(agree)
app.command()(calibrate)
app.command()(send)
app.command()(receive)
app.command(context_settings=SETTINGS)(shell)
app.command()(doctor)
app.add_typer(budget_app, name="budget")
app.add_typer(experiment_app, name="experiment")
app.add_typer(results_app, name="results")
app.add_typer(trace_app, name="trace")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"glassbench {version_of('glassbench')}")
        raise typer.Exit


@app.callback()
def glass(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Which transport puts a video frame on the screen soonest, on this network?

    Start with "glass compare": it sends one clip over all transports and the
    same network, prints a table, and draws pictures into results/. It runs in
    virtual time, so the same command gives the same numbers anywhere.
    """
