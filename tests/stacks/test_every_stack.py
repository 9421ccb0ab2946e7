"""Every stack of others that is here, as an arm: what it shows is accounted for, and nothing of it is left."""

import os
from pathlib import Path
from typing import Any

import pytest

from glassbench.experiments.account.arm_result import ArmResult
from glassbench.experiments.account.ledger import stages
from glassbench.experiments.scenario import Scenario, build
from glassbench.experiments.scenario.peers import PEERS
from glassbench.experiments.worlds.live.arm import run_arm
from glassbench.experiments.worlds.live.emulators import Emulator
from glassbench.experiments.worlds.live.wiring import check_emulator
from glassbench.receiver.quality import QualityMemo
from glassbench.transport.contract import Unsupported

EXAMPLE = Path(__file__).parents[2] / "docs" / "peers" / "udp.pl"
ARMS = {
    **{name: name for name in PEERS.own if name not in ("endpoint", "external")},
    "libsrt, blocking": "libsrt:reader=block",
    "aiortc, as it is": "aiortc:release=stock",
    "libwebrtc, as it is": "libwebrtc:codec=vp9,playout=stock",
    "moq, datagrams": "moq:delivery=datagrams",
    "ll-dash, chunks of four": "ll-dash:chunk_frames=4",
    "gstreamer, on time": "gstreamer:sync=true,latency_ms=100",
    "gstreamer, webrtcbin": "gstreamer:element=webrtcbin",
    "gstreamer, webrtcbin as it is": "gstreamer:element=webrtcbin,tuned=false",
    "gstreamer, webrtcbin with VP8": "gstreamer:element=webrtcbin,codec=vp8",
    "browser-webrtc, as it is": "browser-webrtc:codec=vp9,playout=stock",
    "browser-webtransport, a stream per frame": "browser-webtransport:mapping=stream-per-frame",
    "turn, TCP": "turn:access=tcp",
    "sfu, RTP to two viewers": "sfu:mode=rtp,viewers=2",
    "sfu, three viewers": "sfu:viewers=3",
    "ffmpeg, MPEG-TS": "ffmpeg:carrier=mpegts",
    "ffmpeg, SRT": "ffmpeg:carrier=srt",
    "mpegts-udp, as it is": "mpegts-udp:tuned=false",
    "rist, as it is": "rist:tuned=false",
    "endpoint": "endpoint:send=rtp://127.0.0.1:45004,receive=rtp://127.0.0.1:45004",
    "external": f"external:send={EXAMPLE},receive={EXAMPLE}",
}
"""Arms by the name of the test; each stack has one, and those with a second way to run it another one, after a
comma."""
TELL_INSTANTS = ("browser-webtransport",)
"""Those that tell when each frame came, and not what it looked like."""
ATTEMPTS = 3
ENOUGH = 0.8  # of the frames


@pytest.fixture(autouse=True)
def however_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests share their machine with others."""
    for name in ("MOST_LATE_MS", "LONGEST_PAUSE", "MOST_PAUSED"):
        monkeypatch.setattr(f"glassbench.experiments.worlds.live.arm.{name}", 1e6)


def scenario(arm: str, **more: Any) -> Scenario:
    content: dict[str, Any] = {
        "name": "stack",
        "seed": 20,
        "duration": "2s",
        "network": {"down": [{"element": "delay", "delay": "10ms"}], "up": [{"element": "delay", "delay": "10ms"}]},
        "video": {"source": "synthetic", "width": 320, "height": 180, "fps": 30, "bitrate": "2Mbit/s"},
        "arms": [arm],
    }
    return build({**content, **more})


def measured(arm: str, **more: Any) -> ArmResult:
    """The result of an arm; the test is skipped, with the reason, where the stack is not here."""
    plan = scenario(arm, **more)
    emulator: Emulator = "host" if PEERS[plan.arms[0].transport].elsewhere else "netns"
    try:
        check_emulator(emulator, plan)
        return run_arm(plan, plan.arms[0], QualityMemo(), emulator=emulator)
    except (Unsupported, OSError) as error:
        pytest.skip(str(error))


def best_of(attempts: int, arm: str) -> ArmResult:
    """The result of the first attempt that showed enough, or of the last one: on a busy machine frames are left out."""
    for _ in range(attempts):
        result = measured(arm)
        if result.ledger is not None and (result.ledger["fate"] == "displayed").mean() > ENOUGH:
            break
    return result


@pytest.mark.quiet  # stacks encode and decode in real time, and on a busy machine they leave out frames
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.lengthy] if "," in name else []) for name in ARMS]
)
def test_a_stack_shows_the_frames_of_a_clean_path_and_its_account_adds_up(name: str) -> None:
    result = best_of(ATTEMPTS, ARMS[name])
    assert result.outcome == "measured", (result.reason, result.stats["peer"])
    frames = result.ledger
    assert frames is not None
    shown = frames[frames["fate"] == "displayed"]
    assert len(shown) > ENOUGH * len(frames), frames["fate"].value_counts()
    delays = stages(shown)["g2g_ms"]
    assert (delays > (0.0 if PEERS[ARMS[name].partition(":")[0]].elsewhere else 10.0)).all()  # the propagation
    if ARMS[name].partition(":")[0] in TELL_INSTANTS:
        assert shown[["first_arrival_at", "complete_at", "released_at", "decoded_at"]].notna().all(axis=None)
        assert (shown["stamp_sequence"] == shown["sequence"]).mean() >= 0.99
    else:
        assert shown["own_ssim"].median() > 0.7  # a stack with rate control of its own begins low
        assert set(frames["fate"]) <= {"displayed", "missing", "dropped"}  # a black box does not say why
    for end in ("sender", "receiver"):
        told = result.stats["peer"][end]
        assert told["version"]
        assert told["settings"], f"the {end} says nothing of its settings"


def test_every_stack_has_an_arm_here() -> None:
    assert {arm.partition(":")[0] for arm in ARMS.values()} >= set(PEERS.own)


def test_a_stack_is_unsupported_in_virtual_time_and_says_so() -> None:
    from glassbench.experiments.worlds.ends import Ends, Place

    plan = scenario("libsrt")
    ends = Ends(plan.media(plan.arms[0]))
    place = Place(("127.0.0.1", 9), ("127.0.0.1", 9))
    with pytest.raises(Unsupported, match="real time only: --live"):
        ends.transport("sender", ends.config("sender", place))


@pytest.mark.parametrize(
    ("send", "receive", "reason"),
    [
        ("sh -c 'exit 3'", EXAMPLE, "the sender of external failed: sh ended with code 3"),
        (
            EXAMPLE,
            "sh -c 'echo no camera >&2; exit 4'",
            "the receiver of external failed: sh ended with code 4: no cam",
        ),
        (EXAMPLE, "yes", "the receiver of external failed: yes wrote an item of"),
        ("sleep 100", EXAMPLE, "the sender of external failed: it did not connect"),
    ],
)
def test_a_program_that_crashes_hangs_or_prints_garbage_ends_as_a_failed_arm(
    send: object, receive: object, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    arm = {"transport": "external", "send": str(send), "receive": str(receive)}
    result = measured(arm)  # type: ignore[arg-type]
    assert result.outcome == "failed"
    assert result.reason is not None and result.reason.startswith(reason)
    assert not children()


@pytest.mark.parametrize("role", ["send", "receive"])
def test_a_program_that_misses_something_says_so_by_its_exit_code(role: str) -> None:
    programs = {"send": str(EXAMPLE), "receive": str(EXAMPLE), role: "sh -c 'echo no camera driver >&2; exit 127'"}
    plan = scenario({"transport": "external", **programs})  # type: ignore[arg-type]
    try:
        check_emulator("netns", plan)
    except OSError as error:
        pytest.skip(str(error))
    with pytest.raises(Unsupported, match="no camera driver"):
        run_arm(plan, plan.arms[0], QualityMemo())
    assert not children()


def children() -> list[str]:
    """Processes of the enclosures of this test that are still there."""
    left = []
    for process in Path("/proc").iterdir():
        try:
            parent = int((process / "stat").read_text().rpartition(")")[2].split()[1])
            if process.name.isdigit() and parent == os.getpid():
                left.append((process / "cmdline").read_text())
        except (OSError, ValueError):
            continue
    return [line for line in left if "glassbench" in line and "resource_tracker" not in line]
