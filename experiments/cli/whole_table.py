"""A table of a terminal, as a command says it: columns by what they hold, and rows. `table_layout.py` places them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from rich.text import Text

Kind = Literal["name", "number", "words", "prose"]
"""What a column holds: a name says what the row is about; neither it nor a number is broken. A few words, such as a
verdict, may wrap. Prose are whole sentences, which go below their row where they do not fit beside it."""


@dataclass(frozen=True)
class TableColumn:
    """A column. Those that `decide` come first where not all fit in one line."""

    heading: str
    kind: Kind = "number"
    decides: bool = False


@dataclass
class WholeTable:
    """A table that is printed whole in a terminal of any width.

    A row has a text per column. A row with fewer has its last one in place of all numbers, as for an arm that has none.
    A column that says nothing in any row is not shown.
    """

    title: str
    columns: Sequence[TableColumn]
    rows: list[Sequence[str | Text]] = field(default_factory=list)

    def add_row(self, *cells: str | Text) -> None:
        """Append a row."""
        self.rows.append(cells)
