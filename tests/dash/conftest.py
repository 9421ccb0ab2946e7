"""What tests of the dashboard share: results of each kind in one folder, and a dashboard that answers."""

import asyncio
import json
import shutil
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from glassbench.experiments.dash.serving import answer
from glassbench.experiments.engine.runner import run
from glassbench.experiments.scenario import build

SCENARIO: dict[str, Any] = {
    "name": "test",
    "seed": 3,
    "duration": "2s",
    "arms": ["udp", "rtp"],
    "video": {"source": "lognormal", "bitrate": "1500kbit/s", "keyframe_interval": 30},
    "network": {"trace": "lte-driving", "queue": "60kB", "loss": "4%", "loss_duration": "10ms"},
}


@pytest.fixture(scope="session")
def measured(made_once: Callable[..., Path]) -> Path:
    """A folder of results with one run. Not to be written to: `results` is a copy."""
    return made_once("dash", lambda folder: run(build(SCENARIO), results=folder, workers=1))


@pytest.fixture
def results(measured: Path, tmp_path: Path) -> Path:
    """A folder of results with one run."""
    return Path(shutil.copytree(measured, tmp_path / "results"))


@pytest.fixture
def begin() -> Callable[..., Path]:
    """begin(results, name): a run that has not ended, with a cell that says how far it is."""

    def begun(results: Path, name: str = "begun", lines: tuple[dict[str, Any], ...] = (), **manifest: Any) -> Path:
        folder = results / name
        cell = folder / "cells" / "000000"
        cell.mkdir(parents=True)
        content = {"program": "glassbench", "schema": 4, "name": name, "cells": 2, "complete": False, **manifest}
        (folder / "manifest.json").write_text(json.dumps(content))
        about = {"arm": "rtp", "seed": 3, "duration": 2.0}
        told = {"elapsed": 1.0, "share": 0.5, "slices": [[0.5, 15, 15, 30.0, 40.0]], "left_out": 0}
        (cell / "live.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in (about, told, *lines)))
        return folder

    return begun


@pytest.fixture
def answering() -> Any:
    """answering(root, token=None): a context in which a dashboard answers on the port that it gives."""
    return _answering


@pytest.fixture
def asked() -> Any:
    """asked(port, path, host="localhost"): the status, the headers and the body of what comes for a path."""
    return _asked


@pytest.fixture
def follow() -> Any:
    """follow(port, query=""): a context with the events that a browser gets."""
    return _followed


@asynccontextmanager
async def _answering(root: Path, token: str | None = None) -> AsyncIterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        task = asyncio.create_task(answer(root, listener, token))
        try:
            yield listener.getsockname()[1]
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def _asked(port: int, path: str, *, host: str = "localhost", method: str = "GET") -> tuple[int, str, bytes]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode("utf-8", "replace"))
    data = await asyncio.wait_for(reader.read(), 30)
    writer.close()
    await writer.wait_closed()
    head, _, body = data.partition(b"\r\n\r\n")
    return int(head.split()[1]), head.decode(), body


@asynccontextmanager
async def _followed(port: int, query: str = "") -> AsyncIterator["Stream"]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 24)
    try:
        writer.write(f"GET /events{query} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        yield Stream(reader)
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


class Stream:
    """The events that a browser gets."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader

    async def next(self, name: str, wanted: Callable[[Any], bool] = lambda content: True) -> Any:
        """The content of the next event of a name for which a condition holds."""
        async with asyncio.timeout(60):
            while True:
                line = (await self._reader.readuntil(b"\n")).decode()
                if line == f"event: {name}\n":
                    content = json.loads((await self._reader.readuntil(b"\n")).removeprefix(b"data: "))
                    if wanted(content):
                        return content
