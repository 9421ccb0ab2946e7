"""`glass report`: an earlier run again."""

from pathlib import Path
from typing import Annotated

import typer

from experiments.cli.show import show_run
from experiments.results import load


def report(
    run: Annotated[Path, typer.Argument(help="The folder of a run, as in results/lte-driving-seed20.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else on stdout.")] = False,
) -> None:
    """Show an earlier run again and redraw its pictures, also if it broke off."""
    show_run(load(run), as_json=as_json)
