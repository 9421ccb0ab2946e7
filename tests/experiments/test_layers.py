"""Temporal layers end to end in virtual time."""

from typing import Any

import pandas as pd
import pytest

from glassbench.experiments.scenario import build
from glassbench.experiments.worlds.reuse import Reuse
from glassbench.experiments.worlds.virtual import run_arm
from glassbench.receiver.quality import QualityMemo
from glassbench.sender.encode_cache import EncodeCache

CARRIERS = (
    *("udp", "rtp", "srt", "quic-stream", "quic-stream-per-gop", "quic-stream-per-frame", "quic-datagram"),
    *("quic-adaptive", "webtransport-datagram", "webtransport-stream-per-frame"),
    "quic-stream:stack=stock,control=cubic",
)


def run(arm: str, *, layers: int, rate: str = "6Mbit/s", loss: str = "0%", duration: str = "2s", **video: Any) -> Any:
    media = {"source": "lognormal", "codec": "vp9", "bitrate": "2Mbit/s", "deadline": "500ms", **video}
    scenario = build(
        {
            "name": "layers",
            "seed": 3,
            "duration": duration,
            "arms": [arm],
            "video": {**media, "temporal_layers": layers},
            "network": {"rate": rate, "delay": "20ms", "queue": "100kB", "loss": loss},
        }
    )
    return run_arm(scenario, scenario.arms[0], Reuse(EncodeCache(None), QualityMemo()), quality=False)


def shown(ledger: pd.DataFrame) -> pd.DataFrame:
    return ledger[ledger["fate"] == "displayed"]


def longest_gap(ledger: pd.DataFrame) -> float:
    """The longest time for which the picture stood still, in seconds."""
    return float(shown(ledger)["displayed_at"].diff().max())


@pytest.mark.sampled(3)
@pytest.mark.parametrize("arm", CARRIERS)
def test_with_room_for_all_of_it_every_frame_of_every_layer_is_shown(arm: str) -> None:
    ledger = run(arm, layers=3).ledger
    assert (ledger["fate"] == "displayed").all()
    assert ledger["layer"].tolist() == [0, 2, 1, 2] * 15


@pytest.mark.sampled(2)
@pytest.mark.parametrize("arm", ["quic-datagram", "quic-stream-per-frame", "quic-stream", "webtransport-datagram"])
def test_over_half_the_rate_layers_show_more_frames_with_shorter_gaps_and_without_new_keyframes(arm: str) -> None:
    flat, layered = (run(arm, layers=layers, rate="1Mbit/s", duration="4s").ledger for layers in (1, 3))
    assert len(shown(layered)) > len(shown(flat))
    assert longest_gap(layered) < 0.7 * longest_gap(flat)
    assert layered["keyframe"].sum() == 1 < flat["keyframe"].sum()
    by_layer = shown(layered)["layer"].value_counts()
    assert by_layer[0] == (layered["layer"] == 0).sum()
    assert by_layer[1] / (layered["layer"] == 1).sum() > by_layer.get(2, 0) / (layered["layer"] == 2).sum()


@pytest.mark.long
def test_of_real_pictures_over_half_the_rate_layers_show_half_as_many_again() -> None:
    media = {"source": "bikes", "width": 320, "height": 136, "bitrate": "500kbit/s", "deadline": "300ms"}
    flat, layered = (
        run("quic-datagram", layers=layers, rate="260kbit/s", duration="4s", **media).ledger for layers in (1, 3)
    )
    assert len(shown(layered)) > 1.5 * len(shown(flat))
    assert longest_gap(layered) < 0.7 * longest_gap(flat)


@pytest.mark.sampled(3)
@pytest.mark.parametrize("arm", [*CARRIERS, "rtp:control=scream,encoder=fixed"])
def test_under_loss_frames_have_one_fate_and_what_is_shown_had_its_references(arm: str) -> None:
    result = run(arm, layers=3, loss="4%")
    fates = result.ledger["fate"].value_counts()
    assert result.outcome == "measured"
    assert fates["displayed"] > 0.4 * len(result.ledger)
    decoded = set(result.ledger.loc[result.ledger["decoded_at"].notna(), "sequence"])
    for frame in result.ledger[result.ledger["decoded_at"].notna()].itertuples():
        assert frame.keyframe or frame.sequence - (4 >> frame.layer) in decoded


@pytest.mark.parametrize("arm", ["quic-datagram", "quic-stream-per-frame"])
def test_the_same_seed_gives_the_same_ledger(arm: str) -> None:
    one, other = (run(arm, layers=3, rate="1200kbit/s", loss="2%").ledger for _ in range(2))
    pd.testing.assert_frame_equal(one, other, check_exact=True)
