"""Reads the stamp back from decoded pixels."""

import itertools
from functools import lru_cache

import av
import numpy as np
import numpy.typing as npt

from glassbench.receiver.planes import luma
from glassbench.transport.stamp_code import (
    CELLS_PER_HEIGHT,
    CELLS_PER_WIDTH,
    COLUMNS,
    MIN_HEIGHT,
    MIN_WIDTH,
    ROWS,
    Stamp,
    decode_stamp,
    edges,
)

_MIN_CONTRAST = 40.0


def read_stamp(picture: av.VideoFrame) -> Stamp | None:
    """The stamp of a picture with an 8-bit luma plane, or None if there is none that can be read.

    A cell is white if the mean of its inner pixels is above the middle between the darkest and the brightest cell.
    """
    if picture.width < MIN_WIDTH or picture.height < MIN_HEIGHT:
        return None
    rows, row_sizes = _inner(ROWS, CELLS_PER_HEIGHT, picture.height)
    columns, column_sizes = _inner(COLUMNS, CELLS_PER_WIDTH, picture.width)
    corner = luma(picture)[: rows[-1] + 1, : columns[-1] + 1].astype(np.float32)
    sums = np.add.reduceat(np.add.reduceat(corner, rows, axis=0)[::2], columns, axis=1)[:, ::2]
    means = sums / (row_sizes[:, None] * column_sizes)
    darkest, brightest = float(means.min()), float(means.max())
    if brightest - darkest < _MIN_CONTRAST:
        return None
    white = np.packbits(means.ravel() > (darkest + brightest) / 2)
    spare = -COLUMNS * ROWS % 8
    return decode_stamp(int.from_bytes(white.tobytes(), "big") >> spare)


@lru_cache(maxsize=16)
def _inner(cells: int, cells_per_side: int, pixels: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.float32]]:
    """Start and end of the inner half of each cell along one side (at least one pixel), and its length."""
    bounds = edges(cells, cells_per_side, pixels)
    starts, ends = [], []
    for low, high in itertools.pairwise(bounds):
        quarter = (high - low) / 4
        start = round(low + quarter)
        starts.append(start)
        ends.append(max(start + 1, round(high - quarter)))
    limits = np.array([starts, ends]).T.ravel()
    return limits, np.diff(limits)[::2].astype(np.float32)
