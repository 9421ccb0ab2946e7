"""What the tests of budgets share: a short call in a folder of its own, and a check of it in this process."""

from collections.abc import Callable
from pathlib import Path

import pytest

from glassbench.experiments.budgets.baseline import Baseline, baseline_text, parse_baseline
from glassbench.experiments.budgets.check import BudgetReport, check
from glassbench.experiments.budgets.measure import Measured, measure
from glassbench.experiments.budgets.spec import load_budgets

CALL = """\
name = "call"
duration = "{duration}"
playout = "{playout}"
arms = ["rtp", "srt", "quic-datagram"]
[video]
source = "lognormal"
bitrate = "2Mbit/s"
keyframe_interval = 60
[chat]
interval = "100ms"
[network]
rate = "8Mbit/s"
delay = "20ms"
loss = "{loss}"
loss_duration = "10ms"
"""

Call = Callable[..., Path]
Write = Callable[[str], Path]
MeasureFile = Callable[[Path], Measured]
CheckFile = Callable[..., BudgetReport]
Record = Callable[[Path], Baseline]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to be in, with an empty cache."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return folder


@pytest.fixture
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands start no worker processes, which take longer than what they measure."""
    monkeypatch.setattr("glassbench.experiments.engine.plan_run.usable_processors", lambda: 1)


@pytest.fixture
def call(here: Path) -> Call:
    """Write the scenario call.toml."""

    def write(*, duration: str = "2s", loss: str = "2%", playout: str = "immediate") -> Path:
        path = here / "call.toml"
        path.write_text(CALL.format(duration=duration, loss=loss, playout=playout))
        return path

    write()
    return write


@pytest.fixture
def budgets(call: Call, here: Path) -> Write:
    """Write a file of budgets about call.toml."""

    def write(text: str) -> Path:
        path = here / "budgets.toml"
        path.write_text(f'scenario = "call.toml"\nseeds = [1, 2]\n{text}')
        return path

    return write


@pytest.fixture
def measure_file(tmp_path: Path) -> MeasureFile:
    """Measure what a file is about, in this process; never twice into one folder."""
    count = 0

    def run(path: Path) -> Measured:
        nonlocal count
        count += 1
        return measure(load_budgets(path), tmp_path / f"results{count}", workers=1)

    return run


@pytest.fixture
def record(measure_file: MeasureFile) -> Record:
    """A baseline of a file, by way of its text."""
    return lambda path: parse_baseline(baseline_text(measure_file(path), command=["glass"]), "baseline.json")


@pytest.fixture
def check_file(tmp_path: Path) -> CheckFile:
    """Check a file, in this process."""
    count = 0

    def run(path: Path, baseline: Baseline | None = None) -> BudgetReport:
        nonlocal count
        count += 1
        budgets = load_budgets(path)
        return check(budgets, measure(budgets, tmp_path / f"checked{count}", workers=1), baseline)

    return run
