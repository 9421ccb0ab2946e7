"""The sender's half of the ledger: what happened to each captured frame before it was on its way."""

from dataclasses import dataclass


@dataclass(slots=True)
class SentRecord:
    """One captured frame or message. Instants in seconds of the driver's clock; None where it did not happen.

    `given_up` is "dropped" (no room: encoder or send queue) or "expired" (it could not meet its deadline any more),
    else None. A capture that never got to the encoder has `sequence` -1: sequences count encoded frames, without gaps.
    """

    track: int
    sequence: int
    captured_at: float
    group: int = 0
    keyframe: bool = False
    layer: int = 0
    size_bytes: int = 0
    encode_start_at: float | None = None
    encode_end_at: float | None = None
    queued_at: float | None = None
    first_sent_at: float | None = None
    last_sent_at: float | None = None
    given_up: str | None = None
