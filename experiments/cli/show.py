"""What the commands show of results: the numbers of one run, the evidence of several seeds, the points of a sweep."""

from glassbench.experiments.cli.output import print_json
from glassbench.experiments.cli.pictures import draw_results, echo_drawn
from glassbench.experiments.cli.show_run import json_object, print_run
from glassbench.experiments.cli.show_runs import show_evidence, show_medians
from glassbench.experiments.results.dataset import Dataset
from glassbench.experiments.results.figure_form import FigureForm
from glassbench.experiments.results.settings import AXES


def show(dataset: Dataset, *, as_json: bool, form: FigureForm | None) -> None:
    """Print the tables, or one JSON object and nothing else; then draw the figures into the folder.

    Without a form none is drawn, and notes are told whole.
    """
    _tables(dataset, as_json=as_json, whole=form is None)
    if form is not None:
        echo_drawn(draw_results(dataset, form), as_json=as_json)


def _tables(dataset: Dataset, *, as_json: bool, whole: bool) -> None:
    if dataset.axes == AXES and {"a", "b"} <= dataset.manifest.keys():
        from glassbench.experiments.cli.ab import show_settings
        from glassbench.experiments.engine.ab import Settings
        from glassbench.experiments.scenario import build

        settings = Settings.of(build(dataset.manifest["a"]), build(dataset.manifest["b"]))
        show_settings(dataset, settings, as_json=as_json)
        return
    if not dataset.manifest.get("frames") or dataset.axes:
        show_medians(dataset, as_json=as_json, whole=whole)
        return
    if not dataset.is_one_run:
        (show_medians if dataset.is_bulk else show_evidence)(dataset, as_json=as_json, whole=whole)
        return
    run = dataset.run()
    _ = run.ledger, run.links  # a damaged table is said before anything is printed
    if as_json:
        print_json(json_object(run), results=run.path, notes=run.notes)
    else:
        print_run(run, whole=whole)
