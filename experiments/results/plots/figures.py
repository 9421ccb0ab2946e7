"""The pictures of a run by name: `glassbench.figures(data)["timeline"]`."""

from matplotlib.figure import Figure

from glassbench.experiments.results.dataset import Dataset
from glassbench.experiments.results.plots.latency_cdf import latency_cdf
from glassbench.experiments.results.plots.rate_strips import rate_strips
from glassbench.experiments.results.plots.stage_breakdown import stage_breakdown
from glassbench.experiments.results.plots.style import own_style
from glassbench.experiments.results.plots.timeline import timeline
from glassbench.experiments.results.run import Run

PLOTS = {"latency-cdf": latency_cdf, "timeline": timeline, "stage-breakdown": stage_breakdown, "rates": rate_strips}


def figures(results: Run | Dataset) -> dict[str, Figure]:
    """The pictures of a run by name, as matplotlib figures: `latency-cdf`, `timeline`, `stage-breakdown`, `rates`.
    Empty for a run that shows no video frame."""
    run = results if isinstance(results, Run) else results.run()
    if not run.video_by_arm():
        return {}
    with own_style({"text.parse_math": False}):  # a label is a label, whatever dollars are in it
        return {name: plot(run) for name, plot in PLOTS.items()}
