"""The contract of a transport: the vocabulary that all rooms share, and the verbs of one end of a connection.

A transport is sans-IO. It never reads a clock and never opens a socket: `now` is an argument (seconds, float),
datagrams come in by `receive_datagram` and go out by `datagrams_to_send`. After every call that changes state the
driver drains `datagrams_to_send` and `next_event` and then re-arms the timer with `get_timer`. The verbs are aioquic's.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Protocol

Address = tuple[str, int]


class Datagram(NamedTuple):
    """One UDP payload with its peer and its ECN codepoint (RFC 3168: 0 Not-ECT, 1 ECT(1), 2 ECT(0), 3 CE)."""

    data: bytes
    peer: Address
    ecn: int = 0


@dataclass(frozen=True, slots=True)
class Track:
    """What both ends agree on before media starts (the role of SDP or of a MoQ catalog).

    `media` is a name of `codecs.CODECS`, such as "h264", or "data" (opaque messages). `priority` is strict, 0 the most
    important. `deadline` is in seconds, from capture to display for video and to delivery for messages; None if there
    is none. A frame past its deadline is decoded, as others refer to it, but not displayed. The frames of a video are
    of so many temporal `layers`, in the pattern of `layers.py`.
    """

    id: int
    name: str
    media: str
    priority: int
    deadline: float | None = None
    layers: int = 1


@dataclass(frozen=True, slots=True)
class Frame:
    """One encoded video frame, or one message of a data track.

    `sequence` counts the frames of a track from 0 without gaps, over all groups; `group` counts GOPs from 0.
    `captured_at` is a whole number of microseconds, so that it survives every wire format unchanged. `layer` is the
    temporal layer, 0 the base. `priority` is strict over all tracks and layers, 0 first. `expires_at` is the instant of
    the deadline. H.264 and HEVC payloads are Annex B access units.

    A sender whose encoder gives slices hands over a frame slice by slice, in order: `slice` counts from 0 to below
    `slices`, the most that a frame of the track has, `last` is that of the last one, and the payload is that of the
    slice. Only `slices.py` is given those; see there what other transports get.
    """

    track: int
    group: int
    sequence: int
    captured_at: float
    keyframe: bool
    layer: int
    priority: int
    expires_at: float | None
    payload: bytes
    slice: int = 0
    slices: int = 1
    last: bool = True

    @property
    def track_priority(self) -> int:
        """The priority of its track. A frame that has begun to leave has it, whatever its layer: what has left of it
        would be in vain if a later frame of the track went ahead."""
        return self.priority - self.layer


@dataclass(frozen=True, slots=True)
class Connected:
    """This end may send media from now on."""

    at: float


@dataclass(frozen=True, slots=True)
class FrameStarted:
    """Sender: the first datagram with bytes of this frame was handed to the network."""

    track: int
    sequence: int
    at: float


@dataclass(frozen=True, slots=True)
class FrameSent:
    """Sender: every byte of this frame was handed to the network at least once."""

    track: int
    sequence: int
    at: float


@dataclass(frozen=True, slots=True)
class FrameDropped:
    """Sender: given up. "dropped": no room in the send queue, or a frame of a lower layer went ahead of it; "expired":
    it cannot meet its deadline any more."""

    track: int
    sequence: int
    at: float
    reason: Literal["dropped", "expired"]


@dataclass(frozen=True, slots=True)
class FrameRepaired:
    """Sender: bytes of this frame left again ("rtx"), or with redundancy ("fec"). It may come several times a frame."""

    track: int
    sequence: int
    at: float
    by: Literal["rtx", "fec"]


@dataclass(frozen=True, slots=True)
class FrameReceived:
    """Receiver: a whole frame, delivered by the transport now (after its own ordering or hold, if it has one).

    `first_arrival_at` and `complete_at` are the arrivals of its first datagram and of the one that completed it;
    the time from `complete_at` to the delivery is the transport's own (head-of-line blocking, TSBPD, reordering).
    """

    frame: Frame
    first_arrival_at: float
    complete_at: float
    at: float


@dataclass(frozen=True, slots=True)
class FrameLost:
    """Receiver: the transport knows that this frame will not be delivered, so nobody need wait for it."""

    track: int
    sequence: int
    at: float


@dataclass(frozen=True, slots=True)
class KeyframeRequested:
    """Sender: the peer cannot decode this track until a recovery point arrives (PLI and its like)."""

    track: int
    at: float


@dataclass(frozen=True, slots=True)
class RateChanged:
    """Sender: what the path is believed to deliver from now on, in bits per second; infinite while it has shown no
    limit, as at first. It comes at most every 0.1 s, and only for a change of 5 % or more."""

    at: float
    target_bps: float


@dataclass(frozen=True, slots=True)
class Estimated:
    """Sender: what congestion control believes and allows. It comes after feedback, once media have left, at most every
    0.1 s. `rtt` and `queue`, the time that what is in flight waits in queues of the path, are in seconds. What a stack
    of others does not tell is None or NaN."""

    at: float
    target_bps: float
    pacing_bps: float
    window_bytes: int | None
    in_flight_bytes: int | None
    rtt: float
    queue: float


@dataclass(frozen=True, slots=True)
class Closed:
    """The connection is over; `error` is None for an orderly end, else one sentence."""

    at: float
    error: str | None


Event = (
    Connected
    | FrameStarted
    | FrameSent
    | FrameDropped
    | FrameRepaired
    | FrameReceived
    | FrameLost
    | KeyframeRequested
    | RateChanged
    | Estimated
    | Closed
)


class Transport(Protocol):
    """One end of one connection. Every queue inside is bounded; what does not fit is dropped and counted in `stats`."""

    def connect(self, *, now: float) -> None:
        """Start: the caller's handshake, or nothing for a listener or a connectionless transport."""

    def send_frame(self, frame: Frame, *, now: float) -> None:
        """Queue a frame. Sender end only. Never raises for lack of room: that is a `FrameDropped` event."""

    def frame_budget(self, *, ready_at: float, interval: float, now: float) -> int | None:
        """How many bytes the next frame may have to arrive soon, if it, or its first slice, is handed over at
        `ready_at` and another one follows each `interval` (seconds). Sender end only.

        0: none should be encoded now; what comes from the network may change that, and so may time. None: the transport
        has no opinion, or none yet. What was asked is remembered nowhere.
        """

    def request_keyframe(self, track: int, *, now: float) -> None:
        """Ask the sender for a recovery point. Receiver end only."""

    def receive_datagram(self, data: bytes, peer: Address, ecn: int = 0, *, now: float) -> None:
        """Take one datagram from the network. Untrusted: bad bytes are counted and ignored, never an exception."""

    def datagrams_to_send(self, *, now: float) -> list[Datagram]:
        """All datagrams that may leave at `now`, in order. Empties what it returns."""

    def get_timer(self) -> float | None:
        """The instant at which `handle_timer` must be called if nothing else happens, or None."""

    def handle_timer(self, *, now: float) -> None:
        """Act on all that is due at `now`. Calls before the timer are harmless."""

    def next_event(self) -> Event | None:
        """The oldest event not yet taken, or None."""

    def close(self, *, now: float) -> None:
        """End the connection in the protocol's own way."""

    def stats(self) -> Mapping[str, int]:
        """Counters by name: datagrams_sent, malformed, dropped_full, keyframe_requests ... all from 0, none ever falls.

        A name with `max_` in front is a size.
        """


class Observer(Protocol):
    """Takes what an end knows beside its events, for files that others open. It never raises, and changes nothing."""

    def on_qlog(self, records: str) -> None:
        """The next records of a qlog, in virtual time (draft-ietf-quic-qlog-main-schema-02, JSON text sequence)."""

    def on_keys(self, lines: str) -> None:
        """Secrets of the connection, as lines of the NSS key log format: whoever has them can decrypt it."""


@dataclass(frozen=True, slots=True)
class TransportConfig:
    """What the experiment decides for one end.

    `max_datagram_bytes` is the largest UDP payload of the path (1452 fits a 1500-byte MTU over IPv4 and IPv6).
    `seed` drives every choice the protocol leaves to chance (SSRC, initial sequence number).
    `options` are the arm's own settings, already validated against the options dataclass of its registry entry.
    `observer` is told what a protocol has to tell; most tell nothing beside their datagrams.
    """

    local: Address
    peer: Address
    seed: int
    tracks: tuple[Track, ...]
    max_datagram_bytes: int = 1452
    options: Mapping[str, object] = field(default_factory=dict)
    observer: Observer | None = None


class Unsupported(Exception):
    """An arm cannot do what is asked, with the reason: a third outcome beside pass and fail."""
