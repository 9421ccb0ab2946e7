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
    """A drawing: an <svg> element whose colours follow the page, and a heading over it, if it has one. One that is
    about a single `arm` goes when that is hidden."""

    svg: Markup
    heading: str = ""
    arm: str = ""


@dataclass(frozen=True)
class Mark:
    """A line of a key: a swatch as an <svg> element, and its meaning; `arm` is the arm that it stands for, if any."""

    swatch: Markup
    meaning: str
    arm: str = ""


@dataclass(frozen=True)
class Figure:
    """Pictures under one caption. `wide` ones share a time axis and stand below each other, the others side by side.
    `key` explains the marks."""

    caption: str
    pictures: tuple[Picture, ...]
    wide: bool = False
    key: tuple[Mark, ...] = ()


@dataclass(frozen=True)
class Section:
    """A chapter of the report. `name` is its anchor, `points` are a list of sentences; `texts` are shown as they are,
    line by line, by their heading."""

    name: str
    title: str
    paragraphs: tuple[str, ...] = ()
    points: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    figures: tuple[Figure, ...] = ()
    texts: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Report:
    """The whole page: the question, what was measured, the verdict and what it rests on in a sentence each, warnings,
    and the chapters. `arms` are those that can be hidden."""

    title: str
    question: str
    subject: str
    verdict: str
    basis: str
    warnings: tuple[str, ...] = ()
    sections: tuple[Section, ...] = field(default=())
    arms: tuple[Mark, ...] = ()
