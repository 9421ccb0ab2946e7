"""When an arm is over: as soon as every frame has its fate. It takes both ends to say that.

The sender knows which frames it numbered and which of them it gave up, the receiver what became of the others. In
virtual time both are at hand; otherwise the sender's `Claim` travels to the receiver.
"""

import json
from collections.abc import Mapping, Set
from dataclasses import dataclass

from glassbench.receiver.record import ReceivedRecord
from glassbench.sender.end import SenderEnd


@dataclass(frozen=True)
class Claim:
    """What a sender says for good: how many frames of each track it numbered, and which it gave up."""

    frames: Mapping[int, int]
    given_up: Mapping[int, Set[int]]

    @classmethod
    def of(cls, sender: SenderEnd, *, now: float) -> "Claim | None":
        """The claim of a sender; None while it has something to capture, to encode, or to hand over once the connection
        stands."""
        waits = any(record.sequence < 0 and record.given_up is None for record in sender.captured)
        if waits or not sender.finished(now=now):
            return None
        frames: dict[int, int] = {}
        given_up: dict[int, set[int]] = {}
        for record in sender.captured:
            if record.sequence >= 0:
                frames[record.track] = max(frames.get(record.track, 0), record.sequence + 1)
                if record.given_up is not None:
                    given_up.setdefault(record.track, set()).add(record.sequence)
        return cls(frames, given_up)

    @classmethod
    def parse(cls, line: str) -> "Claim":
        """The claim in a line of a process of our own."""
        frames, given_up = json.loads(line)
        return cls(
            {int(track): count for track, count in frames.items()}, {int(t): set(s) for t, s in given_up.items()}
        )

    def line(self) -> str:
        """The claim as JSON, without a line end."""
        return json.dumps([dict(self.frames), {track: sorted(sequences) for track, sequences in self.given_up.items()}])

    def decided_by(self, received: Mapping[tuple[int, int], ReceivedRecord]) -> bool:
        """Whether nothing can happen any more to any frame, given what the receiver knows by (track, sequence)."""
        for track, count in self.frames.items():
            given_up = self.given_up.get(track, frozenset())
            for sequence in range(count):
                if sequence in given_up:
                    continue
                record = received.get((track, sequence))
                if record is None or record.outcome is None:
                    return False
        return True
