"""How far a plan has come, as whoever waits for it is told."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class PlanProgress:
    """Of the cell that moved last: its name, and the share of it that is done; and of all cells, those that ended."""

    cell: str
    share: float
    finished: int
    total: int


Advance = Callable[[PlanProgress], None]


def unwatched(progress: PlanProgress) -> None:
    """Nobody waits."""
