"""`glass compare`, the main job, and `glass run` for a scenario file."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from experiments.cli.errors import FAILED
from experiments.cli.progress import Callback, arm_progress
from experiments.cli.show import show_run
from experiments.results import Run

Results = Annotated[Path, typer.Option(metavar="FOLDER", help="Where the folder of the run is made.")]
Workers = Annotated[
    int | None, typer.Option(min=1, metavar="COUNT", help="Processes that share the work (default: one per core).")
]
Capture = Annotated[
    bool,
    typer.Option("--capture", help="Keep the packets for Wireshark, and qlogs for qvis. It changes no result."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else on stdout.")]


def compare(
    *,
    trace: Annotated[
        str | None,
        typer.Option(metavar="NAME|FILE", help="The network: see glass list traces, or a trace file."),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(metavar="NAME|FILE", help="The clip: see glass list sources, or a video file."),
    ] = None,
    arm: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME[:OPTION=VALUE,...]",
            help="A transport: see glass list transports. Repeat it for more (default: all of them).",
        ),
    ] = None,
    duration: Annotated[
        str | None, typer.Option(metavar="TIME", help="Length of the media, such as 20s or 1min.")
    ] = None,
    seed: Annotated[int | None, typer.Option(metavar="NUMBER", help="Another seed gives another network.")] = None,
    results: Results = Path("results"),
    workers: Workers = None,
    capture: Capture = False,
    as_json: AsJson = False,
) -> None:
    """Compare transports on one clip over one network, in virtual time.

    Without options it runs the scenario "default" (glass list experiments);
    each option changes one thing of it. For everything else there are scenario
    files: glass run.
    """
    from experiments.engine.runner import compare as compare_arms

    _run_and_show(
        lambda progress: compare_arms(
            trace=trace,
            source=source,
            arms=arm,
            duration=duration,
            seed=seed,
            results=results,
            workers=workers,
            capture=capture,
            progress=progress,
            command=_command(),
        ),
        as_json=as_json,
    )


def run(
    scenario: Annotated[str, typer.Argument(help="A scenario file (TOML), or a name of glass list experiments.")],
    *,
    results: Results = Path("results"),
    workers: Workers = None,
    capture: Capture = False,
    as_json: AsJson = False,
) -> None:
    """Run a scenario file in virtual time: docs/scenarios.md describes its fields."""
    from experiments.engine.runner import run as run_scenario

    _run_and_show(
        lambda progress: run_scenario(
            scenario, results=results, workers=workers, capture=capture, progress=progress, command=_command()
        ),
        as_json=as_json,
    )


def _run_and_show(measure: Callable[[Callback], Run], *, as_json: bool) -> None:
    from experiments.engine.runner import Interrupted

    try:
        with arm_progress(quiet=as_json) as progress:
            finished = measure(progress)
    except Interrupted as interrupted:
        show_run(interrupted.run, as_json=as_json)
        raise
    show_run(finished, as_json=as_json)
    if failed := [arm["arm"] for arm in finished.arms if arm["outcome"] == "failed"]:
        typer.echo(f"error: {len(failed)} of {len(finished.arms)} arms failed: {', '.join(failed)}", err=True)
        raise typer.Exit(FAILED)


def _command() -> list[str]:
    """The command line for the manifest, without where the program is installed."""
    return ["glass", *sys.argv[1:]]
