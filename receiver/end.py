"""What every receiver end does and knows, whatever it receives by."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from glassbench.receiver.decoded import Decoded
from glassbench.receiver.record import ReceivedRecord
from glassbench.transport.contract import Address, Closed, Datagram


class ReceiverEnd(Protocol):
    """An endpoint with the receiver's half of the ledger: `records` by (track, sequence), and what was `decoded`.

    `connected_at` and `closed` say when the connection stood, and how it ended. `unannounced` counts frames that nobody
    captured, `stamp_errors` pictures whose stamp names another frame, `stamp_unreadable` those without a readable one.
    """

    records: dict[tuple[int, int], ReceivedRecord]
    decoded: list[Decoded]
    connected_at: float | None
    closed: Closed | None
    keyframe_requests: int
    stamp_errors: int
    stamp_unreadable: int
    unannounced: int

    def connect(self, *, now: float) -> None:
        """Start. To be called once, before media starts."""

    def receive_datagram(self, data: bytes, peer: Address, ecn: int = 0, *, now: float) -> None: ...

    def datagrams_to_send(self, *, now: float) -> Sequence[Datagram]: ...

    def get_timer(self) -> float | None: ...

    def handle_timer(self, *, now: float) -> None: ...

    def finish(self, *, now: float) -> None:
        """The run is over: every frame gets its outcome."""

    def close(self, *, now: float) -> None:
        """End the connection in its own way."""

    def stats(self) -> Mapping[str, int]:
        """The counters of the transport."""
