"""The receiver's half of the ledger: what happened to each frame that was heard of."""

from dataclasses import dataclass

_ROUNDING = 1e-9  # seconds; instants are floats near 1000


@dataclass(slots=True)
class ReceivedRecord:
    """One frame or message. Instants in seconds of the driver's clock; None where it did not happen.

    `complete_at`: the last needed datagram arrived; `delivered_at`: the transport handed it over; `released_at`: the
    jitter buffer handed it to the decoder; `decoded_at`, `displayed_at`: ready to show, shown. `outcome` is
    "displayed", "late" or "undecodable" once decided. The `stamp_*` fields are what was read from the decoded pixels.

    A frame past its deadline is late, whichever transport brought it: it is decoded, since later ones refer to it, and
    not displayed.
    """

    track: int
    sequence: int
    first_arrival_at: float | None = None
    complete_at: float | None = None
    delivered_at: float | None = None
    released_at: float | None = None
    decoded_at: float | None = None
    displayed_at: float | None = None
    outcome: str | None = None
    stamp_sequence: int | None = None
    stamp_captured_at: float | None = None

    def decide(self, ready_at: float, *, expires_at: float | None) -> None:
        """The frame is ready at `ready_at`: it is displayed then, or it is late."""
        self.decoded_at = ready_at
        in_time = expires_at is None or ready_at <= expires_at + _ROUNDING
        self.displayed_at = ready_at if in_time else None
        self.outcome = "displayed" if in_time else "late"
