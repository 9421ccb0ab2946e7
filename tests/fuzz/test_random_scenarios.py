"""Random scenarios hold what all must hold; `benchmarks/random_scenarios.py` judges ten thousand of them."""

import pytest
from random_scenarios import draw, judge

from glassbench.transport.rtp.budget import RetransmissionBudget
from glassbench.transport.srt.bandwidth import Bandwidth

SEED = 7
LOSSY = {
    "name": "lossy",
    "duration": "2s",
    "video": {"source": "lognormal", "bitrate": "4Mbit/s", "deadline": "1s"},
    "network": {"rate": "1Mbit/s", "queue": {"bytes": "20kB"}, "delay": "10ms"},
}


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    "index", [*range(15), *(pytest.param(index, marks=pytest.mark.long) for index in range(15, 60))]
)
def test_a_random_scenario_adds_up_and_explains_itself(index: int) -> None:
    findings = judge(draw(SEED, index))
    assert not findings, f"python benchmarks/random_scenarios.py --seed {SEED} --only {index}"


def test_a_datagram_of_an_expired_frame_does_not_leave_unseen_when_the_path_lets_larger_packets_pass_again() -> None:
    assert not judge(draw(0, 8254))


def test_a_drawn_scenario_is_the_same_again() -> None:
    assert draw(SEED, 3) == draw(SEED, 3) != draw(SEED, 4)


def test_repair_over_its_budget_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    arms = [{"transport": "rtp", "rtx_share": 0.2}], [{"transport": "srt", "maxbw": 150_000}]
    for content in ({**LOSSY, "arms": arm} for arm in arms):
        assert not judge(content)
    monkeypatch.setattr(RetransmissionBudget, "takes", lambda *_, **__: True)
    monkeypatch.setattr(Bandwidth, "interval", lambda *_: 0.0)
    rtp, srt = (judge({**LOSSY, "arms": arm}) for arm in arms)
    assert any("are sent again" in finding for finding in rtp)
    assert any("at most" in finding for finding in srt)
