"""The report of results: of one run its numbers, of several seeds intervals and a verdict, of a sweep its points."""

from glassbench.experiments.results.dataset import Dataset
from glassbench.experiments.results.report.content import Report
from glassbench.experiments.results.report.many_runs import of_many_runs
from glassbench.experiments.results.report.one_run import of_one_run
from glassbench.experiments.results.report.sweep import of_a_sweep


def report_of(dataset: Dataset) -> Report:
    """What results say, as far as they got. Raises ResultsError if their frames cannot be drawn."""
    if dataset.axes:
        return of_a_sweep(dataset)
    if dataset.is_one_run and dataset.manifest.get("frames"):
        return of_one_run(dataset)
    return of_many_runs(dataset)
