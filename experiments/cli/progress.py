"""Progress of a plan on stderr, so that stdout stays for results."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

if TYPE_CHECKING:
    from glassbench.experiments.engine.progress import Advance, PlanProgress

MOST_BARS = 20
ROOM_FOR_TIMES = 80  # characters: with less, long names would leave only parts of them


@contextmanager
def progress_bars(*, quiet: bool = False) -> "Iterator[Advance]":
    """A bar for each cell of a plan of few, one bar over all of many. Silent if `quiet` or not a terminal. The time
    left counts from the cells of this call, not from those that an earlier one finished."""
    console = Console(stderr=True)
    disable = quiet or not console.is_terminal
    each = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        *((TimeElapsedColumn(), TimeRemainingColumn()) if console.width >= ROOM_FOR_TIMES else ()),
        console=console,
        disable=disable,
    )
    together = Progress(
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(elapsed_when_finished=True),
        TextColumn("{task.description}"),
        console=console,
        disable=disable,
    )
    tasks: dict[str, TaskID] = {}

    def advance(done: "PlanProgress") -> None:
        if done.total <= MOST_BARS:
            if not done.cell:
                return
            each.start()
            if done.cell not in tasks:
                tasks[done.cell] = each.add_task(done.cell, total=1.0)
            each.update(tasks[done.cell], completed=done.share)
        else:
            together.start()
            if "" not in tasks:
                tasks[""] = together.add_task("", total=done.total, completed=done.finished)
            together.update(tasks[""], completed=done.finished, description=done.cell)

    try:
        yield advance
    finally:
        each.stop()
        together.stop()
