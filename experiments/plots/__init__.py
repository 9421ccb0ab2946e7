"""Pictures of a run: one file a picture, each a function from a `Run` to a matplotlib Figure."""

from experiments.plots.latency_cdf import latency_cdf
from experiments.plots.stage_breakdown import stage_breakdown
from experiments.plots.style import own_style
from experiments.plots.timeline import timeline

PLOTS = {"latency-cdf": latency_cdf, "timeline": timeline, "stage-breakdown": stage_breakdown}

__all__ = ["PLOTS", "latency_cdf", "own_style", "stage_breakdown", "timeline"]
