"""Arms on real sockets: everything is accounted for, whatever happens to a part of it, and nothing is left behind."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from glassbench.experiments.account.arm_result import ArmResult
from glassbench.experiments.account.ledger import STAGES, stages
from glassbench.experiments.scenario import Scenario, build
from glassbench.experiments.worlds.live import processes
from glassbench.experiments.worlds.live.arm import run_arm as run_arm_live
from glassbench.experiments.worlds.live.emulators import Emulator
from glassbench.experiments.worlds.live.wiring import check_emulator
from glassbench.experiments.worlds.shown_slices import ShownSlice
from glassbench.experiments.worlds.world import Watch
from glassbench.transport.contract import Unsupported

PACKET_BYTES = 1000


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


@pytest.fixture
def emulator(request: pytest.FixtureRequest) -> Emulator:
    try:
        check_emulator(request.param, scenario("udp"))
    except OSError as error:
        pytest.skip(str(error))
    return cast(Emulator, request.param)


@pytest.fixture
def however_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests share their machine with others."""
    monkeypatch.setattr("glassbench.experiments.worlds.live.arm.MOST_LATE_MS", 1e6)
    monkeypatch.setattr("glassbench.experiments.worlds.live.arm.LONGEST_PAUSE", 1e6)
    monkeypatch.setattr("glassbench.experiments.worlds.live.arm.MOST_PAUSED", 1e6)


def parts() -> list[int]:
    """Processes of live arms that belong to this test process, whatever has become of their parents."""
    processes = []
    for process in Path("/proc").iterdir():
        try:
            command = (process / "cmdline").read_bytes() if process.name.isdigit() else b""
            mine = os.environ["TMPDIR"].encode() in (process / "environ").read_bytes() if command else False
        except OSError:
            continue
        if b"glassbench.experiments.worlds.live.part" in command and mine:
            processes.append(int(process.name))
    return processes


def scenario(*arms: str, duration: str = "1s", **fields: Any) -> Scenario:
    network = {"rate": "8Mbit/s", "delay": "20ms"}
    video = {"source": "lognormal", "bitrate": "1Mbit/s"}
    return build(
        {"name": "live", "duration": duration, "arms": list(arms), "video": video, "network": network, **fields}
    )


def live(plan: Scenario, **options: Any) -> ArmResult:
    return run_arm_live(plan, plan.arms[0], None, **{"emulator": "relay", **options})


@pytest.mark.usefixtures("however_late")
@pytest.mark.parametrize(
    ("emulator", "arm"),
    [
        pytest.param("netns", "udp", marks=pytest.mark.long),
        ("netns", "srt"),
        ("netns", "webtransport-datagram"),
        ("relay", "rtp"),
    ],
    indirect=["emulator"],
)
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
    round_trips, goodbye = {"udp": (0, 0), "srt": (2, 1), "rtp": (0, 1), "webtransport-datagram": (2, 1)}[arm]
    assert result.summary["connect_round_trips"] >= round_trips  # more only on a machine that has no time
    assert result.summary["connect_ms"] >= 40 * round_trips
    if (packets := result.summary["close_packets"]) is not None:  # the ends closed while the link still carried that
        assert packets >= goodbye
        assert result.summary["close_ms"] >= 20 * goodbye  # what was said last is seen to arrive
    environment = result.stats["live"]
    assert environment["machine"]["processors"] >= 1 and 0 <= environment["machine"]["busy"] <= 1
    assert environment["emulator"]["lateness"]["down"]["packets"] == result.impairments["down"]["path"]["popped"]


@pytest.mark.usefixtures("however_late", "modules_of_the_user")
@pytest.mark.parametrize("emulator", ["netns"], indirect=True)
def test_no_part_runs_a_module_of_the_current_folder(emulator: Emulator) -> None:
    assert live(scenario("udp", duration="200ms"), emulator=emulator).outcome == "measured"


@pytest.mark.usefixtures("however_late")
def test_real_pictures_are_encoded_sent_decoded_and_carry_their_stamp() -> None:
    result = live(scenario("rtp", video={"source": "synthetic", "width": 320, "height": 180, "bitrate": "500kbit/s"}))
    assert result.outcome == "measured" and result.ledger is not None
    shown = result.ledger[result.ledger["fate"] == "displayed"]
    assert len(shown) > 10
    assert (shown["stamp_sequence"] == shown["sequence"]).all()
    assert (shown["encode_end_at"] > shown["encode_start_at"]).all()


@pytest.mark.usefixtures("however_late")
@pytest.mark.parametrize("arm", ["rtp:slices=4", "quic-adaptive:slices=4"])
def test_slices_leave_while_the_rest_of_the_picture_is_encoded(arm: str) -> None:
    result = live(scenario(arm, video={"source": "bikes", "bitrate": "2Mbit/s"}))
    assert (result.outcome, result.reason) == ("measured", None) and result.ledger is not None
    frames = result.ledger[(result.ledger["track"] == 0) & (result.ledger["fate"] == "displayed")]
    # A machine without time gives budgets of one packet, in which x264 may leave every block as it was before.
    whole = frames[frames["size_bytes"] > PACKET_BYTES]
    assert len(whole) > 0 and (whole["stamp_sequence"] == whole["sequence"]).all()
    assert (frames["stamp_sequence"] <= frames["sequence"]).fillna(True).all()
    assert (frames["queued_at"] >= frames["encode_start_at"]).all()
    assert (frames["queued_at"] < frames["encode_end_at"]).any()  # all of them, on a machine that has time
    spans = stages(frames)
    assert np.allclose(sum(spans[f"{name}_ms"] for name in STAGES), spans["g2g_ms"])


def test_a_run_whose_emulator_was_late_is_repeated_and_then_no_measurement(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("glassbench.experiments.worlds.live.arm.MOST_LATE_MS", -1.0)
    monkeypatch.setattr("glassbench.experiments.worlds.live.arm.ATTEMPTS", 2)
    result = live(scenario("udp", duration="200ms"))
    assert result.outcome == "failed"
    assert result.reason is not None and result.reason.startswith("the machine was busy: in 2 runs of this arm 99 %")
    assert result.stats["live"]["attempt"] == 2


def test_a_stop_keeps_what_was_measured() -> None:
    shares: list[float] = []
    result = live(scenario("udp", duration="10min"), watch=Watch(shares.append, lambda: shares[-1:] > [0.006]))
    assert result.outcome == "incomplete"
    assert result.ledger is not None and len(result.ledger) > 0
    assert shares[-1] < 0.5


def test_who_watches_hears_what_is_shown_while_the_arm_runs(however_late: None) -> None:
    told: list[ShownSlice] = []
    video = {"source": "bikes", "bitrate": "500kbit/s"}
    result = live(scenario("udp", duration="1600ms", video=video), watch=Watch(shown=told.append))
    assert result.ledger is not None
    frames = result.ledger[result.ledger["track"] == 0]
    assert len(told) >= 3
    assert [each.at for each in told] == sorted(each.at for each in told)
    for each in told:
        assert each.shown == (frames["displayed_at"] <= each.at).sum()
    delays = 1e3 * (frames["displayed_at"] - frames["captured_at"])[frames["displayed_at"] <= told[0].at]
    assert told[0].p95_ms is not None and delays.min() <= told[0].p95_ms <= delays.max() + 0.1


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one processor is all there is")
def test_the_networks_of_both_ends_leave_the_emulators_processor_alone_and_codecs_interrupt_nobody() -> None:
    shares: list[float] = []
    looks: list[list[list[tuple[int, set[int], int]]]] = []

    def look() -> bool:
        if over := shares[-1:] > [0.003]:
            looks.append([turns(pid) for pid in sorted(parts())])
        return over

    video = {"source": "synthetic", "codec": "hevc", "width": 160, "height": 90, "bitrate": "200kbit/s"}
    live(scenario("udp", duration="10min", video=video), watch=Watch(shares.append, look))
    everywhere = os.sched_getaffinity(0)
    emulator, *ends = looks[0]
    (_, reserved, _), *_ = emulator
    assert len(reserved) == 1
    for (policy, allowed, niceness), *others in ends:  # the network, and what waits for orders, and the codec's threads
        assert (policy, allowed) == (os.SCHED_OTHER, everywhere - reserved)
        assert niceness >= 10
        codecs = [turn for turn in others if turn[0] != os.SCHED_OTHER]
        assert codecs
        assert all(turn == (os.SCHED_BATCH, everywhere, niceness) for turn in codecs)
        assert len(others) - len(codecs) == 1
    assert max(len(end) for end in ends) > 3  # x265 has a thread of its own


def turns(pid: int) -> list[tuple[int, set[int], int]]:
    """Policy, processors and niceness of each thread; the first one has the network."""
    threads = sorted(int(task.name) for task in Path(f"/proc/{pid}/task").iterdir())
    return [
        (os.sched_getscheduler(thread), os.sched_getaffinity(thread), os.getpriority(os.PRIO_PROCESS, thread))
        for thread in threads
    ]


def test_unsupported_is_said_before_anything_is_started() -> None:
    plan = scenario("rtp:slices=2", video={"source": "lognormal", "codec": "av1", "bitrate": "1Mbit/s"})
    with pytest.raises(Unsupported, match="av1"):
        live(plan)


def test_what_does_not_go_together_is_refused_in_a_sentence(glass: Callable[..., Any]) -> None:
    code, out, err = glass("compare", "--live", "--workers", "3")
    assert (code, out) == (2, "")
    assert err.startswith("error: ") and "accepted is --live without --workers" in " ".join(err.split())


def test_a_part_that_does_not_end_is_named() -> None:
    nothing: Any = SimpleNamespace(stop=lambda: False, progress=lambda share: None)
    flow: Any = SimpleNamespace(flow=SimpleNamespace(name="media"), last=0.0, start_at=-1.0)
    late: Any = SimpleNamespace(now=lambda: processes.END_PATIENCE + 1.0)
    commands = {"sender": "pass", "receiver": "pass", "emulator": "import time; time.sleep(60)"}
    started = {
        name: subprocess.Popen(
            [sys.executable, "-S", "-c", command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
        )
        for name, command in commands.items()
    }
    try:
        for name in ("sender", "receiver"):
            started[name].wait()
        with pytest.raises(processes.PartError, match="the emulator of the arm did not end within 20 s of its time"):
            processes.await_end(started, late, [flow], nothing, {})
    finally:
        started["emulator"].kill()
        for part in started.values():
            with part:
                pass
