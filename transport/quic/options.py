"""What can be set on every QUIC and WebTransport arm."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from glassbench.transport.congestion import CONTROLLERS, ControllerEntry, nested_entry
from glassbench.transport.quic.certificate import MIN_FILLER_BYTES

MAX_CHAIN_BYTES = 12_000  # aioquic takes 16 KiB of one handshake message

STOCK_CONTROLS = ("reno", "cubic")  # aioquic's own
NO_WINDOW = "none"


@dataclass(frozen=True, slots=True)
class QuicOptions:
    """`control`: the congestion controller, by its name in `transport.congestion.CONTROLLERS`. `stack`: "scheduled" is
    our scheduler, with priorities, deadlines and repair; "stock" is aioquic as it is, with a `control` of its own,
    "reno" or "cubic". `window`: the controller around that of the media, "none" or one whose entry says `is_window`
    (`transport/congestion/nested.py`). `queue_bytes`: what may wait to be sent; a frame beyond it is dropped.
    `zero_rtt`: the caller resumes an earlier session and sends frames in its first flight (RFC 9001 section 4.6; what
    that costs says `transport/quic/ticket.py`). Not for WebTransport. `chain_bytes`: the weight of further certificates
    that the listener sends, as services on the web do. `ecn`: the sender's packets say that they support ECN, so that
    queues can mark instead of drop, and marks are congestion (RFC 9000 section 13.4).
    """

    control: str = "realtime"
    stack: Literal["scheduled", "stock"] = "scheduled"
    window: str = NO_WINDOW
    queue_bytes: int = 1_000_000
    zero_rtt: bool = False
    chain_bytes: int = 0
    ecn: bool = False

    @property
    def scheduled(self) -> bool:
        """Whether our scheduler sends, and not aioquic by itself."""
        return self.stack == "scheduled"

    @property
    def timed(self) -> bool:
        """Whether the receiver reports when packets arrived."""
        return self.scheduled and "receive-times" in self.controller.needs

    @property
    def controller(self) -> ControllerEntry:
        """What `control` and `window` make together, under our scheduler."""
        if self.window == NO_WINDOW:
            return CONTROLLERS[self.control]
        return nested_entry(self.control, self.window)

    def __post_init__(self) -> None:
        if self.control not in CONTROLLERS and self.control not in STOCK_CONTROLS:
            raise ValueError(f"control must be {_one_of(CONTROLLERS)}, got {self.control!r}")
        if self.stack == "stock" and self.control not in STOCK_CONTROLS:
            raise ValueError(
                f"stack=stock is aioquic as it is, with control={_one_of(STOCK_CONTROLS)}, got {self.control!r}"
            )
        if self.stack == "stock" and self.ecn:
            raise ValueError("ecn=true needs our scheduler: aioquic as it is (stack=stock) knows no ECN")
        if self.window != NO_WINDOW:
            self._check_window()
        if self.scheduled and "ecn" in self.controller.needs and not self.ecn:
            raise ValueError(f"control={self.control} needs ecn=true")
        if self.queue_bytes <= 0:
            raise ValueError(f"queue_bytes must be positive, got {self.queue_bytes}")
        if self.chain_bytes and not MIN_FILLER_BYTES <= self.chain_bytes <= MAX_CHAIN_BYTES:
            raise ValueError(
                f"chain_bytes must be 0 or {MIN_FILLER_BYTES} to {MAX_CHAIN_BYTES}, got {self.chain_bytes}"
            )

    def _check_window(self) -> None:
        if self.stack == "stock":
            raise ValueError("window needs our scheduler: aioquic as it is (stack=stock) has its own window alone")
        if self.window not in CONTROLLERS or not CONTROLLERS[self.window].is_window:
            windows = [name for name, entry in CONTROLLERS.own.items() if entry.is_window]
            raise ValueError(f"window must be {NO_WINDOW}, {_one_of(windows)}, got {self.window!r}")
        if CONTROLLERS[self.control].is_window:
            media = [name for name, entry in CONTROLLERS.own.items() if not entry.is_window]
            raise ValueError(
                f"window={self.window} goes around a media controller, control={_one_of(media)}, got {self.control!r}"
            )


@dataclass(frozen=True, slots=True)
class DatagramOptions(QuicOptions):
    """`repair`: send a lost datagram again while it can arrive before its frame expires (not by aioquic as it is)."""

    repair: bool = True


@dataclass(frozen=True, slots=True)
class AdaptiveOptions(DatagramOptions):
    """Those of datagrams whose encoder follows the network."""

    control: str = "adaptive"


def _one_of(names: Iterable[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} or {last}"
