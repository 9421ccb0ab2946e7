"""What the tests of commands share: running `glass` in this process, in an empty folder."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from markupsafe import Markup

from glassbench.experiments.cli.app import app
from glassbench.experiments.cli.errors import run_app


class Ended(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


Glass = Callable[..., Ended]


@pytest.fixture
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is drawn: pictures take most of the time of a short run, and other tests are about them."""
    monkeypatch.setattr("glassbench.experiments.cli.show.draw_run", lambda run: [])
    for module in ("pictures", "strips"):
        monkeypatch.setattr(f"glassbench.experiments.results.report.{module}.drawn", lambda make, **_: Markup())


@pytest.fixture
def glass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Glass]:
    """Run `glass` with these arguments in an empty folder, with an empty cache."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def run(*arguments: str) -> Ended:
        code = run_app(app, arguments)
        captured = capsys.readouterr()
        return Ended(code, captured.out, captured.err)

    yield run
    assert not list(tmp_path.rglob("*.part")), "a temporary file was left behind"
