"""How the catalog reads what came out: columns of ledgers as arrays, and points chosen by their fields."""

from collections.abc import Iterable
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from glassbench.experiments.results.dataset import Dataset
from glassbench.experiments.scenario.flow_spec import MEDIA
from glassbench.experiments.scenario.tracks import VIDEO_TRACK

FloatArray = NDArray[np.float64]

FRAME_INTERVAL = 1 / 30  # seconds, of the size model

_Point = TypeVar("_Point")


def frames(data: Dataset, cell: int, *, track: int = VIDEO_TRACK) -> pd.DataFrame:
    """The ledger of one track of one cell, in the order of capture."""
    table = data.frames("ledger", [cell])
    return table[(table["flow"] == MEDIA) & (table["track"] == track)]


def column(table: pd.DataFrame, name: str) -> FloatArray:
    """A column as numbers, NaN where it is empty."""
    return table[name].to_numpy(dtype=np.float64, na_value=np.nan)


def instants(table: pd.DataFrame, name: str) -> FloatArray:
    """Instants of a ledger in seconds, infinite where they never came."""
    return table[name].to_numpy(dtype=np.float64, na_value=np.inf)


def select(points: Iterable[_Point], **fields: Any) -> list[_Point]:
    """The points whose fields have these values, in their order."""
    return [p for p in points if all(getattr(p, name) == wanted for name, wanted in fields.items())]


def only(points: Iterable[_Point], **fields: Any) -> _Point:
    """The one point whose fields have these values. Raises ValueError for none and for several."""
    (point,) = select(points, **fields)
    return point
