"""What the tests of whole arms share: a short scenario with everything in it, over every transport."""

import re
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from glassbench.experiments.scenario import Scenario, build
from glassbench.experiments.worlds.reuse import Reuse
from glassbench.receiver.quality import QualityMemo
from glassbench.sender.encode_cache import EncodeCache
from glassbench.transport.registry import TRANSPORTS

MakeScenario = Callable[..., Scenario]
DOCUMENT = Path(__file__).parents[2] / "docs" / "scenarios.md"
EXAMPLE = re.compile(r'^`(\{ (?:element|discipline) = "(.+?)".*\})`$', re.MULTILINE)


@pytest.fixture(scope="session")
def examples() -> dict[str, dict[str, Any]]:
    """One of each element and queue, by its name: the examples of docs/scenarios.md."""
    shown = EXAMPLE.findall(DOCUMENT.read_text(encoding="utf-8"))
    return {name: tomllib.loads(f"example = {table}")["example"] for table, name in shown}


@pytest.fixture(scope="session")
def all_arms() -> list[str]:
    return [*TRANSPORTS, "quic-stream:stack=stock,control=cubic", "quic-stream:stack=stock,control=reno"]


@pytest.fixture
def make_scenario(all_arms: list[str]) -> MakeScenario:
    """A lossy scenario over all arms; keywords replace whole fields of the file."""
    content: dict[str, Any] = {
        "name": "test",
        "seed": 3,
        "duration": "2s",
        "arms": all_arms,
        "video": {"source": "lognormal", "bitrate": "1500kbit/s", "keyframe_interval": 30, "deadline": "600ms"},
        "chat": {"interval": "100ms"},
        "network": {"trace": "lte-driving", "queue": "60kB", "loss": "4%", "loss_duration": "10ms"},
    }
    return lambda **changes: build({**content, **changes})


@pytest.fixture
def reuse() -> Iterator[Reuse]:
    with EncodeCache(None) as cache:
        yield Reuse(cache, QualityMemo())


@pytest.fixture(autouse=True)
def no_cache_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
