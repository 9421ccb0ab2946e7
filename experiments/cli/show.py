"""What the commands show of results: the numbers of one run, the evidence of several seeds, the points of a sweep."""

import typer

from glassbench.experiments.cli.pictures import draw_run
from glassbench.experiments.cli.show_run import json_object, print_run
from glassbench.experiments.cli.show_runs import show_evidence, show_medians
from glassbench.experiments.results.dataset import Dataset
from glassbench.experiments.results.json_form import json_text


def show(dataset: Dataset, *, as_json: bool, pictures: bool = True) -> None:
    """Print the tables, or one JSON object and nothing else; then draw the pictures of one run into its folder.

    Without pictures, notes are told whole.
    """
    if not dataset.manifest.get("frames") or dataset.axes:
        show_medians(dataset, as_json=as_json, whole=not pictures)
        return
    if not dataset.is_one_run:
        (show_medians if dataset.is_bulk else show_evidence)(dataset, as_json=as_json, whole=not pictures)
        return
    run = dataset.run()
    _ = run.ledger, run.links  # a damaged table is said before anything is printed
    if as_json:
        typer.echo(json_text(json_object(run)))
    else:
        print_run(run, whole=not pictures)
    for line in draw_run(run) if pictures else ():
        if line.startswith("note") or not as_json:
            typer.echo(line, err=as_json)
