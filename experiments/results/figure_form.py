"""In which formats and sizes figures are written: what `--figures` and `--figure-size` accept."""

from dataclasses import dataclass
from enum import StrEnum


class FigureFormat(StrEnum):
    """The ending of a file. In `pdf` and `svg` text stays text."""

    PNG = "png"
    PDF = "pdf"
    SVG = "svg"


class PageSize(StrEnum):
    """What a figure has to fit: a screen, a column of a paper (3.4 inches wide, text of 7.5 points), or a slide (13.3 x
    7.5 inches, large text)."""

    SCREEN = "screen"
    COLUMN = "column"
    SLIDE = "slide"


@dataclass(frozen=True, slots=True)
class FigureForm:
    """The files that are written of each figure, and what it has to fit."""

    formats: tuple[FigureFormat, ...] = (FigureFormat.PNG,)
    size: PageSize = PageSize.SCREEN
