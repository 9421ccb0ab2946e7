"""The sender's half of the ledger: what happened to each captured frame before it was on its way."""

from dataclasses import dataclass


@dataclass(slots=True)
class SentRecord:
    """One captured frame or message. Instants in seconds of the driver's clock; None where it did not happen.

    `given_up` is "dropped" (no room: encoder or send queue), "expired" (it could not meet its deadline any more) or
    "skipped" (the sender chose not to encode it), else None. `target_bps` is the rate that the encoder was told, None
    where there is none. `rendition` is the size of the encoded picture, such as "640x360", and empty where there is no
    picture. `repaired` is "rtx" or "fec" if bytes of it left again or with redundancy. A capture that never got to the
    encoder has `sequence` -1: sequences count encoded frames, without gaps.
    """

    track: int
    sequence: int
    captured_at: float
    group: int = 0
    keyframe: bool = False
    layer: int = 0
    size_bytes: int = 0
    target_bps: float | None = None
    rendition: str = ""
    encode_start_at: float | None = None
    encode_end_at: float | None = None
    queued_at: float | None = None
    first_sent_at: float | None = None
    last_sent_at: float | None = None
    given_up: str | None = None
    repaired: str = ""
