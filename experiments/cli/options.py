"""Options that several commands share, each said once; those that change a scenario are in `change_options.py`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from glassbench.experiments.cli import completion
from glassbench.experiments.results.figure_form import FigureForm, FigureFormat, PageSize
from glassbench.experiments.worlds.live.emulators import Emulator
from glassbench.experiments.worlds.table import VIRTUAL, named
from glassbench.experiments.worlds.world import World

Results = Annotated[Path, typer.Option(metavar="FOLDER", help="Where the folder of results is made.")]
Folder = Annotated[
    Path,
    typer.Argument(
        metavar="FOLDER",
        help="A folder of results, such as results/adaptive-seed20.",
        autocompletion=completion.result_folders,
    ),
]
ScenarioName = Annotated[
    str,
    typer.Argument(
        metavar="NAME|FILE",
        help="A scenario: one of glass list scenarios, or a file (TOML).",
        autocompletion=completion.scenarios,
    ),
]
TraceName = Annotated[
    str,
    typer.Argument(
        metavar="NAME|FILE",
        help="A trace: one of glass list traces, or a file.",
        autocompletion=completion.traces,
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="COUNT",
        help="Processes that share the work.",
        show_default="one per processor that it may use",
    ),
]
Runs = Annotated[
    int,
    typer.Option(
        min=1, max=10_000, metavar="COUNT", help="Runs with one seed after the other: the answer then has intervals."
    ),
]
Capture = Annotated[
    bool,
    typer.Option("--capture", help="Keep the packets for Wireshark, and qlogs for qvis."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else on stdout.")]
Figures = Annotated[
    list[FigureFormat] | None,
    typer.Option("--figures", metavar="png|pdf|svg", help="Format of the figures (default: png). Repeat it for more."),
]
FigureSize = Annotated[
    PageSize,
    typer.Option(
        "--figure-size",
        metavar="screen|column|slide",
        help="What figures have to fit: a screen, a column of a paper, or a slide.",
    ),
]
Live = Annotated[
    bool, typer.Option("--live", help="On real sockets of this machine, in real time, one arm after the other.")
]
WithEmulator = Annotated[
    Emulator | None,
    typer.Option(
        "--emulator",
        help="The link of --live: between network namespaces, on loopback, of the kernel (tc), or none, for "
        "endpoints by address.",
        show_default="netns",
    ),
]


def world_of(live: bool, emulator: Emulator | None, *, workers: int | None) -> World:
    """Where a run happens. Raises BadParameter for what does not go together."""
    if emulator is not None and not live:
        raise typer.BadParameter("an emulator is what a live run goes through; accepted is --emulator with --live")
    if live and workers is not None:
        raise typer.BadParameter("live arms run one after the other; accepted is --live without --workers")
    return named(emulator or "netns") if live else VIRTUAL


def form_of(figures: list[FigureFormat] | None, size: PageSize) -> FigureForm:
    """How figures are written."""
    return FigureForm(tuple(dict.fromkeys(figures or [FigureFormat.PNG])), size)


def drawable(path: Path | None) -> Path | None:
    """A file that a figure can be written to. Raises BadParameter for an ending of another format."""
    if path is not None and path.suffix and path.suffix[1:].lower() not in list(FigureFormat):
        accepted = ", ".join(f".{format}" for format in FigureFormat)
        raise typer.BadParameter(f"found the ending {path.suffix!a}, but accepted are {accepted}, or none for a PNG")
    return path


def command_line() -> list[str]:
    """The command line for a manifest, without where the program is installed."""
    return ["glass", *sys.argv[1:]]


def seconds_of(option: str, text: str) -> float:
    """The time that an option says. Raises UnitError."""
    from glassbench.experiments.scenario.units import DURATION, UnitError

    try:
        seconds = DURATION.parse(text)
    except UnitError as error:
        raise UnitError(f"--{option}: {error}") from None
    if seconds > 1e6:
        raise UnitError(f"--{option}: found {text!r}, which is more than any trace lasts")
    return seconds
