"""Where the cells of a table stand in a terminal of some width, so that none is cut and no name or number is broken.

The first of these that fits is taken: everything beside each other; a name that is too long on a line of its own, and
its numbers below it; the columns that decide first, and the others below in a part of their own.

Rich has no cell that spans columns, so we place cells by ourselves; it measures and colours them.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import zip_longest

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from glassbench.experiments.account.number_text import NOTHING
from glassbench.experiments.cli.terminal import spelled, width_of_stdout, wrapped
from glassbench.experiments.cli.whole_table import WholeTable

_GAPS = (3, 2, 1)  # characters between columns, the most that fits
_INDENT = 2  # of what stands below a name
_LEAST_PROSE = 36  # characters: narrower, sentences are read better below
_WIDE_PROSE = 200  # characters of a line with sentences where there is no terminal
_UNBOUNDED = 1_000_000


def print_whole(table: WholeTable) -> None:
    """Print a table on stdout: as wide as the terminal, or, where there is none, as wide as it needs."""
    console = Console(markup=False, emoji=False, highlight=False)
    for line in laid_out(table, width_of_stdout()):
        console.print(line, soft_wrap=True)


def laid_out(table: WholeTable, width: int | None) -> Iterator[Text]:
    """The lines of a table, none longer than `width`; None is no terminal, where each row stands in one line.

    A name without a joint (`terminal.wrapped`) that is longer than a line stays whole.
    """
    for line in filter(None, table.title.split("\n")):
        yield from (Text(part, style="bold") for part in wrapped(spelled(line), width))
    if table.title:
        yield Text()
    for part in _parts(_Sheet(table), width):
        yield from part.lines()
        yield Text()


class _Sheet:
    """The cells of a table in letters that stdout has, so that each is as wide as it looks; and how wide columns are.

    Columns are numbered; `names`, `facts` and `prose` are those of them that say something.
    """

    def __init__(self, table: WholeTable) -> None:
        self.columns = table.columns
        self.rows = [[_spelled(cell) for cell in row] for row in table.rows]
        self.full_rows = [row for row in self.rows if len(row) == len(self.columns)]
        self.headings = [column.heading.split("\n") for column in self.columns]
        cells = [[row[place].plain for row in self.full_rows] for place in range(len(self.columns))]
        told = [
            place
            for place, column in enumerate(self.columns)
            if column.kind == "name" or any(text not in ("", NOTHING) for text in cells[place])
        ]
        self.names = [place for place in told if self.columns[place].kind == "name"]
        self.facts = [place for place in told if self.columns[place].kind in ("number", "words")]
        self.prose = [place for place in told if self.columns[place].kind == "prose"]
        lines = [[line for text in texts for line in text.split("\n")] for texts in cells]
        words = [[word for text in texts for word in text.split()] for texts in cells]
        self.natural = [_widest([*self.headings[place], *lines[place]]) for place in range(len(self.columns))]
        self.least = [
            _widest([*self.headings[place], *words[place]]) if column.kind == "words" else self.natural[place]
            for place, column in enumerate(self.columns)
        ]

    def name(self, row: Sequence[Text], places: Sequence[int]) -> str:
        """What a row is about, by some of its names."""
        return ", ".join(row[place].plain for place in places if place < len(row) and row[place].plain)


@dataclass
class _TablePart:
    """A part of a table that has its columns in one line: those at `places`. Columns of names may be `lifted`: a name
    stands above its numbers, unless it fits beside them. Sentences at `below` follow their row."""

    sheet: _Sheet
    places: list[int]
    lifted: list[int]
    below: list[int]
    widths: dict[int, int]
    gap: int
    limit: int

    @cached_property
    def beside(self) -> int:
        """How wide a lifted name may be to stand beside its numbers; 0 if all stand above."""
        if self.lifted != self.sheet.names or len(self.lifted) != 1:
            return 0
        heading = _widest(self.sheet.headings[self.lifted[0]])
        room = self.limit - self.margin - self.gap - self.line_width
        lengths = [cell_len(self.sheet.name(row, self.lifted)) for row in self.sheet.full_rows]
        near = [length for length in lengths if length <= room]
        return max(heading, *near, 0) if heading <= room and 2 * len(near) >= len(lengths) else 0

    @property
    def margin(self) -> int:
        return self.gap - 1

    @property
    def indent(self) -> int:
        """Where the first column begins that is not lifted."""
        if not self.lifted:
            return self.margin
        return self.margin + (self.beside + self.gap if self.beside else _INDENT)

    @property
    def line_width(self) -> int:
        return sum(self.widths[place] for place in self.places) + self.gap * max(0, len(self.places) - 1)

    def fits(self) -> bool:
        """Whether its columns are no wider than the terminal."""
        return self.margin + (_INDENT if self.lifted else 0) + self.line_width <= self.limit

    def lines(self) -> Iterator[Text]:
        """Headings, a rule, and the rows."""
        for heading in self._headings():
            heading.stylize("bold")
            yield heading
        width = max(self.indent + self.line_width, *self._widths_of_names())
        yield Text(" " * self.margin + spelled("─") * (min(width, self.limit) - self.margin))
        before = ""
        for row in self.sheet.rows:
            name = self.sheet.name(row, self.lifted)
            yield from self._row(row, name, told=name == before and self.lifted != self.sheet.names)
            before = name

    def _widths_of_names(self) -> Iterator[int]:
        return (self.margin + cell_len(self.sheet.name(row, self.lifted)) for row in self.sheet.rows)

    def _headings(self) -> Iterator[Text]:
        lifted = ", ".join(" ".join(self.sheet.headings[place]) for place in self.lifted)
        if lifted and not self.beside:
            yield from self._at_margin(lifted)
        texts = [self.sheet.headings[place] for place in self.places]
        height = max(map(len, texts), default=0)
        raised = [[Text()] * (height - len(lines)) + [Text(line) for line in lines] for lines in texts]
        for index, cells in enumerate(zip(*raised, strict=True)):
            beside = lifted if self.beside and index == height - 1 else ""
            yield self._line(cells, beside)

    def _row(self, row: Sequence[Text], name: str, *, told: bool) -> Iterator[Text]:
        """The lines of a row, without the lifted name if that was `told`."""
        if len(row) < len(self.sheet.columns):
            yield from self._without_numbers(row)
            return
        beside = name if cell_len(name) <= self.beside else ""
        if name and not beside and not told:
            yield from self._at_margin(name)
        blocks = [
            [Text(line, style=row[place].style) for line in wrapped(row[place].plain, self.widths[place])]
            for place in self.places
        ]
        for index, cells in enumerate(zip_longest(*blocks, fillvalue=Text())):
            yield self._line(cells, "" if index else beside)
        yield from self._sentences(row)

    def _line(self, cells: Sequence[Text], beside: str = "") -> Text:
        """One line of a row, with a lifted name beside its numbers."""
        start = " " * self.margin + beside
        line = Text(start + " " * (self.indent - cell_len(start)))
        for index, (place, cell) in enumerate(zip(self.places, cells, strict=True)):
            padding = " " * (self.widths[place] - cell.cell_len)
            line.append(" " * self.gap if index else "")
            line += Text.assemble(padding, cell) if self.sheet.columns[place].kind == "number" else cell + Text(padding)
        line.rstrip()
        return line

    def _at_margin(self, text: str) -> Iterator[Text]:
        return (Text(" " * self.margin + line) for line in wrapped(text, self.limit - self.margin))

    def _without_numbers(self, row: Sequence[Text]) -> Iterator[Text]:
        """A row whose last text stands in place of its numbers."""
        name, words = " " * self.margin + self.sheet.name(row, range(len(row) - 1)), row[-1]
        numbers = [place for place in self.places if place not in self.sheet.names]
        before = self.places[: self.places.index(numbers[0])] if numbers else []
        start = max(self.indent + sum(self.widths[place] + self.gap for place in before), cell_len(name) + self.gap)
        if start + words.cell_len <= self.limit:
            yield Text(name.ljust(start)) + words
            return
        yield from self._at_margin(name.strip())
        for line in wrapped(words.plain, self.limit - self.margin - _INDENT):
            yield Text(" " * (self.margin + _INDENT) + line, style=words.style)

    def _sentences(self, row: Sequence[Text]) -> Iterator[Text]:
        """What stands below the row, each with its heading if there are several."""
        labels = {place: " ".join(self.sheet.headings[place]) for place in self.below}
        longest = _widest(labels.values()) + 2 if len(labels) > 1 else 0
        start = self.margin + 2 * _INDENT
        for place, label in labels.items():
            if not row[place].plain:
                continue
            for index, line in enumerate(wrapped(row[place].plain, self.limit - start - longest)):
                beginning = label if longest and not index else ""
                yield Text(" " * start + beginning.ljust(longest) + line)


def _parts(sheet: _Sheet, width: int | None) -> Iterator[_TablePart]:
    """The parts that stand below each other: one, if any layout has room for all columns."""
    limit, below = _UNBOUNDED if width is None else width, sheet.prose
    if below and (part := _with_prose(sheet, _WIDE_PROSE if width is None else width)):
        yield part
        return
    if part := _fitting(sheet, sheet.facts, below, limit):
        yield part
        return
    chosen: list[int] = []
    for place in sorted(sheet.facts, key=lambda place: not sheet.columns[place].decides):
        if chosen and not _fitting(sheet, sorted([*chosen, place]), [], limit):
            yield _narrow(sheet, chosen, below, limit)
            chosen, below = [], []
        chosen = sorted([*chosen, place])
    yield _narrow(sheet, chosen, below, limit)


def _with_prose(sheet: _Sheet, limit: int) -> _TablePart | None:
    """All in one line, if sentences have room enough there."""
    places = [*sheet.names, *sheet.facts]
    for gap in _GAPS:
        room = limit - (gap - 1) - sum(sheet.natural[place] + gap for place in places) - gap * (len(sheet.prose) - 1)
        if shares := _shares([sheet.natural[place] for place in sheet.prose], room):
            widths = {place: sheet.natural[place] for place in places} | dict(zip(sheet.prose, shares, strict=True))
            return _TablePart(sheet, [*places, *sheet.prose], [], [], widths, gap, limit)
    return None


def _shares(wanted: list[int], room: int) -> list[int] | None:
    """How wide columns of sentences are that share `room`; None if that is too little."""
    least = [min(width, _LEAST_PROSE) for width in wanted]
    spare = room - sum(least)
    if spare < 0:
        return None
    missing = sum(wanted) - sum(least)
    part = min(1.0, spare / missing) if missing else 0.0
    return [small + int(part * (width - small)) for small, width in zip(least, wanted, strict=True)]


def _fitting(sheet: _Sheet, facts: list[int], below: list[int], limit: int) -> _TablePart | None:
    """The first layout that fits: names beside numbers; the first names above, which make groups; the longest names
    above; all names above. At last words wrap."""
    longest = sorted(sheet.names, key=lambda place: sheet.natural[place])[-1:]
    for widest in (sheet.natural, sheet.least):
        for lifted in ([], sheet.names[:1], longest, sheet.names):
            places = [place for place in [*sheet.names, *facts] if place not in lifted]
            for gap in _GAPS[1:] if lifted else _GAPS:
                widths = {place: widest[place] for place in places}
                part = _TablePart(sheet, places, lifted, below, widths, gap, limit)
                if part.fits():
                    return part
    return None


def _narrow(sheet: _Sheet, facts: list[int], below: list[int], limit: int) -> _TablePart:
    """The layout that fits; where one column alone is wider than the terminal, its words break at their joints."""
    if part := _fitting(sheet, facts, below, limit):
        return part
    widths = {place: min(sheet.least[place], limit - _INDENT) for place in facts}
    return _TablePart(sheet, facts, sheet.names, below, widths, 1, limit)


def _spelled(cell: str | Text) -> Text:
    return Text(spelled(cell)) if isinstance(cell, str) else Text(spelled(cell.plain), style=cell.style)


def _widest(texts: Iterable[str]) -> int:
    return max((cell_len(text) for text in texts), default=0)
