"""What can be set on every QUIC and WebTransport arm."""

from dataclasses import dataclass
from typing import Literal

from glassbench.transport.quic.certificate import MIN_FILLER_BYTES

MAX_CHAIN_BYTES = 12_000  # aioquic takes 16 KiB of one handshake message

Congestion = Literal["realtime", "reno", "cubic"]


@dataclass(frozen=True, slots=True)
class QuicOptions:
    """`congestion`: "realtime" is our scheduler and congestion control; "reno" and "cubic" are aioquic as it is,
    without priorities, deadlines or repair. `queue_bytes`: what may wait to be sent; a frame beyond it is dropped.
    `zero_rtt`: the caller resumes an earlier session and sends frames in its first flight (RFC 9001 section 4.6; what
    that costs says `transport/quic/ticket.py`). Not for WebTransport. `chain_bytes`: the weight of further certificates
    that the listener sends, as services on the web do.
    """

    congestion: Congestion = "realtime"
    queue_bytes: int = 1_000_000
    zero_rtt: bool = False
    chain_bytes: int = 0

    def __post_init__(self) -> None:
        if self.queue_bytes <= 0:
            raise ValueError(f"queue_bytes must be positive, got {self.queue_bytes}")
        if self.chain_bytes and not MIN_FILLER_BYTES <= self.chain_bytes <= MAX_CHAIN_BYTES:
            raise ValueError(
                f"chain_bytes must be 0 or {MIN_FILLER_BYTES} to {MAX_CHAIN_BYTES}, got {self.chain_bytes}"
            )


@dataclass(frozen=True, slots=True)
class DatagramOptions(QuicOptions):
    """`repair`: send a lost datagram again while it can arrive before its frame expires (only with "realtime")."""

    repair: bool = True
