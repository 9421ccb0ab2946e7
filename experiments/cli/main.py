"""The `glass` command: one room of commands a file, mounted here."""

import typer

from experiments.cli.compare import compare, run
from experiments.cli.errors import run_app
from experiments.cli.listing import list_things
from experiments.cli.report import report
from experiments.cli.trace import app as trace_app

app = typer.Typer(
    name="glass",
    help="Which transport puts a frame on the screen soonest, on this network?",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(compare)
app.command()(run)
app.command("list")(list_things)
app.command()(report)
app.add_typer(trace_app, name="trace")


def main() -> int:
    """Entry point: bad input ends with one sentence and exit code 2, Ctrl-C with 130."""
    return run_app(app)
