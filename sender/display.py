"""How a stored picture is shown: which way round, with which shape of pixels, and at which size."""

import struct
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

import av
import numpy as np
from av.sidedata.sidedata import SideData
from av.video.reformatter import Interpolation

from glassbench.sender.planes import plane

# The same pixels on every processor: without these flags, SIMD code rounds in its own way.
SCALING = Interpolation.BICUBIC | Interpolation.BITEXACT | Interpolation.ACCURATE_RND


class Size(NamedTuple):
    """In pixels; prints as 640x360."""

    width: int
    height: int

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"


class Orientation(NamedTuple):
    """What a player does to a stored picture, in this order: rows become columns, rows are reversed, columns are
    reversed."""

    transposed: bool = False
    rows_reversed: bool = False
    columns_reversed: bool = False

    def of_size(self, size: Size) -> Size:
        return Size(size.height, size.width) if self.transposed else size


def orientation_of(picture: av.VideoFrame) -> Orientation | None:
    """What the display matrix of a picture asks for (ISO 14496-12, 8.3.2); None if it is at an angle in between.

    The matrix maps a stored pixel at (x, y) to (a x + c y, b x + d y).
    """
    side_data = picture.side_data.get("DISPLAYMATRIX")
    if not isinstance(side_data, SideData):
        return Orientation()
    a, b, _, c, d = struct.unpack_from("=5i", bytes(side_data))
    if b == c == 0:
        return Orientation(False, d < 0, a < 0)
    if a == d == 0:
        return Orientation(True, b < 0, c < 0)
    return None


@dataclass(frozen=True, slots=True)
class Display:
    """Turns stored pictures into shown ones: yuv420p, `scaled` to a size, and cropped to even sides."""

    orientation: Orientation
    scaled: Size

    @property
    def size(self) -> Size:
        return Size(self.scaled.width & ~1, self.scaled.height & ~1)

    def show(self, picture: av.VideoFrame) -> av.VideoFrame:
        """A picture of `size` that is the caller's own."""
        stored = self.orientation.of_size(self.scaled)  # transposing twice is nothing
        if (picture.width, picture.height, picture.format.name) != (*stored, "yuv420p"):
            picture = picture.reformat(*stored, format="yuv420p", interpolation=SCALING, threads=1)
        if self.orientation != Orientation() or self.scaled != self.size:
            return self._turned_and_cropped(picture)
        picture.make_writable()  # the decoder may still refer to it
        return picture

    def _turned_and_cropped(self, picture: av.VideoFrame) -> av.VideoFrame:
        transposed, rows_reversed, columns_reversed = self.orientation
        shown = av.VideoFrame(*self.size, "yuv420p")
        for index, scale in enumerate((1, 2, 2)):
            stored = plane(picture, index)[:, : -(-picture.width // scale)]
            turned = stored.T if transposed else stored
            turned = turned[:: -1 if rows_reversed else 1, :: -1 if columns_reversed else 1]
            area = np.s_[: self.size.height // scale, : self.size.width // scale]
            plane(shown, index)[area] = turned[area]
        return shown


def square_size(size: Size, pixel_aspect: Fraction | None) -> Size:
    """The size with square pixels: the height stays, the width becomes larger or smaller."""
    if not pixel_aspect or pixel_aspect < 0:
        return size
    return Size(max(1, round(size.width * pixel_aspect)), size.height)


def chosen_size(size: Size, width: int | None, height: int | None) -> Size:
    """The size that is asked for. A side that is None follows from the shape of `size`."""
    if width is None and height is None:
        return size
    if width is None:
        assert height is not None
        return Size(round(size.width * height / size.height), height)
    if height is None:
        return Size(width, round(size.height * width / size.width))
    return Size(width, height)
