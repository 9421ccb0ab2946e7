"""Writes the stamp into the pixels of a picture."""

from functools import lru_cache

import av
import numpy as np
import numpy.typing as npt

from glassbench.sender.planes import plane
from glassbench.transport.stamp_code import (
    BITS,
    BLACK,
    BORDER_CELLS,
    CELLS_PER_HEIGHT,
    CELLS_PER_WIDTH,
    COLUMNS,
    NEUTRAL,
    ROWS,
    WHITE,
    Stamp,
    edges,
    encode_stamp,
)


def write_stamp(picture: av.VideoFrame, stamp: Stamp) -> None:
    """Draw the stamp into the top left corner of a writable yuv420p picture, in place."""
    height, width, rows, columns = _geometry(picture.width, picture.height)
    bits = encode_stamp(stamp)
    cells = np.array([bits >> shift & 1 for shift in range(BITS - 1, -1, -1)], np.uint8).reshape(ROWS, COLUMNS)
    luma = plane(picture, 0)
    luma[:height, :width] = BLACK
    luma[: len(rows), : len(columns)] += (cells * np.uint8(WHITE - BLACK))[rows[:, None], columns]
    for index in (1, 2):
        plane(picture, index)[: (height + 1) // 2, : (width + 1) // 2] = NEUTRAL


@lru_cache(maxsize=8)
def _geometry(width: int, height: int) -> tuple[int, int, npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Height and width of the stamp with its border, and the cell that each pixel row and column belongs to."""
    rows = _cell_of_pixel(ROWS, CELLS_PER_HEIGHT, height)
    columns = _cell_of_pixel(COLUMNS, CELLS_PER_WIDTH, width)
    return (
        round((ROWS + BORDER_CELLS) * height / CELLS_PER_HEIGHT),
        round((COLUMNS + BORDER_CELLS) * width / CELLS_PER_WIDTH),
        rows,
        columns,
    )


def _cell_of_pixel(cells: int, cells_per_side: int, pixels: int) -> npt.NDArray[np.intp]:
    bounds = [round(edge) for edge in edges(cells, cells_per_side, pixels)]
    return np.repeat(np.arange(cells), np.diff(bounds))
