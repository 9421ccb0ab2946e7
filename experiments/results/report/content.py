"""What a report says, before it is a page: plain text in tables and figures, which the template escapes."""

from dataclasses import dataclass, field

from markupsafe import Markup


@dataclass(frozen=True)
class TableCell:
    """A number as text, and its interval or share below it."""

    text: str
    note: str = ""


@dataclass(frozen=True)
class Row:
    """A row of a table: what it is about, and a cell per column."""

    head: str
    cells: tuple[TableCell, ...]


@dataclass(frozen=True)
class Table:
    """`columns` are the headings without the first, `corner`. `numbers` is false for columns of text."""

    caption: str
    corner: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    numbers: bool = True


@dataclass(frozen=True)
class Picture:
    """A drawing: an <svg> element whose colours follow the page, and a heading over it, if it has one."""

    svg: Markup
    heading: str = ""


@dataclass(frozen=True)
class Figure:
    """Pictures under one caption. `wide` ones share a time axis and stand below each other, the others side by side.

    `key` explains the marks: (a swatch as an <svg> element, its meaning).
    """

    caption: str
    pictures: tuple[Picture, ...]
    wide: bool = False
    key: tuple[tuple[Markup, str], ...] = ()


@dataclass(frozen=True)
class Section:
    """A chapter of the report. `name` is its anchor; `texts` are shown as they are, line by line, by their heading."""

    name: str
    title: str
    paragraphs: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    figures: tuple[Figure, ...] = ()
    texts: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Report:
    """The whole page: what was measured, the verdict and what it rests on in a sentence each, warnings, chapters."""

    title: str
    subject: str
    verdict: str
    basis: str
    warnings: tuple[str, ...] = ()
    sections: tuple[Section, ...] = field(default=())
