"""What tests of several rooms share."""

import fcntl
import gc
import os
import shutil
import signal
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, settings
from markupsafe import Markup

from glassbench.experiments.scenario.arm_spec import parse_arm
from glassbench.experiments.worlds.testing.session import RecordedSession
from glassbench.transport import registry

# A shell that starts the tests in the background makes them, and what they start, ignore Ctrl-C; some tests send it.
signal.signal(signal.SIGINT, signal.default_int_handler)


# Tests share their machine with others, so how long an example takes says nothing.
settings.register_profile("shared-machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared-machine")


def pytest_collection_finish() -> None:
    """What is imported and collected stays, so the garbage collector need not look at it again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 20)


class Ended(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """`sampled(n)`: a combination of parameters is lengthy unless the places of its values, each in the order in which
    they come, add up to a multiple of n. What is lengthy is long."""
    places: dict[tuple[str, str], dict[str, int]] = defaultdict(dict)
    for item in items:
        if isinstance(item, pytest.Function) and (sampled := item.get_closest_marker("sampled")):
            place = 0
            for name, value in item.callspec.params.items():
                of_name = places[item.nodeid.partition("[")[0], name]
                place += of_name.setdefault(repr(value), len(of_name))
            if place % sampled.args[0]:
                item.add_marker(pytest.mark.lengthy)
        if item.get_closest_marker("lengthy"):
            item.add_marker(pytest.mark.long)


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Callable[[Path], object]], Path]:
    """A folder that the first worker of pytest-xdist that asks for it fills, and all of them read."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

    def folder_of(name: str, fill: Callable[[Path], object]) -> Path:
        folder = shared / name
        with (shared / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not folder.exists():
                begun = shared / f"{name}.begun"
                shutil.rmtree(begun, ignore_errors=True)
                fill(begun)
                begun.rename(folder)
        return folder

    return folder_of


@pytest.fixture
def make_session() -> Callable[..., RecordedSession]:
    """make_session(arm, options={}, forward=..., ...): two ends of an arm, as "srt:latency_ms=200", over a path."""

    def make(name: str, *, options: Mapping[str, object] | None = None, **more: Any) -> RecordedSession:
        arm = parse_arm(name)
        complete = registry.validate_options(arm.transport, {**dict(arm.options), **(options or {})})
        return RecordedSession(registry.get(arm.transport), complete, **more)

    return make


@pytest.fixture(scope="session")
def access_units() -> Callable[..., list[bytes]]:
    """access_units(codec, layers=1): what its encoder gives for 12 moving pictures of 320x180, of which number 0 and 6
    are keyframes. Number n is stamped with n and the instant 1002 + n / 32."""
    from glassbench.sender.encoder import EncoderSettings, SourceEncoder
    from glassbench.sender.sources import SourceRequest, open_source

    @cache
    def encode(codec: str, layers: int = 1) -> list[bytes]:
        source = open_source("bikes", SourceRequest(width=320, height=180, fps=Fraction(30)))
        encoder = SourceEncoder(source, EncoderSettings(codec=codec, bitrate_bps=1_000_000, layers=layers))
        encoded = [encoder.encode(n, 1002 + n / 32, force_keyframe=n in (0, 6)) for n in range(12)]
        assert [n for n, unit in enumerate(encoded) if unit.keyframe] == [0, 6]
        return [unit.payload for unit in encoded]

    return encode


@pytest.fixture(scope="session")
def needs_vmaf() -> None:
    """Skips the test where there is no FFmpeg with libvmaf."""
    from glassbench.receiver.vmaf import VmafError, vmaf_version

    try:
        vmaf_version()
    except VmafError as error:
        pytest.skip(str(error))


@pytest.fixture
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is drawn: pictures take most of the time of a short run, and other tests are about them."""
    for command in ("show", "ab", "sweep"):
        monkeypatch.setattr(f"glassbench.experiments.cli.{command}.draw_results", lambda dataset, form: [])
    for module in ("pictures", "strips", "why", "sweep_pictures"):
        monkeypatch.setattr(f"glassbench.experiments.results.report.{module}.drawn", lambda make, **_: Markup())


@pytest.fixture
def glass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., Ended]]:
    """Run `glass` with these arguments in this process, in an empty folder, with an empty cache."""
    from glassbench.experiments.cli.app import app
    from glassbench.experiments.cli.errors import run_app

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


@pytest.fixture(scope="session")
def wait_for() -> Callable[..., Any]:
    """wait_for(what, "what is waited for", seconds): returns what `what()` gives, as soon as it is true.

    The patience is much more than it needs, because tests share their machine.
    """

    def wait(what: Callable[[], Any], name: str = "what has to come", seconds: float = 120.0) -> Any:
        end = time.monotonic() + seconds
        while not (result := what()):
            assert time.monotonic() < end, f"waited {seconds:g} s in vain for {name}"
            time.sleep(0.02)
        return result

    return wait


@pytest.fixture
def modules_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The current folder has modules named like the standard library's and like ours, and Python looks there first, as
    a notebook and `python -m` do; none of them is run."""
    folder = tmp_path / "of the user"
    folder.mkdir()
    names = "json queue random select signal socket struct subprocess tempfile typing experiments netem transport numpy"
    for name in names.split():
        (folder / f"{name}.py").write_text(
            f"open({str(folder / 'run')!r}, 'a').write('{name} ')\nraise SystemExit(3)\n"
        )
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", ["", str(folder), *sys.path])
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(("", os.environ.get("PYTHONPATH", ""))))
    yield
    assert not (folder / "run").exists(), (folder / "run").read_text()
