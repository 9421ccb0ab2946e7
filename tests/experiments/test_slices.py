"""Slices that leave while the rest of the picture is encoded, end to end in virtual time."""

from typing import Any

import numpy as np
import pytest

from glassbench.experiments.account.ledger import STAGES, stages
from glassbench.experiments.scenario import ScenarioError, build
from glassbench.experiments.worlds.live.arm import run_arm as run_live
from glassbench.experiments.worlds.reuse import Reuse
from glassbench.experiments.worlds.virtual import run_arm
from glassbench.receiver.quality import QualityMemo
from glassbench.sender import x264_library
from glassbench.sender.encode_cache import EncodeCache
from glassbench.transport.contract import Unsupported

CARRIERS = (
    *("udp", "rtp", "rtp:control=gcc", "srt", "quic-stream", "quic-stream-per-gop", "quic-stream-per-frame"),
    *("quic-adaptive", "webtransport-datagram", "quic-stream:stack=stock,control=cubic"),
)
COST = 0.012


def run(arm: str, *, slices: int, loss: str = "0%", source: str = "lognormal", **video: Any) -> Any:
    asked = arm + (f"{',' if ':' in arm else ':'}slices={slices}" if slices > 1 else "")
    scenario = build(
        {
            "name": "slices",
            "seed": 3,
            "duration": "1200ms",
            "arms": [asked],
            "video": {"source": source, "bitrate": "2Mbit/s", "encode_cost": f"fixed:{COST * 1e3:g}ms", **video},
            "network": {"rate": "6Mbit/s", "delay": "20ms", "queue": "100kB", "loss": loss},
        }
    )
    return run_arm(scenario, scenario.arms[0], Reuse(EncodeCache(None), QualityMemo()), quality=False)


@pytest.mark.sampled(3)
@pytest.mark.parametrize("arm", CARRIERS)
def test_frames_in_slices_are_sooner_by_what_is_encoded_while_others_leave(arm: str) -> None:
    whole, sliced = run(arm, slices=1).ledger, run(arm, slices=3).ledger
    assert (sliced["fate"] == "displayed").all()
    begun = sliced["encode_start_at"]
    assert np.allclose(sliced["encode_end_at"] - begun, COST) and np.allclose(sliced["queued_at"] - begun, COST / 3)
    earlier = (whole["complete_at"] - whole["captured_at"]) - (sliced["complete_at"] - sliced["captured_at"])
    assert 0.8 * COST * 2 / 3 - 0.003 < earlier.median() <= COST  # a pacer shifts some
    spans = stages(sliced)
    total = sum(spans[f"{name}_ms"] for name in STAGES)
    assert np.allclose(total, spans["g2g_ms"])


@pytest.mark.sampled(3)
@pytest.mark.parametrize("arm", CARRIERS)
def test_frames_in_slices_are_repaired_or_lost_as_a_whole(arm: str) -> None:
    result = run(arm, slices=3, loss="3%", deadline="400ms")
    fates = result.ledger["fate"].value_counts()
    assert result.outcome == "measured" and fates["displayed"] > 0.5 * len(result.ledger)
    shown = result.ledger[result.ledger["fate"] == "displayed"]
    assert shown["complete_at"].notna().all() and (shown["last_sent_at"] >= shown["first_sent_at"]).all()


def test_slices_of_a_picture_that_fits_into_a_packet_leave_together_in_one() -> None:
    ledger = run("quic-datagram", slices=4, bitrate="150kbit/s").ledger
    waits = ledger["queued_at"] - ledger["encode_start_at"]
    small = ledger["size_bytes"] <= 1000
    assert small.sum() > 10 and (~small).any()
    assert np.allclose(waits[small], COST) and np.allclose(waits[~small], COST / 4)
    assert (ledger["first_arrival_at"] == ledger["complete_at"])[small].all()


def test_small_pictures_are_whole_over_rtp_too() -> None:
    ledger = run("rtp", slices=4, bitrate="150kbit/s").ledger
    assert (ledger["size_bytes"] <= 1000).sum() > 10 and (ledger["fate"] == "displayed").all()


def test_real_pictures_in_slices_are_decoded() -> None:
    ledger = run("quic-datagram", slices=4, source="bikes").ledger
    assert (ledger["fate"] == "displayed").all()
    assert (ledger["first_sent_at"] < ledger["encode_end_at"]).all()


def test_a_receiver_can_ask_for_a_keyframe_and_gets_one() -> None:
    ledger = run("udp", slices=3, loss="5%", source="bikes").ledger
    assert ledger["keyframe"].sum() > 1 and (ledger["fate"] == "displayed").sum() > 10


@pytest.mark.parametrize(
    ("arm", "sentence"),
    [
        ("udp:slices=9", "option 'slices' must be 1 to 8, got 9"),
        ("udp:slices=true", "option 'slices' must be 1 to 8, got True"),
    ],
)
def test_what_cannot_be_sliced_is_refused_in_one_sentence(arm: str, sentence: str) -> None:
    with pytest.raises(ScenarioError, match=sentence):
        build({"name": "x", "duration": "1s", "arms": [arm], "video": {"source": "bikes"}, "network": {}})


def test_in_real_time_slices_are_unsupported_with_the_reason_where_x264_cannot_be_called(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(x264_library, "_load", lambda: "it is not there")
    case = build({"name": "x", "duration": "1s", "arms": ["udp:slices=2"], "video": {"source": "bikes"}, "network": {}})
    with pytest.raises(Unsupported, match="libx264 itself, and it is not there; what helps is pip install"):
        run_live(case, case.arms[0], None)


def test_a_picture_has_no_more_slices_than_rows_of_macroblocks() -> None:
    with pytest.raises(Unsupported, match="with 6 rows of macroblocks cannot have 8 slices"):
        run("udp", slices=8, source="bikes", width=160, height=96)


def test_a_codec_without_slices_is_unsupported_with_the_reason() -> None:
    with pytest.raises(Unsupported, match="accepted are h264"):
        run("udp", slices=2, source="bikes", codec="vp8")
