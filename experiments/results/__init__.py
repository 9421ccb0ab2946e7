"""Results on disk: the folder of a run while it is made, and opening what is there."""

from experiments.results.run import Run, load

__all__ = ["Run", "load"]
