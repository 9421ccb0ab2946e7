"""The contract of a congestion controller: what the scheduler tells it, and what it answers. Sans-IO.

The scheduler (`flight.py`) keeps the books, the same for all: which packets are in flight, when the application had
nothing to send, which packets belong to one train, and when the pacer lets the next one go. A controller decides how
much may be in flight and how fast it may leave. So a comparison of controllers compares controllers.

All instants and durations are seconds, all sizes bytes of UDP payload, all rates bits per second. Modelled on quinn's
`Controller`, libwebrtc's `NetworkControllerInterface` and s2n-quic's `CongestionController`.
"""

from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable


@dataclass(slots=True)
class SentPacket:
    """A packet that left. `number` is unique in the connection.

    `in_flight_bytes` counts this packet, too. `idle_at` is when the application last had nothing to send. A *train* is
    what leaves without a pause; `train_at` is when it began, and `train_bytes` are those after its first packet, up to
    and with this one. `memo` is the controller's own: what it notes in `on_sent` it finds again in the result.
    """

    number: int
    size_bytes: int
    at: float
    in_flight_bytes: int
    idle_at: float
    train_at: float
    train_bytes: int
    memo: object = None


class PacketResult(NamedTuple):
    """What became of a packet, told once: it was acknowledged, or declared lost.

    `received_at` is the peer's time of arrival where the feedback has such times: seconds of the peer's clock, so that
    only differences between packets mean something. `app_limited`: the window was never
    full while this packet was in flight, so that its arrival says nothing for a larger one (RFC 9002 section 7.8).
    """

    packet: SentPacket
    lost: bool
    received_at: float | None
    app_limited: bool


class Feedback(NamedTuple):
    """What one ACK said, or the timer that gives up on packets, at the instant `at`.

    `rtt` is the sample of the newest packet without the peer's delay, if there is one. `in_flight_bytes` is what is in
    flight after all results. A queue marked `ce_packets` of the acknowledged packets (RFC 3168). `persistent` is
    persistent congestion: everything that was sent over a long time was lost, so the path is taken for another one (RFC
    9002 section 7.6).
    """

    at: float
    results: tuple[PacketResult, ...]
    rtt: float | None
    in_flight_bytes: int
    ce_packets: int = 0
    has_receive_times: bool = False
    persistent: bool = False


class Allowance(NamedTuple):
    """What may be sent from now on."""

    window_bytes: int
    """So much may be in flight."""
    unpaced_bytes: int
    """What brings no more than this into flight leaves at once; more is paced."""
    pacing_bps: float
    """The rate at which packets leave."""
    burst_bytes: int
    """So much, two packets or more, may leave at once after a pause of the pacer's."""
    target_bps: float
    """What the path is believed to deliver: what the application should send."""
    base_rtt: float
    """The path's round-trip time without our queue, in seconds."""
    probe: bool
    """The path has not shown a limit yet, so that the rates may be far too low."""
    padding_bps: float = 0.0
    """Above 0 a probe is under way: where the application has nothing to send, padding leaves in its place, paced as
    all packets are, so that this rate is reached. A scheduler without padding leaves the probe to what is there."""
    media_bps: float = 0.0
    """What an encoder should be told, where that is not `target_bps`: a controller that learns from what it sends alone
    has to be given more than it believes, now and then. 0: the target."""
    even: bool = False
    """Packets leave one by one at the pacing rate, whatever burst their owner allows: what arrives of them is a
    measurement."""


class Controller(Protocol):
    """One sender's window and rate. It never reads a clock, and keeps nothing that grows with the packets sent."""

    @property
    def allowance(self) -> Allowance:
        """What may be sent now. It changes in the calls below only."""

    def on_sent(self, packet: SentPacket) -> None:
        """A packet left. It comes back in one result at most. Some never come back: packets whose keys are discarded,
        and probes of the packet size."""

    def on_feedback(self, feedback: Feedback) -> None:
        """Packets were acknowledged or lost."""

    def undo_losses(self, *, since: float, now: float) -> None:
        """What was declared lost from `since` on was no congestion: the packets were larger than the path carries, or
        they arrived after all. What was concluded from it does not hold (RFC 4015, RFC 9438 section 4.9)."""

    def resize(self, max_datagram_bytes: int) -> None:
        """Packets may have another size from now on."""

    def get_timer(self) -> float | None:
        """When `handle_timer` must be called if nothing else happens, or None."""

    def handle_timer(self, *, now: float) -> None:
        """Act on what is due."""


class MakeController(Protocol):
    """Makes a controller for packets of at most so many bytes of UDP payload, at first."""

    def __call__(self, *, max_datagram_bytes: int) -> Controller: ...


@runtime_checkable
class FramePlanner(Protocol):
    """A controller that also says how large the next video frame may be. For the others `frame_budget.py` works that
    out of their rate."""

    def frame_budget(self, *, in_flight_bytes: int, ready_at: float, interval: float, now: float) -> int | None:
        """See `transport.contract.Transport.frame_budget`. Of `in_flight_bytes` nobody knows yet that they arrived;
        those that have not left are counted, too."""
