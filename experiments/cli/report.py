"""`glass report`: an earlier run or dataset again, and a page of it for others."""

from pathlib import Path
from typing import Annotated

import typer

from glassbench.experiments.cli.output import write_file
from glassbench.experiments.cli.pictures import no_window
from glassbench.experiments.cli.show import show_run
from glassbench.experiments.results.dataset import Dataset, load_dataset
from glassbench.experiments.results.files import read_json
from glassbench.experiments.results.run import Run, load


def report(
    folder: Annotated[Path, typer.Argument(help="The folder of a run or a dataset, as in results/lte-driving-seed20.")],
    *,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="The page (default: report.html in FOLDER).")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else on stdout.")] = False,
) -> None:
    """Write one HTML page of a run or dataset: verdict, numbers, pictures, network, provenance.

    It needs no other file and no network, prints well, and follows light and
    dark. The table is printed too, and the pictures of a run are drawn again.
    """
    found = _open(folder)
    _show(found, as_json=as_json)
    with no_window():
        from glassbench.experiments.results.report import dataset_report, page, run_report

    html = page(run_report(found) if isinstance(found, Run) else dataset_report(found)).encode()
    done = write_file(output or folder / "report.html", html, follow=output is not None)
    if not as_json:
        typer.echo(f"report: {done}")


def _open(folder: Path) -> Run | Dataset:
    is_dataset = (folder / "manifest.json").is_file() and read_json(folder / "manifest.json").get("kind") == "dataset"
    return load_dataset(folder) if is_dataset else load(folder)


def _show(found: Run | Dataset, *, as_json: bool) -> None:
    if isinstance(found, Run):
        show_run(found, as_json=as_json)
        return
    from glassbench.experiments.cli.show_dataset import show_dataset

    show_dataset(found, as_json=as_json)
