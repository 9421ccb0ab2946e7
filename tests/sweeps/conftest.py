"""What the tests of plans, datasets and sweeps share: a small plan, an empty folder, and folders as bytes."""

import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from glassbench.experiments import scenario
from glassbench.experiments.engine.jobs import Job, JobAdvance, JobEnd, run_jobs
from glassbench.experiments.engine.plan import Plan, grid
from glassbench.experiments.engine.plan_run import Interrupted, run_plan
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


class Counting:
    """Runs cells in this process, remembers which, and says that it was interrupted after `most` of them."""

    def __init__(self, most: int = 10**6) -> None:
        self.ran: list[int] = []
        self._most = most

    def __call__(self, jobs: Sequence[Job], finished: Callable[[Job, JobEnd], None], advance: JobAdvance) -> bool:
        def count(job: Job, done: JobEnd) -> None:
            self.ran.append(int(job.name))
            finished(job, done)

        return run_jobs(jobs[: self._most], count, advance, workers=1) and len(jobs) <= self._most


@pytest.fixture
def make_counting() -> type[Counting]:
    return Counting


@pytest.fixture
def complete(made_once: Callable[..., Path], make_plan: MakePlan) -> Callable[..., Path]:
    """The folder of a dataset that ran in one go; it is read only."""

    def folder_of(*seeds: int) -> Path:
        plan = make_plan(seeds=list(seeds))
        return made_once(f"dataset of {seeds}", lambda folder: run_plan(plan, folder, workers=1))

    return folder_of


@pytest.fixture
def begun() -> Callable[[Plan, int], None]:
    """begun(plan, cells): `results` is a dataset of this plan that was interrupted after so many cells."""

    def begin_plan(plan: Plan, cells: int) -> None:
        with pytest.raises(Interrupted, match=f"{cells} of {len(plan.cells)} cells are kept in results"):
            run_plan(plan, Path("results"), run_cells=Counting(cells))

    return begin_plan


@pytest.fixture
def begin(made_once: Callable[..., Path], make_plan: MakePlan) -> Callable[..., None]:
    """Make `results` a dataset of these seeds whose first cells ran, as `begun` does; each of them runs once for all
    tests."""

    def begin_with(cells: int, *seeds: int) -> None:
        def fill(folder: Path) -> None:
            with pytest.raises(Interrupted):
                run_plan(make_plan(seeds=list(seeds)), folder, run_cells=Counting(cells))

        shutil.copytree(made_once(f"{cells} cells of {seeds}", fill), Path("results"))

    return begin_with
