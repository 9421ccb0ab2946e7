"""Arms on real sockets: everything is accounted for, whatever happens to a part of it, and nothing is left behind."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from experiments import load, run
from experiments.live.arm import run_arm_live
from experiments.live.emulators import EMULATORS, Emulator, world
from experiments.live.wiring import check_emulator
from experiments.measure.arm_result import ArmResult
from experiments.scenario import Scenario, build

ROOT = Path(__file__).parents[2]
GLASS = "import sys; from experiments.cli.main import main; sys.exit(main())"


@pytest.fixture(autouse=True)
def nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    monkeypatch.setenv("TMPDIR", str(temporary))
    yield
    deadline = time.monotonic() + 60
    while parts() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert parts() == []
    assert list(temporary.iterdir()) == []


@pytest.fixture(params=EMULATORS)
def emulator(request: pytest.FixtureRequest) -> Emulator:
    try:
        check_emulator(request.param, scenario("udp"))
    except OSError as error:
        pytest.skip(str(error))
    return cast(Emulator, request.param)


@pytest.fixture
def however_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests share their machine with others."""
    monkeypatch.setattr("experiments.live.arm.MOST_LATE_MS", 1e6)


def parts() -> list[int]:
    """Processes of live arms that belong to this test process, whatever has become of their parents."""
    found = []
    for process in Path("/proc").iterdir():
        try:
            command = (process / "cmdline").read_bytes() if process.name.isdigit() else b""
            mine = os.environ["TMPDIR"].encode() in (process / "environ").read_bytes() if command else False
        except OSError:
            continue
        if b"experiments.live.part" in command and mine:
            found.append(int(process.name))
    return found


def scenario(*arms: str, duration: str = "1s", **fields: Any) -> Scenario:
    network = {"rate": "8Mbit/s", "delay": "20ms"}
    video = {"source": "lognormal", "bitrate": "1Mbit/s"}
    return build(
        {"name": "live", "duration": duration, "arms": list(arms), "video": video, "network": network, **fields}
    )


def live(plan: Scenario, **options: Any) -> ArmResult:
    return run_arm_live(plan, plan.arms[0], None, **{"emulator": "relay", **options})


@pytest.mark.usefixtures("however_late")
@pytest.mark.parametrize("arm", ["udp", "srt", "webtransport-datagram"])
def test_every_frame_is_accounted_for_and_shown_over_a_link_without_loss(arm: str, emulator: Emulator) -> None:
    result = live(scenario(arm, chat={"interval": "100ms"}), emulator=emulator)
    assert (result.outcome, result.reason) == ("measured", None)
    assert result.ledger is not None and result.links is not None
    video = result.ledger[result.ledger["track"] == 0]
    assert len(video) == 30
    assert (video["fate"] == "displayed").mean() > 0.5  # all of them, on a machine that has time
    shown = video[video["fate"] == "displayed"]
    assert (shown["displayed_at"] - shown["captured_at"]).min() >= 0.020  # the delay of the link
    for way in ("down", "up"):
        path = result.impairments[way]["path"]
        assert path["pushed"] == path["popped"] + path["dropped"] + path["lost"] + path["inside"]
    assert result.impairments["down"]["path"]["pushed"] >= 30
    environment = result.stats["live"]
    assert environment["machine"]["processors"] >= 1 and 0 <= environment["machine"]["busy"] <= 1
    assert environment["emulator"]["lateness"]["down"]["packets"] == result.impairments["down"]["path"]["popped"]


@pytest.mark.usefixtures("however_late")
def test_real_pictures_are_encoded_sent_decoded_and_carry_their_stamp() -> None:
    result = live(scenario("rtp", video={"source": "synthetic", "width": 320, "height": 180, "bitrate": "500kbit/s"}))
    assert result.outcome == "measured" and result.ledger is not None
    shown = result.ledger[result.ledger["fate"] == "displayed"]
    assert len(shown) > 10
    assert (shown["stamp_sequence"] == shown["sequence"]).all()
    assert (shown["encode_end_at"] > shown["encode_start_at"]).all()


def test_a_run_whose_emulator_was_late_is_repeated_and_then_no_measurement(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("experiments.live.arm.MOST_LATE_MS", -1.0)
    monkeypatch.setattr("experiments.live.arm.ATTEMPTS", 2)
    result = live(scenario("udp", duration="200ms"))
    assert result.outcome == "failed"
    assert result.reason is not None and result.reason.startswith("the machine was busy: in 2 runs of this arm 99 %")
    assert result.stats["live"]["attempt"] == 2


def test_a_stop_keeps_what_was_measured() -> None:
    begun = time.monotonic()
    result = live(scenario("udp", duration="10min"), stop=lambda: time.monotonic() > begun + 8)
    assert result.outcome == "incomplete"
    assert result.ledger is not None and len(result.ledger) > 0
    assert time.monotonic() < begun + 60


@pytest.mark.usefixtures("however_late")
@pytest.mark.parametrize("which", range(3))
def test_a_part_that_is_killed_fails_its_arm_and_the_next_one_is_measured(which: int, tmp_path: Path) -> None:
    emulator: Emulator = "relay"

    def kill_one() -> None:
        while len(parts()) < 3:
            time.sleep(0.05)
        time.sleep(3)
        os.kill(parts()[which], signal.SIGKILL)

    killer = threading.Thread(target=kill_one)
    killer.start()
    found = run(scenario("udp", "rtp", duration="2s"), results=tmp_path, live=emulator)
    killer.join()
    outcomes = {arm["arm"]: (arm["outcome"], arm["reason"]) for arm in found.arms}
    assert outcomes["udp"][0] == "failed"
    assert "of the arm ended with code -9" in str(outcomes["udp"][1])
    assert outcomes["rtp"][0] == "measured"
    assert found.manifest["world"] == world(emulator)


def test_unsupported_is_said_before_anything_is_started() -> None:
    plan = scenario("rtp", video={"source": "lognormal", "codec": "av1", "bitrate": "1Mbit/s"})
    assert live(plan).outcome == "unsupported"


Start = Callable[..., "subprocess.Popen[str]"]


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_ctrl_c_and_kill_of_the_command_leave_no_process(tmp_path: Path, sent: signal.Signals, code: int) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = ["compare", "--live", "--source", "lognormal", "--arm", "udp", "--duration", "10min", "--json"]
    process = subprocess.Popen(
        [sys.executable, "-c", GLASS, *command],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    while len(parts()) < 3 and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(6)
    process.send_signal(sent)
    out, err = process.communicate(timeout=60)
    assert process.returncode == code
    if sent == signal.SIGINT:
        assert err.startswith("error: interrupted")
        assert json.loads(out)["arms"][0]["outcome"] == "incomplete"
        (folder,) = (tmp_path / "results").iterdir()
        assert len(load(folder).ledger) > 0


@pytest.mark.parametrize(
    ("options", "accepted"),
    [
        (["--workers", "3"], "accepted is --live without --workers"),
        (["--capture", "--runs", "2"], "accepted is --capture without --runs"),
    ],
)
def test_what_does_not_go_together_is_refused_in_a_sentence(options: list[str], accepted: str, tmp_path: Path) -> None:
    command = [sys.executable, "-c", GLASS, "compare", "--live", *options]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert accepted in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
