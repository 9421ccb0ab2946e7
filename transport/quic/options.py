"""What can be set on every QUIC and WebTransport arm."""

from dataclasses import dataclass
from typing import Literal

Congestion = Literal["realtime", "reno", "cubic"]


@dataclass(frozen=True, slots=True)
class QuicOptions:
    """`congestion`: "realtime" is our scheduler and congestion control; "reno" and "cubic" are aioquic as it is,
    without priorities, deadlines or repair. `queue_bytes`: what may wait to be sent; a frame beyond it is dropped.
    `zero_rtt`: the caller resumes an earlier session and sends frames in its first flight (RFC 9001 section 4.6; what
    that costs says `transport/quic/ticket.py`). Not for WebTransport.
    """

    congestion: Congestion = "realtime"
    queue_bytes: int = 1_000_000
    zero_rtt: bool = False

    def __post_init__(self) -> None:
        if self.queue_bytes <= 0:
            raise ValueError(f"queue_bytes must be positive, got {self.queue_bytes}")


@dataclass(frozen=True, slots=True)
class DatagramOptions(QuicOptions):
    """`repair`: send a lost datagram again while it can arrive before its frame expires (only with "realtime")."""

    repair: bool = True
