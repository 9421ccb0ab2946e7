"""Tables in a terminal, whole: columns that do not fit beside the names stand below them, beside the names again."""

from collections.abc import Iterable, Iterator, Sequence

from rich import box
from rich.console import Console
from rich.table import Column, Table
from rich.text import TextType

_UNBOUNDED = 100_000  # characters


def wide_console() -> Console:
    """A console for tables. In a log file it is as wide as the table needs, since a table that is cut is worth
    nothing."""
    console = Console(markup=False, emoji=False)  # labels come from files: brackets in them are brackets
    return console if console.is_terminal else Console(width=200, markup=False, emoji=False)


def titled_table(title: str, names: Sequence[str], numbers: Iterable[str], *, padding: int = 1) -> Table:
    """An empty table under its title: columns of names, which may fold, and columns of numbers, which never break."""
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, padding=(0, padding))
    for heading in names:
        table.add_column(heading, overflow="fold")
    for heading in numbers:
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def print_whole(table: Table, *, names: int | None = None, console: Console | None = None) -> None:
    """Print a table so that neither a name nor a number is broken, but a name that is too wide by itself.

    The first `names` columns say what a row is about: by default those before the first that is justified to the right.
    """
    console = console or wide_console()
    if names is None:
        names = next((i for i, column in enumerate(table.columns) if column.justify == "right"), 1)
    for part in _parts(table, names, console):
        console.print(part)


def fits(table: Table, console: Console) -> bool:
    """Whether a table is no wider than the terminal with nothing in it broken."""
    return console.measure(table, options=console.options.update(width=_UNBOUNDED)).maximum <= console.width


def _parts(table: Table, names: int, console: Console) -> Iterator[Table]:
    heads, rest = table.columns[:names], table.columns[names:]
    chosen: list[Column] = []
    title = table.title
    for column in rest:
        if chosen and not fits(_of(table, [*heads, *chosen, column]), console):
            yield _of(table, [*heads, *chosen], title)
            chosen, title = [], None
        chosen.append(column)
    yield _of(table, [*heads, *chosen], title)


def _of(table: Table, columns: Sequence[Column], title: TextType | None = None) -> Table:
    """The table with only these columns."""
    part = Table(
        title=title,
        title_justify=table.title_justify,
        title_style=table.title_style,
        box=table.box,
        padding=table.padding,
    )
    for column in columns:
        part.add_column(column.header, justify=column.justify, overflow="fold", no_wrap=column.no_wrap)
    for row in zip(*(column.cells for column in columns), strict=True):
        part.add_row(*row)
    return part
