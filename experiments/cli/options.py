"""Options that several commands share."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from glassbench.experiments.worlds.live.emulators import Emulator
from glassbench.experiments.worlds.table import VIRTUAL, named
from glassbench.experiments.worlds.world import World

Results = Annotated[Path, typer.Option(metavar="FOLDER", help="Where the folder of the run is made.")]
Workers = Annotated[
    int | None,
    typer.Option(
        min=1, metavar="COUNT", help="Processes that share the work (default: one per processor that it may use)."
    ),
]
Capture = Annotated[
    bool,
    typer.Option("--capture", help="Keep the packets for Wireshark, and qlogs for qvis."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else on stdout.")]

Source = Annotated[
    str | None, typer.Option(metavar="NAME|FILE", help="The clip: see glass list sources, or a video file.")
]
Columns = Annotated[
    str | None,
    typer.Option(
        metavar="NAME=COLUMN:UNIT,...",
        help="Of a trace that is somebody's log: time=Timestamp,rate=DL_bitrate:kbit/s,up=UL_bitrate:kbit/s.",
    ),
]
Arms = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME[:OPTION=VALUE,...]",
        help="A transport: see glass list transports. Repeat it for more (default: those of glass run default).",
    ),
]
Duration = Annotated[str | None, typer.Option(metavar="TIME", help="Length of the media, such as 20s or 1min.")]
Live = Annotated[
    bool, typer.Option("--live", help="On real sockets of this machine, in real time, one arm after the other.")
]
WithEmulator = Annotated[
    Emulator | None,
    typer.Option(
        "--emulator",
        help="The link of --live: netns (between network namespaces, the default), relay (on loopback) or kernel (tc).",
        show_default=False,
    ),
]


def world_of(live: bool, emulator: Emulator | None, *, workers: int | None) -> World:
    """Where a run happens. Raises BadParameter for what does not go together."""
    if emulator is not None and not live:
        raise typer.BadParameter("an emulator is what a live run goes through; accepted is --emulator with --live")
    if live and workers is not None:
        raise typer.BadParameter("live arms run one after the other; accepted is --live without --workers")
    return named(emulator or "netns") if live else VIRTUAL


def command_line() -> list[str]:
    """The command line for a manifest, without where the program is installed."""
    return ["glass", *sys.argv[1:]]
