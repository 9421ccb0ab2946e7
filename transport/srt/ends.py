"""The two ends of the srt transport: frames on top of a connection."""

from collections import Counter, deque
from collections.abc import Mapping

import numpy as np

from glassbench.transport.contract import (
    Address,
    Datagram,
    Event,
    Frame,
    FrameDropped,
    KeyframeRequested,
    TransportConfig,
)
from glassbench.transport.framing import (
    MAX_FRAME_BYTES,
    Malformed,
    keyframe_request,
    parse_keyframe_request,
    split_frame,
)
from glassbench.transport.srt.connection import SrtConnection
from glassbench.transport.srt.frames import FrameAssembler
from glassbench.transport.srt.handshake import MIN_PAYLOAD_BYTES, Offer
from glassbench.transport.srt.options import SrtOptions
from glassbench.transport.srt.receiving import CAPACITY
from glassbench.transport.srt.wire import HEADER_BYTES, IP_UDP_HEADER_BYTES, SEQUENCE_MASK

_MAX_MTU = 1500
_COUNTERS = [
    "datagrams_sent",
    "datagrams_received",
    "malformed",
    "foreign",
    "undecryptable",
    "keyframe_requests",
    "retransmissions",
    "media_bytes",
    "repair_bytes",
    "packets_sent",
    "packets_received",
    "packets_duplicate",
    "packets_belated",
    "packets_skipped",
    "packets_dropped_late",
    "naks_sent",
    "naks_received",
    "dropped_full",
    "dropped_expired",
    "frames_lost",
]


class _SrtEnd:
    """What both ends share: the connection, and the verbs that go straight to it."""

    def __init__(
        self,
        config: TransportConfig,
        options: SrtOptions,
        *,
        is_caller: bool,
        receive_latency_ms: int,
        send_latency_ms: int,
    ) -> None:
        if config.max_datagram_bytes < HEADER_BYTES + MIN_PAYLOAD_BYTES:
            raise ValueError(
                f"max_datagram_bytes must be at least {HEADER_BYTES + MIN_PAYLOAD_BYTES} for srt, "
                f"got {config.max_datagram_bytes}"
            )
        self._events: deque[Event] = deque()
        self._stats: Counter[str] = Counter(dict.fromkeys(_COUNTERS, 0))
        rng = np.random.default_rng(np.random.SeedSequence([config.seed, is_caller]))
        offer = Offer(
            socket=int(rng.integers(1, 2**30)),
            sequence=draw_sequence(rng),
            mtu=min(_MAX_MTU, config.max_datagram_bytes + IP_UDP_HEADER_BYTES),
            window=CAPACITY,
            receive_latency_ms=receive_latency_ms,
            send_latency_ms=send_latency_ms,
        )
        self._connection = SrtConnection(
            offer,
            options,
            caller=is_caller,
            peer=config.peer,
            cookie_secret=rng.bytes(16),
            events=self._events,
            stats=self._stats,
        )

    def connect(self, *, now: float) -> None:
        self._connection.connect(now=now)

    def receive_datagram(self, data: bytes, peer: Address, ecn: int = 0, *, now: float) -> None:
        self._stats["datagrams_received"] += 1
        self._connection.receive_datagram(data, peer, now=now)
        self._take_messages(now)

    def datagrams_to_send(self, *, now: float) -> list[Datagram]:
        datagrams = self._connection.datagrams_to_send(now=now)
        self._stats["datagrams_sent"] += len(datagrams)
        return datagrams

    def get_timer(self) -> float | None:
        return self._connection.get_timer()

    def handle_timer(self, *, now: float) -> None:
        self._connection.handle_timer(now=now)
        self._take_messages(now)

    def next_event(self) -> Event | None:
        return self._events.popleft() if self._events else None

    def close(self, *, now: float) -> None:
        self._connection.close(now=now)

    def stats(self) -> Mapping[str, int]:
        return dict(self._stats)

    def _take_messages(self, now: float) -> None:
        raise NotImplementedError


class SrtSender(_SrtEnd):
    """Sends each frame as a run of messages with one source time, that of `send_frame`, so that they are due together.

    Tracks share the connection in order of submission: SRT's live mode has no priorities, and neither has this arm.
    Frames before the connection stands are dropped, as a live source's would be.
    """

    def __init__(self, config: TransportConfig) -> None:
        options = SrtOptions(**config.options)  # type: ignore[arg-type]
        # Keyframe requests come back on the same connection. They are repeated by those who need them, so they are
        # taken as they arrive: SRTO_RCVLATENCY 0 for this direction.
        super().__init__(
            config,
            options,
            is_caller=options.caller == "sender",
            receive_latency_ms=0,
            send_latency_ms=options.latency_ms,
        )
        self._tracks = {track.id for track in config.tracks}

    def frame_budget(self, *, ready_at: float, interval: float, now: float) -> int | None:
        return self._connection.frame_budget(ahead=max(0.0, ready_at - now), interval=interval)

    def send_frame(self, frame: Frame, *, now: float) -> None:
        if frame.expires_at is not None and frame.expires_at <= now:
            self._stats["dropped_expired"] += 1
            self._events.append(FrameDropped(frame.track, frame.sequence, now, "expired"))
            return
        size = self._connection.max_payload_bytes
        if size is not None and len(frame.payload) <= MAX_FRAME_BYTES:
            messages = split_frame(frame, size)
            if self._connection.send(messages, now=now, track=frame.track, sequence=frame.sequence):
                return
        self._stats["dropped_full"] += 1
        self._events.append(FrameDropped(frame.track, frame.sequence, now, "dropped"))

    def request_keyframe(self, track: int, *, now: float) -> None:
        raise TypeError("the sender end of srt does not request keyframes")

    def _take_messages(self, now: float) -> None:
        for _, message in self._connection.take_messages():
            try:
                track = parse_keyframe_request(message.payload)
            except Malformed:
                self._stats["malformed"] += 1
                continue
            if track in self._tracks:
                self._stats["keyframe_requests"] += 1
                self._events.append(KeyframeRequested(track, now))
            else:
                self._stats["malformed"] += 1


class SrtReceiver(_SrtEnd):
    """Delivers frames when SRT does: at sending time + network delay at the start + latency, or not at all."""

    def __init__(self, config: TransportConfig) -> None:
        options = SrtOptions(**config.options)  # type: ignore[arg-type]
        super().__init__(
            config,
            options,
            is_caller=options.caller == "receiver",
            receive_latency_ms=options.latency_ms,
            send_latency_ms=0,
        )
        self._tracks = {track.id for track in config.tracks}
        self._assembler = FrameAssembler(config.tracks, self._events, self._stats)

    def send_frame(self, frame: Frame, *, now: float) -> None:
        raise TypeError("the receiver end of srt does not send frames")

    def frame_budget(self, *, ready_at: float, interval: float, now: float) -> int | None:
        raise TypeError("the receiver end of srt does not send frames")

    def request_keyframe(self, track: int, *, now: float) -> None:
        if track in self._tracks and self._connection.send([keyframe_request(track)], now=now):
            self._stats["keyframe_requests"] += 1

    def _take_messages(self, now: float) -> None:
        for skipped, message in self._connection.take_messages():
            try:
                self._assembler.add(message.payload, arrived_at=message.arrived_at, skipped=skipped > 0, now=now)
            except Malformed:
                self._stats["malformed"] += 1


def draw_sequence(rng: np.random.Generator) -> int:
    """A random initial sequence number: 31 bits without the highest value, which libsrt refuses."""
    return int(rng.integers(0, SEQUENCE_MASK))
