"""Progress of a run on stderr, so that stdout stays for results."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

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

Callback = Callable[[str, float], None]
CellCallback = Callable[[int, int, str], None]


@contextmanager
def arm_progress(*, quiet: bool = False) -> Iterator[Callback]:
    """A bar an arm, moved by calling the result with (arm, fraction done). Silent if `quiet` or not a terminal."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=quiet or not console.is_terminal) as bars:
        tasks: dict[str, TaskID] = {}

        def advance(arm: str, fraction: float) -> None:
            if arm not in tasks:
                tasks[arm] = bars.add_task(arm, total=1.0)
            bars.update(tasks[arm], completed=fraction)

        yield advance


@contextmanager
def cell_progress(*, quiet: bool = False) -> Iterator[CellCallback]:
    """One bar over all cells of a plan, moved by calling the result with (cells finished, cells in all, name of the
    last). The time left counts from the cells of this call, not from those that an earlier one finished."""
    console = Console(stderr=True)
    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(elapsed_when_finished=True),
        TextColumn("{task.description}"),
    )
    with Progress(*columns, console=console, disable=quiet or not console.is_terminal) as bars:
        task: TaskID | None = None

        def advance(finished: int, total: int, cell: str) -> None:
            nonlocal task
            if task is None:
                task = bars.add_task("", total=total, completed=finished)
            bars.update(task, completed=finished, description=cell)

        yield advance
