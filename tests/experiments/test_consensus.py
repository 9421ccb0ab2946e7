"""An arm is over when every frame has its fate: the sender says what it gave up, and the receiver what became of the
rest."""

from typing import Any

import pytest

from glassbench.experiments.worlds.consensus import Claim
from glassbench.receiver.record import ReceivedRecord
from glassbench.sender.record import SentRecord


class Sender:
    def __init__(self, captured: list[SentRecord], *, finished: bool = True) -> None:
        self.captured = captured
        self._finished = finished

    def finished(self, *, now: float) -> bool:
        return self._finished


def sent(sequence: int, given_up: str | None = None, track: int = 0) -> SentRecord:
    return SentRecord(track, sequence, 1002.0 + sequence, given_up=given_up)


def received(sequence: int, outcome: str | None = "displayed", track: int = 0) -> dict[Any, ReceivedRecord]:
    return {(track, sequence): ReceivedRecord(track, sequence, outcome=outcome)}


def claim_of(*records: SentRecord) -> Claim:
    claim = Claim.of(Sender([*records]), now=1010.0)  # type: ignore[arg-type]
    assert claim is not None
    return claim


def test_a_sender_that_has_something_to_send_claims_nothing() -> None:
    assert Claim.of(Sender([sent(0)], finished=False), now=1010.0) is None  # type: ignore[arg-type]
    assert Claim.of(Sender([sent(0), sent(-1)]), now=1010.0) is None  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("records", "heard", "decided"),
    [
        ([sent(0), sent(1)], received(0) | received(1, "late"), True),
        ([sent(0), sent(1)], received(0), False),  # nothing of the second was heard
        ([sent(0), sent(1)], received(0) | received(1, None), False),  # it is on its way
        ([sent(0), sent(1, "expired")], received(0), True),
        ([sent(0, "dropped"), sent(-1, "dropped")], {}, True),  # one that was never encoded has no number
        ([sent(0), sent(0, track=1)], received(0), False),
        ([sent(0), sent(0, track=1)], received(0) | received(0, track=1), True),
        ([], {}, True),
    ],
)
def test_an_arm_is_over_when_every_frame_that_was_not_given_up_is_decided(
    records: list[SentRecord], heard: dict[Any, ReceivedRecord], decided: bool
) -> None:
    assert claim_of(*records).decided_by(heard) == decided
    assert Claim.parse(claim_of(*records).line()).decided_by(heard) == decided
