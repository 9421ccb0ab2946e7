"""The way from results to their pictures, which stand above them: they are looked up when somebody asks."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def drawn(results: object, size: str) -> "dict[str, Figure]":
    """The pictures of a run or a dataset by name, for a page of this size. Raises ValueError for an unknown size."""
    pictures: dict[str, Figure] = import_module("glassbench.experiments.results.plots.figures").figures(results, size)
    return pictures
