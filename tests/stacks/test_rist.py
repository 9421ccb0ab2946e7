"""librist as an arm: what it repairs, what its statistics say, and its options."""

import pytest

from glassbench.experiments.scenario import ScenarioError, build
from glassbench.experiments.worlds.live.arm import run_arm
from glassbench.experiments.worlds.live.wiring import check_emulator
from glassbench.transport.contract import Unsupported

LOSSY = {
    "down": [{"element": "random-loss", "probability": "5 %"}, {"element": "delay", "delay": "10ms"}],
    "up": [{"element": "delay", "delay": "10ms"}],
}


def scenario(arm: str) -> dict[str, object]:
    return {
        "name": "rist",
        "seed": 20,
        "duration": "2s",
        "network": LOSSY,
        "video": {"source": "lognormal", "fps": 30, "bitrate": "2Mbit/s"},
        "arms": [arm],
    }


@pytest.mark.quiet
@pytest.mark.long
def test_losses_are_repaired_within_the_buffer_and_a_keyframe_is_asked_for_without_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("MOST_LATE_MS", "LONGEST_PAUSE", "MOST_PAUSED"):
        monkeypatch.setattr(f"glassbench.experiments.worlds.live.arm.{name}", 1e6)
    wide, narrow = build(scenario("rist:latency_ms=300")), build(scenario("rist:latency_ms=20"))
    try:
        check_emulator("netns", wide)
        results = [run_arm(plan, plan.arms[0], None) for plan in (wide, narrow)]
    except (Unsupported, OSError) as error:
        pytest.skip(str(error))
    repaired, lost = results
    assert repaired.outcome == lost.outcome == "measured", (repaired.reason, lost.reason)
    assert repaired.ledger is not None
    assert (repaired.ledger["fate"] == "displayed").mean() > 0.95, "5 % of loss, fifteen round trips of buffer"
    assert repaired.stats["sender"]["retransmitted"] > 5
    assert repaired.stats["receiver"]["recovered_total"] > 5
    assert repaired.stats["peer"]["receiver"]["settings"]["recovery_length_min"] == 300
    assert lost.stats["receiver"]["lost"] > 0
    assert lost.stats["sender"]["keyframe_requests"] > 0, "out of band, by the main profile"


def test_a_buffer_that_librist_cannot_keep_is_refused_in_one_sentence() -> None:
    with pytest.raises(ScenarioError, match="latency_ms must be 20 to 30000, got 5; librist shows nothing with less"):
        build(scenario("rist:latency_ms=5"))
