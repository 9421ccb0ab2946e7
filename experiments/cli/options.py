"""Options that several commands share."""

import sys
from pathlib import Path
from typing import Annotated

import typer

Results = Annotated[Path, typer.Option(metavar="FOLDER", help="Where the folder of the run is made.")]
Workers = Annotated[
    int | None, typer.Option(min=1, metavar="COUNT", help="Processes that share the work (default: one per core).")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else on stdout.")]


def command_line() -> list[str]:
    """The command line for a manifest, without where the program is installed."""
    return ["glass", *sys.argv[1:]]
