"""`glass literature`: every check of the catalog against closed forms and published figures."""

from pathlib import Path
from typing import Annotated

import typer

from glassbench.experiments.cli.check_table import check_object, check_table, markdown
from glassbench.experiments.cli.options import AsJson, Results, Workers, command_line
from glassbench.experiments.cli.output import print_json, write_file
from glassbench.experiments.cli.progress import progress_bars
from glassbench.experiments.cli.table_layout import print_whole
from glassbench.experiments.cli.terminal import say


def literature(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME]...", help="Names of glass experiment list (default: all but long ones)."),
    ] = None,
    *,
    results: Results = Path("results"),
    workers: Workers = None,
    markdown_file: Annotated[
        Path | None,
        typer.Option(
            "--markdown", metavar="FILE", help="Write the tables there, too; those of other experiments stay."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check the catalog against closed forms and published figures.

    Runs the experiments (all of them take several minutes, without those that take
    longer by themselves) and prints a row per check: claim, source, expected, measured, verdict.
    A check that does not hold is a finding, not an error: docs/literature.md explains each.
    """
    from glassbench.experiments.catalog import EXPERIMENTS, named
    from glassbench.experiments.catalog.carry_out import carry_out

    usual = [experiment for experiment in EXPERIMENTS.values() if experiment.usual]
    checks = {}
    for experiment in [named(name) for name in names] if names else usual:
        with progress_bars(quiet=as_json) as progress:
            outcome = carry_out(experiment, results, workers=workers, progress=progress, command=command_line())
        checks[experiment.name] = outcome.checks
    if as_json:
        print_json({"checks": {name: [check_object(check) for check in group] for name, group in checks.items()}})
    else:
        print_whole(check_table(checks))
    total = sum(len(group) for group in checks.values())
    failed = sum(not check.holds for group in checks.values() for check in group)
    written = None
    if markdown_file is not None:
        before = markdown_file.read_text("utf-8", errors="replace") if markdown_file.is_file() else ""
        written = write_file(markdown_file, markdown(checks, before).encode())
    if not as_json:
        say(f"{total - failed} of {total} checks hold; docs/literature.md explains the others.")
        if written is not None:
            say(written)
        say(f"results: {results}")
