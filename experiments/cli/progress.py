"""Progress of a run on stderr, so that stdout stays for results."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

Callback = Callable[[str, float], None]


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
