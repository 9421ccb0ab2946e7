"""What all sending ends share, and the end of aioquic as it is, the baseline."""

from collections import deque
from collections.abc import Callable, Hashable

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
    MAX_MESSAGE_BYTES,
    MESSAGE,
    Malformed,
    dropped_record,
    keyframe_request,
    parse_keyframe_request,
    parse_message,
)
from glassbench.transport.quic.carrier import Carrier, CountUp, Emit
from glassbench.transport.quic.end import QuicEnd
from glassbench.transport.quic.options import QuicOptions
from glassbench.transport.quic.reports import parse_report
from glassbench.transport.quic.service import Service
from glassbench.transport.quic.session import REFUSED, DatagramPayload, Session, StreamAborted, StreamBytes
from glassbench.transport.quic.stack import Stack

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
_EVERYTHING = 2**31  # packets
LEAST_PRIORITY = 2**31
_MOST_UNTOLD = 4096  # dropped frames of which the peer can be told later; a jitter buffer holds fewer
_REQUEST_BYTES = len(keyframe_request(0))
_MOST_PENDING = 64  # DATAGRAMs that wait to be sent; an answer more would make the queue longer
_MOST_HELD = 4 * MAX_MESSAGE_BYTES  # bytes of messages that are not whole


class QuicSender(QuicEnd):
    """What both schedulers share: a bounded queue, a carrier, keyframe requests from the peer."""

    def __init__(
        self,
        config: TransportConfig,
        options: QuicOptions,
        session: type[Session],
        carrier: CarrierFactory,
        service: Service | None = None,
    ) -> None:
        super().__init__(config, options, session, sends=True, counters=_COUNTERS, service=service)
        self._make_carrier = carrier
        self._carrier: Carrier | None = None
        self._max_bytes = options.queue_bytes
        self._queue = FrameQueue(options.queue_bytes)
        # Layers by track of video; messages need no other.
        self._layers = {track.id: track.layers for track in config.tracks if track.media != "data"}
        self._asked: set[int] = set()  # streams whose keyframe request was taken, and that have not ended
        self._requests: dict[int, bytes] = {}  # and messages of whoever a service serves, by stream
        self._untold: deque[bytes] = deque(maxlen=_MOST_UNTOLD)  # records of dropped frames, for the peer

    @property
    def has_waiting(self) -> bool:
        """Whether bytes of frames wait to leave for the first time."""
        return bool(self._queue) or (self._carrier is not None and self._carrier.unsent_bytes(LEAST_PRIORITY) > 0)

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
        if self._carrier is not None and token is not None:  # None is an answer of a service
            self._carrier.on_datagram_sent(token, now=self._now)

    def on_datagram_settled(self, token: Hashable, acknowledged: bool) -> None:
        if self._carrier is not None and token is not None:
            self._carrier.on_datagram_settled(token, acknowledged, now=self._now)

    def on_path_narrowed(self) -> None:
        if self._carrier is not None:
            self._carrier.on_path_narrowed()

    def receive_datagram(self, data: bytes, peer: Address, ecn: int = 0, *, now: float) -> None:
        super().receive_datagram(data, peer, ecn, now=now)
        if self._carrier is not None:
            for frame in self._carrier.sweep():
                self._drop_full(frame)

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
        if self._service is None:
            self._equip(stack, session)

    def _on_ready(self, *, now: float) -> None:
        if self._service is not None and self._stack is not None and self._session is not None:
            self._equip(self._stack, self._session)  # what frames travel in is said when the session is asked for

    def _equip(self, stack: Stack, session: Session) -> None:
        self._carrier = self._make_carrier(stack, session, self._events.append, self._count_up)

    def _count_up(self, name: str, by: int = 1) -> None:
        self._count[name] += by

    def _take_stream(self, event: StreamBytes, *, now: float) -> None:
        """A stream of the peer is one keyframe request, or, of whoever a service serves, a message."""
        if event.stream_id in self._asked and not event.data:
            self._asked.discard(event.stream_id)  # the end of a request that was taken
            return
        data = self._requests.pop(event.stream_id, b"") + event.data
        if self._service is not None and data[:1] == bytes([MESSAGE]):
            self._take_message(self._service, event, data, now=now)
            return
        if len(data) < _REQUEST_BYTES and not event.ended:
            self._requests[event.stream_id] = data
            return
        try:
            track = parse_keyframe_request(data)
        except Malformed:
            track = -1
        if all(track != ours.id for ours in self._config.tracks):
            self._refuse(event)
            return
        if not event.ended:
            self._asked.add(event.stream_id)
        self._count["keyframe_requests"] += 1
        self._events.append(KeyframeRequested(track, now))

    def _answer(self, service: Service, data: bytes, *, now: float) -> None:
        if self._stack is None or self._session is None or self._stack.pending_datagrams() > _MOST_PENDING:
            return  # whoever asks so often gets no more answers than can leave
        answer = service.answer(data, now)
        if answer is None:
            self._count["malformed"] += 1
        else:
            self._stack.send_datagram(self._session.datagram(answer), None)

    def _take_message(self, service: Service, event: StreamBytes, data: bytes, *, now: float) -> None:
        if event.ended:
            try:
                service.take(parse_message(data), now)
            except Malformed:
                self._refuse(event)
        elif len(data) > MAX_MESSAGE_BYTES or len(data) + sum(map(len, self._requests.values())) > _MOST_HELD:
            self._refuse(event)
        else:
            self._requests[event.stream_id] = data

    def _refuse(self, event: StreamBytes) -> None:
        """Nothing more of this stream is wanted."""
        self._count["malformed"] += 1
        if self._stack is not None and self._session is not None and not event.ended:
            self._stack.discard_stream_data(event.stream_id, self._session.error_code(REFUSED))

    def _take_abort(self, event: StreamAborted, *, now: float) -> None:
        self._requests.pop(event.stream_id, None)
        self._asked.discard(event.stream_id)

    def _take_datagram_payload(self, event: DatagramPayload, *, now: float) -> None:
        """A report of receive times, if they were agreed on, or what a service answers; nothing else comes in
        DATAGRAMs."""
        if self._service is not None:
            self._answer(self._service, event.data, now=now)
            return
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
        elif (unsent := carrier.unsent_bytes(LEAST_PRIORITY)) and unsent + len(frame.payload) > self._max_bytes:
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
