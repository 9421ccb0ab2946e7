"""What tests of stacks share."""

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest


@pytest.fixture
def however_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A live arm is a measurement, however late the machine is: tests share it with others."""
    for name in ("MOST_LATE_MS", "LONGEST_PAUSE", "MOST_PAUSED"):
        monkeypatch.setattr(f"glassbench.experiments.worlds.live.arm.{name}", 1e6)


@pytest.fixture
def descendants() -> Callable[[], dict[int, str]]:
    """Gives the processes that descend from this one, with their command lines: other tests may run beside."""

    def look() -> dict[int, str]:
        parents, lines = {}, {}
        for process in Path("/proc").iterdir():
            if process.name.isdigit():
                with suppress(OSError):
                    number, stat = int(process.name), (process / "stat").read_text()
                    parents[number] = int(stat.rpartition(")")[2].split()[1])
                    lines[number] = (process / "cmdline").read_text()
        return {number: line for number, line in lines.items() if os.getpid() in _above(number, parents)}

    return look


def _above(number: int, parents: dict[int, int]) -> list[int]:
    above = []
    while number := parents.get(number, 0):
        above.append(number)
    return above
