"""What tests of stacks share."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

import pytest

_PATIENCE = 60.0  # seconds until browsers have started
_PAGE = """#!{python}
import asyncio, json, sys, aiohttp

async def main():
    async with aiohttp.ClientSession() as session, session.ws_connect(sys.argv[-1] + "socket") as page:
        await page.send_json({{"kind": "open"}})
        await page.receive()
        for line in {lines}:
            await page.send_str(line)
        await asyncio.sleep(60)

asyncio.run(main())
"""


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


@pytest.fixture
def chromium_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """chromium_is(program): what is started in place of Chromium."""

    def put(program: str) -> None:
        path = tmp_path / "bin" / "chromium"
        path.parent.mkdir()
        path.write_text(program)
        path.chmod(0o755)
        monkeypatch.setenv("PATH", f"{path.parent}:{os.environ['PATH']}")

    return put


@pytest.fixture
def page_says(chromium_is: Callable[[str], None]) -> Callable[[list[str]], None]:
    """page_says(lines): what the page says, in place of one in Chromium, when it is first told something."""
    return lambda lines: chromium_is(_PAGE.format(python=sys.executable, lines=lines))


@pytest.fixture
def chromium_killed(descendants: Callable[[], dict[int, str]]) -> Callable[[int, float], AbstractContextManager[None]]:
    """`with chromium_killed(of, after)`: so many browsers start meanwhile, and the last one is killed so many seconds
    later. None of them is left at the end."""

    @contextmanager
    def killed(of: int, after: float) -> Iterator[None]:
        def kill() -> None:
            end = time.monotonic() + _PATIENCE
            while time.monotonic() < end:
                if len(started := _chromiums(descendants())) == of:
                    time.sleep(after)
                    os.kill(max(started), signal.SIGKILL)
                    return
                time.sleep(0.1)

        killer = threading.Thread(target=kill)
        killer.start()
        yield
        killer.join()
        assert not _chromiums(descendants())

    return killed


def _chromiums(lines: dict[int, str]) -> set[int]:
    """The browsers among processes, which are no helpers of one."""
    return {
        number
        for number, line in lines.items()
        if "--autoplay-policy=no-user-gesture-required" in line and "--type=" not in line
    }


def _above(number: int, parents: dict[int, int]) -> list[int]:
    above = []
    while number := parents.get(number, 0):
        above.append(number)
    return above
