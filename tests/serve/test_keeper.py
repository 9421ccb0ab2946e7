"""What pages watched and sent is kept one after the other, and never more than a server may write."""

import asyncio
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from glassbench.experiments.scenario import Scenario, build
from glassbench.experiments.serve import serving
from glassbench.experiments.serve.serving import Keeper

SERVED = build(
    {
        "name": "watched",
        "duration": "1s",
        "arms": ["udp"],
        "video": {"source": "synthetic", "bitrate": "1Mbit/s"},
        "network": {},
    }
)
SIZE = 1000


@pytest.fixture
def writes(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Each viewer has watched something that takes SIZE bytes; it is written when this is set."""
    may = threading.Event()

    def keep(viewer: Any, number: int, served: Scenario, results: Path, command: Sequence[str]) -> Path:
        assert may.wait(10.0)
        path = results / f"{served.name}-{number}"
        path.mkdir()
        (path / "ledger").write_bytes(bytes(SIZE))
        return path

    monkeypatch.setattr(serving, "keep", keep)
    return may


def test_no_more_is_written_than_a_server_may_and_the_rest_is_told(tmp_path: Path, writes: threading.Event) -> None:
    said: list[str] = []
    keeper = Keeper(SERVED, tmp_path, (), said.append, most=2 * SIZE)
    writes.set()
    for number in range(1, 6):
        keeper.left(None, number)  # type: ignore[arg-type]  # nobody looks at it
    asyncio.run(keeper.close())
    assert len(list(tmp_path.iterdir())) == 2
    assert ["is not kept" in line for line in said] == [False, False, True, True, True]


def test_few_wait_to_be_written_and_the_rest_is_told(tmp_path: Path, writes: threading.Event) -> None:
    said: list[str] = []
    keeper = Keeper(SERVED, tmp_path, (), said.append)
    for number in range(1, 101):
        keeper.left(None, number)  # type: ignore[arg-type]  # nobody looks at it
    assert len(said) == 100 - serving.MOST_WAIT
    writes.set()
    asyncio.run(keeper.close())
    assert len(list(tmp_path.iterdir())) == serving.MOST_WAIT
