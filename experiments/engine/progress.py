"""How far a plan has come, for whoever waits for it."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class PlanProgress:
    """The cell that moved last: its name, and the share of it that is done. And of all cells, how many have ended."""

    cell: str
    share: float
    finished: int
    total: int


Advance = Callable[[PlanProgress], None]


def unwatched(progress: PlanProgress) -> None:
    """Takes progress for which nobody waits."""
