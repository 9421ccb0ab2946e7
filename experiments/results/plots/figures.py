"""The pictures of results by name: `data.figures()["timeline"]`."""

from collections.abc import Callable, Mapping
from functools import partial

from matplotlib.figure import Figure

from glassbench.experiments.results.dataset import Dataset
from glassbench.experiments.results.figure_form import PageSize
from glassbench.experiments.results.plots.latency_cdf import latency_cdf
from glassbench.experiments.results.plots.many_runs import plots_of_many_runs
from glassbench.experiments.results.plots.page import drawn_for
from glassbench.experiments.results.plots.pairs import ab_figure
from glassbench.experiments.results.plots.rate_strips import rate_strips
from glassbench.experiments.results.plots.stage_breakdown import stage_breakdown
from glassbench.experiments.results.plots.sweep import plots_of_sweep
from glassbench.experiments.results.plots.timeline import timeline
from glassbench.experiments.results.run import Run
from glassbench.experiments.results.settings import AXES, setting_rows
from glassbench.experiments.results.subject import subject

PLOTS: Mapping[str, Callable[[Run], Figure]] = {
    "latency-cdf": latency_cdf,
    "timeline": timeline,
    "stage-breakdown": stage_breakdown,
    "rates": rate_strips,
}
"""The pictures of one run."""


def figures(results: Run | Dataset, size: str = PageSize.SCREEN) -> dict[str, Figure]:
    """The pictures of results by name, as matplotlib figures. `size` is `screen`, `column` (of a paper) or `slide`.

    Of a run: `latency-cdf`, `timeline`, `stage-breakdown`, `rates`; none if it shows no video frame. Of many runs:
    `differences`, `intervals`. Of a sweep: `along-AXIS` for each axis that has numbers, `map` of two axes. Of A
    and B: `differences`. Raises ValueError for another size.
    """
    with drawn_for(size):
        return {name: plot() for name, plot in plots_of(results).items()}


def plots_of(results: Run | Dataset) -> dict[str, Callable[[], Figure]]:
    """What draws each picture of results, by its name."""
    if isinstance(results, Dataset):
        if results.is_one_run:
            return plots_of(results.run()) if results.manifest.get("frames", True) else {}
        if results.axes == AXES:
            return {"differences": partial(_settings, results)}
        return dict(plots_of_sweep(results) if results.axes else plots_of_many_runs(results))
    return {name: partial(plot, results) for name, plot in PLOTS.items()} if results.video_by_arm() else {}


def _settings(dataset: Dataset) -> Figure:
    title = f"A less B in the same run, {len(dataset.seeds)} runs: {dataset.name}"
    return ab_figure(setting_rows(dataset), title, subject(dataset))
