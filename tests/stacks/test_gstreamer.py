"""GStreamer as an arm: what it repairs, what its statistics say, and how it lays out pictures."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glassbench.experiments.account.arm_result import ArmResult
from glassbench.experiments.scenario import build
from glassbench.experiments.worlds.live.arm import run_arm
from glassbench.experiments.worlds.live.wiring import check_emulator
from glassbench.experiments.worlds.peers.gst_pipeline import with_padding, without_padding
from glassbench.experiments.worlds.peers.peer import PeerContext, PeerVideo
from glassbench.transport.contract import Unsupported

LOSSY = {
    "down": [{"element": "random-loss", "probability": "5 %"}, {"element": "delay", "delay": "10ms"}],
    "up": [{"element": "delay", "delay": "10ms"}],
}


def context(width: int, height: int) -> PeerContext:
    video = PeerVideo(width, height, Fraction(30), "h264", 1_000_000, None)
    nowhere: Any = None
    return PeerContext("sender", ("a", 1), ("b", 2), {}, video, 1, 1.0, Path(), nowhere)


@pytest.mark.quiet  # it encodes and decodes in real time
@pytest.mark.parametrize(
    ("arm", "sender", "receiver", "buffer"),
    [
        ("gstreamer", "repeater", "receiver", "buffer"),
        pytest.param(
            *("gstreamer:element=webrtcbin", "rtprtxsend0", "rtprtxreceive0", "rtpjitterbuffer0"),
            marks=pytest.mark.long,
        ),
    ],
)
def test_losses_are_sent_again_and_both_ends_count_them(
    arm: str, sender: str, receiver: str, buffer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = measured(arm, "2Mbit/s", LOSSY, monkeypatch)
    assert share_shown(result) > 0.95, "5 % of loss, ten round trips to wait"
    sent, received = result.stats["sender"], result.stats["receiver"]
    assert sent[f"{sender}_num_rtx_packets"] > 5 and received[f"{receiver}_num_rtx_packets"] > 5
    assert received[f"{buffer}_num_pushed"] > 300
    settings = result.stats["peer"]["receiver"]["settings"][buffer]
    assert settings["latency"] == "200" and settings["do-retransmission"] == "true"


@pytest.mark.quiet
@pytest.mark.long
def test_what_was_lost_a_long_round_trip_ago_is_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    way = [{"element": "delay", "delay": "200ms"}]
    network = {"down": [LOSSY["down"][0], *way], "up": way}
    result = measured("gstreamer:latency_ms=3000", "4Mbit/s", network, monkeypatch, deadline="4s")
    assert share_shown(result) > 0.9, "in a round trip of 400 ms more than 100 packets leave"


def measured(
    arm: str, bitrate: str, network: dict[str, Any], monkeypatch: pytest.MonkeyPatch, **video: str
) -> ArmResult:
    """Four seconds of an arm, however busy this machine is: what its last packets lose is little of that."""
    for name in ("MOST_LATE_MS", "LONGEST_PAUSE", "MOST_PAUSED"):
        monkeypatch.setattr(f"glassbench.experiments.worlds.live.arm.{name}", 1e6)
    plan = build(
        {
            "name": "gstreamer",
            "seed": 20,
            "duration": "4s",
            "network": network,
            "video": {"source": "synthetic", "width": 320, "height": 180, "fps": 30, "bitrate": bitrate, **video},
            "arms": [arm],
        }
    )
    try:
        check_emulator("netns", plan)
        result = run_arm(plan, plan.arms[0], None)
    except (Unsupported, OSError) as error:
        pytest.skip(str(error))
    assert result.outcome == "measured", result.reason
    return result


def share_shown(result: ArmResult) -> float:
    """Of what the encoder took."""
    assert result.ledger is not None
    taken = result.ledger[result.ledger["fate"] != "dropped"]
    return float((taken["fate"] == "displayed").mean())


@given(width=st.integers(1, 40).map(lambda half: 2 * half), height=st.integers(1, 9).map(lambda half: 2 * half))
def test_lines_begin_at_multiples_of_four_bytes_for_gstreamer_and_for_nobody_else(width: int, height: int) -> None:
    picture = bytes(each % 251 for each in range(width * height * 3 // 2))
    padded = with_padding(picture, context(width, height))
    chroma = -(-width // 2 // 4) * 4
    assert len(padded) == height * (-(-width // 4) * 4 + chroma)
    assert without_padding(padded, context(width, height)) == picture
    assert without_padding(padded[1:], context(width, height)) == padded[1:]
