"""What the tests of plans, datasets and sweeps share: a small plan, an empty folder, and folders as bytes."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from glassbench.experiments import scenario
from glassbench.experiments.engine.plan import Plan, grid
from glassbench.experiments.results.versions import versions
from glassbench.experiments.scenario import Scenario

MakeScenario = Callable[..., Scenario]
MakePlan = Callable[..., Plan]
ReadFolder = Callable[[Path], dict[str, bytes]]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to be in, with an empty cache."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return folder


@pytest.fixture(scope="session")
def made_with() -> dict[str, str]:
    return versions()


@pytest.fixture(autouse=True)
def same_versions(monkeypatch: pytest.MonkeyPatch, made_with: dict[str, str]) -> None:
    """Reading all our source again takes most of the time of a small plan."""
    monkeypatch.setattr("glassbench.experiments.engine.plan_run.versions", lambda: made_with)


@pytest.fixture
def make_scenario() -> MakeScenario:
    def make(**fields: Any) -> Scenario:
        base = {"name": "tiny", "duration": "400ms", "arms": ["udp", "rtp"], "video": {"source": "lognormal"}}
        return scenario.build({**base, "network": {"rate": "5Mbit/s", "delay": "5ms", "loss": "5%"}, **fields})

    return make


@pytest.fixture
def make_plan(make_scenario: MakeScenario) -> MakePlan:
    """12 cells: 2 delays x 2 seeds x (2 arms and the floor)."""

    def make(scenario: Scenario | None = None, **options: Any) -> Plan:
        defaults = {"axes": {"network.delay": ["5ms", "40ms"]}, "seeds": [3, 4], "floor": True, "frames": True}
        return grid("tiny", scenario or make_scenario(), **{**defaults, **options})

    return make


def without_date(path: Path) -> bytes:
    """A file of results without the day on which it was made."""
    return re.sub(rb'"date": "[^"]*"', b'"date": ""', path.read_bytes())


@pytest.fixture
def read_folder() -> ReadFolder:
    """All files below a folder without the day on which they were made, by their path in it."""

    def read(folder: Path) -> dict[str, bytes]:
        files = (path for path in folder.rglob("*") if path.is_file())
        return {str(path.relative_to(folder)): without_date(path) for path in files}

    return read
