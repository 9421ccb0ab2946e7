"""Writes the stamp into the pixels of a picture."""

from functools import lru_cache

import av
import numpy as np
import numpy.typing as npt

from glassbench.sender.planes import plane
from glassbench.transport.stamp_code import (
    BITS,
    BLACK,
    CELLS_PER_HEIGHT,
    CELLS_PER_WIDTH,
    COLUMNS,
    NEUTRAL,
    ROWS,
    WHITE,
    Stamp,
    corner,
    edges,
    encode_stamp,
)


def write_stamp(picture: av.VideoFrame, stamp: Stamp) -> None:
    """Draw the stamp into the top left corner of a writable yuv420p picture, in place."""
    width, height = corner(picture.width, picture.height)
    rows, columns = _cells(picture.width, picture.height)
    bits = encode_stamp(stamp)
    cells = np.array([bits >> shift & 1 for shift in range(BITS - 1, -1, -1)], np.uint8).reshape(ROWS, COLUMNS)
    luma = plane(picture, 0)
    luma[:height, :width] = BLACK
    luma[: len(rows), : len(columns)] += (cells * np.uint8(WHITE - BLACK))[rows[:, None], columns]
    for index in (1, 2):
        plane(picture, index)[: (height + 1) // 2, : (width + 1) // 2] = NEUTRAL


@lru_cache(maxsize=8)
def _cells(width: int, height: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """The cell that each pixel row and column belongs to."""
    return _cell_of_pixel(ROWS, CELLS_PER_HEIGHT, height), _cell_of_pixel(COLUMNS, CELLS_PER_WIDTH, width)


def _cell_of_pixel(cells: int, cells_per_side: int, pixels: int) -> npt.NDArray[np.intp]:
    bounds = [round(edge) for edge in edges(cells, cells_per_side, pixels)]
    return np.repeat(np.arange(cells), np.diff(bounds))
