"""Video of every codec over `rtp`, end to end in virtual time."""

import pytest

from glassbench.experiments.account.arm_result import ArmResult
from glassbench.experiments.scenario import build
from glassbench.experiments.worlds.reuse import Reuse
from glassbench.experiments.worlds.virtual import run_arm
from glassbench.receiver.quality import QualityMemo
from glassbench.sender.encode_cache import EncodeCache
from glassbench.transport.codecs import CODECS


def run(arm: str, codec: str, source: str = "bikes") -> ArmResult:
    video = {"source": source, "width": 320, "height": 136, "bitrate": "1Mbit/s", "deadline": "1s", "codec": codec}
    network = {"rate": "4Mbit/s", "delay": "20ms", "queue": "100kB", "loss": "3%"}
    scenario = build({"name": "codecs", "seed": 3, "duration": "1s", "arms": [arm], "video": video, "network": network})
    return run_arm(scenario, scenario.arms[0], Reuse(EncodeCache(None), QualityMemo()), quality=False)


@pytest.mark.parametrize("codec", CODECS)
def test_over_a_lossy_path_every_picture_is_repaired_and_shown_with_its_stamp(codec: str) -> None:
    result = run("rtp", codec)
    assert (result.ledger["fate"] == "displayed").all()
    assert result.stats["sender"]["retransmissions"] > 0
    assert result.stats["receiver"]["malformed"] == 0


@pytest.mark.parametrize("codec", CODECS)
def test_frames_of_the_size_model_are_carried_too(codec: str) -> None:
    assert (run("rtp", codec, "lognormal").ledger["fate"] == "displayed").all()


@pytest.mark.parametrize("codec", ["vp8", "av1"])
def test_under_congestion_control_the_encoder_of_another_codec_follows(codec: str) -> None:
    result = run("rtp:control=gcc", codec)
    assert (result.ledger["fate"] == "displayed").mean() > 0.7
    assert result.stats["receiver"]["malformed"] == 0
