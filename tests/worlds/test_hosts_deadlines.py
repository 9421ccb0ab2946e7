"""Between hosts the deadline is judged on the clock that both ends have in the end."""

import pytest

from glassbench.experiments.scenario import build
from glassbench.experiments.worlds.hosts.sending import _decide_again
from glassbench.receiver.record import ReceivedRecord
from glassbench.sender.record import SentRecord


@pytest.mark.parametrize(
    ("there", "decoded_after", "here"),
    [("displayed", 0.101, "late"), ("late", 0.099, "displayed"), ("displayed", 0.099, "displayed")],
)
def test_a_frame_is_late_or_not_by_the_aligned_clock(there: str, decoded_after: float, here: str) -> None:
    video = {"source": "lognormal", "deadline": "100ms"}
    scenario = build({"name": "x", "duration": "1s", "arms": ["udp"], "video": video, "network": {}})
    record = ReceivedRecord(0, 0, decoded_at=1002.0 + decoded_after, outcome=there)
    undecodable = ReceivedRecord(0, 1, complete_at=1003.0, outcome="undecodable")
    flow = scenario.media(scenario.arms[0])
    _decide_again(flow, [SentRecord(0, 0, 1002.0), SentRecord(0, 1, 1002.04)], [record, undecodable])
    assert record.outcome == here
    assert (record.displayed_at is None) == (here == "late")
    assert undecodable.outcome == "undecodable"
