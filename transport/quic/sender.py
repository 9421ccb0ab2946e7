"""The sending ends: our scheduler, and aioquic's own as the baseline."""

import math
from collections import deque
from collections.abc import Callable, Hashable

from glassbench.transport.congestion.announcements import Announcements
from glassbench.transport.congestion.flight import Flight
from glassbench.transport.contract import (
    Address,
    Datagram,
    Frame,
    FrameDropped,
    KeyframeRequested,
    TransportConfig,
)
from glassbench.transport.frame_queue import FrameQueue
from glassbench.transport.framing import (
    MAX_FRAME_BYTES,
    Malformed,
    dropped_record,
    keyframe_request,
    parse_keyframe_request,
)
from glassbench.transport.quic.carrier import Carrier, CountUp, Emit
from glassbench.transport.quic.end import QuicEnd
from glassbench.transport.quic.options import QuicOptions
from glassbench.transport.quic.path_mtu import BASE_BYTES
from glassbench.transport.quic.reports import parse_report
from glassbench.transport.quic.session import REFUSED, DatagramPayload, Session, StreamAborted, StreamBytes
from glassbench.transport.quic.stack import Stack
from glassbench.transport.quic.streams import StreamCarrier

CarrierFactory = Callable[[Stack, Session, Emit, CountUp], Carrier]

_COUNTERS = (
    "dropped_full",
    "dropped_overtaken",
    "dropped_expired",
    "media_bytes",
    "repair_bytes",
    "repaired",
    "resets",
    "keyframe_requests",
    "padding_packets",
)
_ESTIMATE_SLACK = 0.01  # seconds, for delayed ACKs, late timers and small errors of the rate
_EVERYTHING = 2**31  # packets
_LEAST = 2**31  # priority
_MOST_UNTOLD = 4096  # dropped frames of which the peer can be told later; a jitter buffer holds fewer
_REQUEST_BYTES = len(keyframe_request(0))


class QuicSender(QuicEnd):
    """What both schedulers share: a bounded queue, a carrier, keyframe requests from the peer."""

    def __init__(
        self,
        config: TransportConfig,
        options: QuicOptions,
        session: type[Session],
        carrier: CarrierFactory,
    ) -> None:
        super().__init__(config, options, session, calls=True, counters=_COUNTERS)
        self._make_carrier = carrier
        self._carrier: Carrier | None = None
        self._max_bytes = options.queue_bytes
        self._queue = FrameQueue(options.queue_bytes)
        # Layers by track of video; messages need no other.
        self._layers = {track.id: track.layers for track in config.tracks if track.media != "data"}
        self._requests: dict[int, bytes] = {}  # by stream
        self._untold: deque[bytes] = deque(maxlen=_MOST_UNTOLD)  # records of dropped frames, for the peer

    def request_keyframe(self, track: int, *, now: float) -> None:
        raise TypeError("the sender end of QUIC does not request keyframes")

    def frame_budget(self, *, ready_at: float, interval: float, now: float) -> int | None:
        return None

    def send_frame(self, frame: Frame, *, now: float) -> None:
        self._now = now
        if frame.expires_at is not None and frame.expires_at <= now:
            self._drop_expired(frame)
        elif self._closed or len(frame.payload) > MAX_FRAME_BYTES:
            self._drop_full(frame)
        else:
            self._admit(frame, now=now)

    def on_stream_sent(self, stream_id: int, start: int, offset: int, size_bytes: int) -> None:
        if self._carrier is not None:
            self._carrier.on_stream_sent(stream_id, start, offset, size_bytes, now=self._now)

    def on_datagram_sent(self, token: Hashable) -> None:
        if self._carrier is not None:
            self._carrier.on_datagram_sent(token, now=self._now)

    def on_datagram_settled(self, token: Hashable, acknowledged: bool) -> None:
        if self._carrier is not None:
            self._carrier.on_datagram_settled(token, acknowledged, now=self._now)

    def on_path_narrowed(self) -> None:
        if self._carrier is not None:
            self._carrier.on_path_narrowed()

    def receive_datagram(self, data: bytes, peer: Address, ecn: int = 0, *, now: float) -> None:
        super().receive_datagram(data, peer, ecn, now=now)
        if self._carrier is not None:
            self._carrier.sweep()

    def _admit(self, frame: Frame, *, now: float) -> None:
        raise NotImplementedError

    def _drop_overtaken(self, frames: list[Frame]) -> None:
        """Drop what is of no use after a frame of a lower layer that goes ahead."""
        for frame in frames:
            self._drop_full(frame, "dropped_overtaken")

    def _drop_full(self, frame: Frame, counter: str = "dropped_full") -> None:
        self._count[counter] += 1
        self._untold.append(dropped_record(frame))
        self._events.append(FrameDropped(frame.track, frame.sequence, self._now, "dropped"))

    def _transmit(self, stack: Stack, *, now: float) -> list[Datagram]:
        self._tell_dropped(stack)
        return super()._transmit(stack, now=now)

    def _tell_dropped(self, stack: Stack) -> None:
        """Tell the peer of dropped frames, on a stream of its own. Without a deadline the peer would wait for them."""
        if self._untold and self._connected and self._session is not None and stack.may_open_stream():
            stack.send_stream_data(self._session.open_stream(), b"".join(self._untold), end_stream=True)
            self._untold.clear()

    def _drop_expired(self, frame: Frame) -> None:
        self._count["dropped_expired"] += 1
        self._events.append(FrameDropped(frame.track, frame.sequence, self._now, "expired"))

    def _on_stack(self, stack: Stack, session: Session) -> None:
        self._carrier = self._make_carrier(stack, session, self._events.append, self._count_up)

    def _count_up(self, name: str, by: int = 1) -> None:
        self._count[name] += by

    def _take_stream(self, event: StreamBytes, *, now: float) -> None:
        """A stream of the peer is one keyframe request."""
        data = self._requests.pop(event.stream_id, b"") + event.data
        if len(data) < _REQUEST_BYTES and not event.ended:
            self._requests[event.stream_id] = data
            return
        try:
            track = parse_keyframe_request(data)
        except Malformed:
            track = -1
        if all(track != ours.id for ours in self._config.tracks):
            self._count["malformed"] += 1
            if self._stack is not None and not event.ended:
                self._stack.discard_stream_data(event.stream_id, REFUSED)
            return
        self._count["keyframe_requests"] += 1
        self._events.append(KeyframeRequested(track, now))

    def _take_abort(self, event: StreamAborted, *, now: float) -> None:
        self._requests.pop(event.stream_id, None)

    def _take_datagram_payload(self, event: DatagramPayload, *, now: float) -> None:
        """A report of receive times, if they were agreed on; nothing else comes in DATAGRAMs."""
        control = self._stack.control if self._stack is not None else None
        try:
            if control is None or control.received_at is None:
                raise Malformed("no DATAGRAM was agreed on")
            control.received_at |= parse_report(event.data)
        except Malformed:
            self._count["malformed"] += 1


class StockSender(QuicSender):
    """aioquic as it is: each frame is handed over at once, up to a cap on what is unsent; no deadline, no order."""

    def _admit(self, frame: Frame, *, now: float) -> None:
        carrier = self._carrier
        if carrier is None or not self._connected:
            for victim in self._queue.push(frame):
                self._drop_full(victim)
        elif (unsent := carrier.unsent_bytes(_LEAST)) and unsent + len(frame.payload) > self._max_bytes:
            self._drop_full(frame)
        else:
            self._start(carrier, frame)

    def _on_ready(self, *, now: float) -> None:
        for frame in self._queue.expire(now=now):
            self._drop_expired(frame)
        if self._carrier is not None:
            while self._queue:
                frame = self._queue.pop()
                self._drop_overtaken(self._queue.overtaken(frame))
                self._start(self._carrier, frame)

    def _start(self, carrier: Carrier, frame: Frame) -> None:
        carrier.start(frame)
        carrier.fill(_EVERYTHING)


class ScheduledSender(QuicSender):
    """Our scheduler: what may leave now is decided by the congestion controller, what leaves by priority and deadline.

    A frame waits in our queue until packets can carry it at once; only then it gets a stream or fragments, so that a
    more important one that comes later overtakes it and an expired one costs nothing.
    """

    def __init__(
        self,
        config: TransportConfig,
        options: QuicOptions,
        session: type[Session],
        carrier: CarrierFactory,
    ) -> None:
        super().__init__(config, options, session, carrier)
        self._send_at: float | None = None  # when pacing lets waiting bytes go
        self._announcements = Announcements()

    def get_timer(self) -> float | None:
        at = super().get_timer()
        carrier = self._carrier
        if carrier is None or self._closed:
            return at
        expires_at = min(self._queue.expires_at(), carrier.expires_at())
        control = self._stack.control if self._stack is not None else None
        control_at = control.flight.get_timer() if control is not None else None
        return min(
            (each for each in (at, self._send_at, expires_at, control_at) if each is not None and each < math.inf),
            default=None,
        )

    def frame_budget(self, *, ready_at: float, interval: float, now: float) -> int | None:
        control = self._stack.control if self._stack is not None else None
        if control is None:
            return None
        waiting_bytes = self._queue.bytes + (0 if self._carrier is None else self._carrier.unsent_bytes(_LEAST))
        budget = control.flight.frame_budget(waiting_bytes=waiting_bytes, ready_at=ready_at, interval=interval, now=now)
        if self._qlog is not None:
            self._qlog.note_frame_budget(budget)
        return budget

    def handle_timer(self, *, now: float) -> None:
        super().handle_timer(now=now)
        if self._stack is not None and self._stack.control is not None:
            self._stack.control.flight.handle_timer(now=now)
        self._expire(now=now)

    def stats(self) -> dict[str, int]:
        control = self._stack.control if self._stack is not None else None
        path = control.path_mtu if control is not None else None
        return dict(self._count) | {
            "lost_packets": control.lost_packets if control is not None else 0,
            "ce_packets": control.ce_packets if control is not None else 0,
            "spurious_losses": self._stack.spurious_losses if self._stack is not None else 0,
            "mtu_probes": path.probes if path is not None else 0,
            "black_holes": path.black_holes if path is not None else 0,
            "max_datagram_bytes": path.size_bytes if path is not None else BASE_BYTES,
        }

    def _admit(self, frame: Frame, *, now: float) -> None:
        self._expire(now=now)
        for victim in self._queue.push(frame):
            self._drop_full(victim)

    def _on_stack(self, stack: Stack, session: Session) -> None:
        super()._on_stack(stack, session)
        if isinstance(self._carrier, StreamCarrier):
            stack.urgency = self._carrier.urgency

    def _transmit(self, stack: Stack, *, now: float) -> list[Datagram]:
        self._send_at = None
        carrier = self._carrier
        if carrier is None or stack.control is None or not self._connected:
            return super()._transmit(stack, now=now)
        flight = stack.control.flight
        self._tell_dropped(stack)
        self._expire(now=now)
        datagrams: list[Datagram] = []
        while True:
            packets = flight.packets_allowed(now=now)
            wanted = max(packets, 1) if stack.probe_due else packets
            self._start_frames(carrier, flight, wanted, now=now)
            carrier.fill(wanted)
            sent = stack.transmit(wanted, now=now)
            datagrams += [Datagram(data, peer) for data, peer in sent]
            if not self._queue and not carrier.waiting():
                if padding := self._pad(stack, flight, now=now):
                    datagrams += padding
                    break
                flight.on_idle(now=now)
                if flight.packets_allowed(now=now):  # a probe delays nobody, and is subject to the window
                    datagrams += [Datagram(data, peer) for data, peer in stack.probe_path(now=now)]
                break
            if not packets:
                self._send_at = flight.next_send_at()
                break
            if not sent:
                break  # held by the peer's flow control: its next packet will tell
        has_sent_media = bool(self._count["media_bytes"])
        told = list(self._announcements.take(flight, stack.rtt, has_sent_media=has_sent_media, now=now))
        self._events += told
        if self._qlog is not None:
            self._qlog.log_estimates(stack.control, told)
        return datagrams

    def _pad(self, stack: Stack, flight: Flight, *, now: float) -> list[Datagram]:
        """What a controller that probes wants to leave, though nobody has anything to say."""
        padding: list[Datagram] = []
        while flight.allowance.padding_bps > 0 and flight.packets_allowed(now=now) > 0:
            datagrams = stack.pad(now=now)
            if not datagrams:
                return padding  # the handshake is not confirmed yet
            padding += [Datagram(data, peer) for data, peer in datagrams]
            self._count["padding_packets"] += len(datagrams)
        if flight.allowance.padding_bps > 0:
            self._send_at = flight.next_send_at()
        return padding

    def _start_frames(self, carrier: Carrier, flight: Flight, packets: int, *, now: float) -> None:
        """Bring into the carrier what can leave now.

        A frame that cannot arrive in time would take the time of the next one, which then is late too, and so on: under
        overload nearly every frame would be sent in part and arrive never. It is dropped, unless it is the last one:
        something must be sent, or a rate once believed too low would stay. Frames of higher layers, which would be left
        out next, do not count for that.
        """
        assert self._stack is not None
        room = packets * self._stack.datagram_bytes
        while self._queue:
            frame = self._queue.first()
            layered = self._layers.get(frame.track, 1) > 1
            if layered:
                self._make_way(frame, carrier, flight, now=now)
            if carrier.unsent_bytes(frame.track_priority) >= room or not carrier.accepts(frame):
                return
            frame = self._queue.pop()
            ahead = carrier.unsent_bytes(frame.track_priority)
            if self._queue.has_rival(frame) and self._is_hopeless(frame, flight, ahead, now=now):
                self._give_up_on(frame)
                continue
            if layered:
                self._drop_overtaken(self._queue.overtaken(frame))
            carrier.start(frame)

    def _make_way(self, frame: Frame, carrier: Carrier, flight: Flight, *, now: float) -> None:
        """Drop what has begun of higher layers, and what needs that, if a frame would be late behind it. Even if it is
        late without it: others refer to that frame, and the later it leaves, the more of them are late with it."""
        if self._is_hopeless(frame, flight, carrier.unsent_bytes(frame.track_priority), now=now):
            for begun in carrier.overtaken(frame):
                needing = self._queue.skip_after(begun, layers=self._layers[frame.track])
                self._drop_overtaken([begun, *needing])

    def _is_hopeless(self, frame: Frame, flight: Flight, bytes_ahead: int, *, now: float) -> bool:
        if frame.expires_at is None or flight.allowance.probe:
            return False
        arrives_at = flight.arrival_of(bytes_ahead + len(frame.payload), now=now)
        return arrives_at + _ESTIMATE_SLACK > frame.expires_at

    def _expire(self, *, now: float) -> None:
        expired = self._carrier.expire(now=now) if self._carrier is not None else []
        for frame in expired + self._queue.expire(now=now):
            self._give_up_on(frame)

    def _give_up_on(self, frame: Frame) -> None:
        """Drop a frame, and of a video track also what is not worth sending without it."""
        self._drop_expired(frame)
        if (layers := self._layers.get(frame.track)) is not None:
            for skipped in self._queue.skip_after(frame, layers=layers):
                self._drop_expired(skipped)
