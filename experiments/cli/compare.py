"""`glass compare`, the main job, and `glass run` for a scenario file."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from experiments.cli.progress import Callback, arm_progress
from experiments.cli.show import show_run
from experiments.results import Run

Results = Annotated[Path, typer.Option(help="Where the folder of the run is made.")]
Workers = Annotated[int | None, typer.Option(min=1, help="Processes to use (default: one per core).")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else on stdout.")]


def compare(
    *,
    trace: Annotated[str | None, typer.Option(help="A shipped trace (glass list traces) or a trace file.")] = None,
    source: Annotated[str | None, typer.Option(help="A shipped source (glass list sources) or a video file.")] = None,
    arm: Annotated[
        list[str] | None,
        typer.Option(help="A transport, as NAME or NAME:option=value; repeat for more (default: all)."),
    ] = None,
    duration: Annotated[str | None, typer.Option(help="Length of the media, as in 20s.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of everything that is random.")] = None,
    results: Results = Path("results"),
    workers: Workers = None,
    as_json: AsJson = False,
) -> None:
    """Compare transports on one clip over one network, in virtual time."""
    from experiments.runner import compare as compare_arms

    _run_and_show(
        lambda progress: compare_arms(
            trace=trace,
            source=source,
            arms=arm,
            duration=duration,
            seed=seed,
            results=results,
            workers=workers,
            progress=progress,
            command=_command(),
        ),
        as_json=as_json,
    )


def run(
    scenario: Annotated[str, typer.Argument(help="A scenario file, or the name of a shipped one.")],
    *,
    results: Results = Path("results"),
    workers: Workers = None,
    as_json: AsJson = False,
) -> None:
    """Run a scenario file in virtual time."""
    from experiments.runner import run as run_scenario

    _run_and_show(
        lambda progress: run_scenario(
            scenario, results=results, workers=workers, progress=progress, command=_command()
        ),
        as_json=as_json,
    )


def _run_and_show(measure: Callable[[Callback], Run], *, as_json: bool) -> None:
    from experiments.runner import Interrupted

    try:
        with arm_progress(quiet=as_json) as progress:
            finished = measure(progress)
    except Interrupted as interrupted:
        show_run(interrupted.run, as_json=as_json)
        raise
    show_run(finished, as_json=as_json)


def _command() -> list[str]:
    """The command line for the manifest, without where the program is installed."""
    return ["glass", *sys.argv[1:]]
