"""When an arm is over: as soon as every frame has its fate, which takes both ends to say.

The sender knows which frames it numbered and which of them it gave up, the receiver what became of the others. In
virtual time both are at hand; else the sender's `Claim` travels to the receiver.
"""

import json
from collections.abc import Mapping, Set
from dataclasses import dataclass

from glassbench.receiver.record import ReceivedRecord
from glassbench.sender.end import SenderEnd


@dataclass(frozen=True)
class Claim:
    """What a sender will say no more about: by track how many frames it numbered, and those that it gave up."""

    frames: Mapping[int, int]
    given_up: Mapping[int, Set[int]]

    @classmethod
    def of(cls, sender: SenderEnd, *, now: float) -> "Claim | None":
        """None while there is something to capture, to encode, or to hand over once the connection stands."""
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
        """Of the line of a process of our own."""
        frames, given_up = json.loads(line)
        return cls(
            {int(track): count for track, count in frames.items()}, {int(t): set(s) for t, s in given_up.items()}
        )

    def line(self) -> str:
        """As JSON, without a line end."""
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
