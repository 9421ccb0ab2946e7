"""The receiving end for a page: it takes what a page says beside its frames, learns when these left, and believes in a
rate for the page."""

from collections.abc import Callable
from typing import Literal

from glassbench.transport.congestion.gcc.remote import RemoteEstimate
from glassbench.transport.contract import Frame, TransportConfig
from glassbench.transport.framing import MAX_MESSAGE_BYTES, MESSAGE, Malformed, message, parse_message
from glassbench.transport.quic.options import DatagramOptions
from glassbench.transport.quic.receiver import QuicReceiver, Unit
from glassbench.transport.quic.service import Service
from glassbench.transport.quic.session import REFUSED, DatagramPayload, StreamAborted, StreamBytes
from glassbench.transport.quic.webtransport import WebTransportSession

_MOST_WAITING = 256  # frames that came of which the page has not told, and the other way round
_MOST_PENDING = 64  # DATAGRAMs that wait to be sent
_MOST_HELD = 4 * MAX_MESSAGE_BYTES  # bytes of messages that are not whole
_LATE = 3  # frames that left later have come, so this one will not


class EstimatingReceiver(QuicReceiver):
    """`unit` is asked once the page has a session: in what its losses are known. The frames of `track` are measured."""

    def __init__(
        self, config: TransportConfig, options: DatagramOptions, service: Service, unit: Callable[[], Unit], track: int
    ) -> None:
        super().__init__(config, options, WebTransportSession, "datagram", service=service)
        self._service_of_page = service
        self._ask_unit = unit
        self._track = track
        self._kinds: dict[int, Literal["message", "refused", "media"]] = {}  # of streams that have not ended
        self._messages: dict[int, bytes] = {}  # that are not whole, by stream
        self._estimate: RemoteEstimate | None = None
        self._came: dict[int, tuple[int, float, float]] = {}  # size, first arrival and completion, by sequence
        self._left: dict[int, float] = {}  # when frames left that have not come, by sequence
        self._newest = -1

    @property
    def rate_bps(self) -> float | None:
        """What the path is believed to carry, in bits per second; None before `begin`."""
        return None if self._estimate is None else self._estimate.rate_bps

    def begin(self, start_bps: float) -> None:
        """The page begins with this rate. It has to be called before `departed`."""
        self._estimate = self._estimate or RemoteEstimate(start_bps)

    def departed(self, sequence: int, at: float, *, now: float) -> None:
        """A frame left `at`, by any clock in seconds; frames are told in their order. Before `begin` it does
        nothing."""
        if self._estimate is None or sequence <= self._newest:
            return
        self._newest = sequence
        self._left[sequence] = at
        for waiting in list(self._left):
            came = self._came.pop(waiting, None)
            if came is not None:
                size, first, complete = came
                left_at = self._left.pop(waiting)
                self._estimate.arrived(size, sent_at=left_at, first_arrival_at=first, complete_at=complete)
            elif waiting + _LATE < max(self._came, default=-1) or len(self._left) > _MOST_WAITING:
                del self._left[waiting]
                self._estimate.lost(now=now)

    def say(self, content: bytes) -> None:
        """Send a message to the page, on a stream of its own. Nothing is sent before it has a session."""
        if self._stack is None or self._session is None or not self._connected or self._closed:
            return
        if self._stack.may_open_stream():
            self._stack.send_stream_data(self._session.open_stream(), message(content), end_stream=True)

    def _on_ready(self, *, now: float) -> None:
        self._expect(self._ask_unit())

    def _take_stream(self, event: StreamBytes, *, now: float) -> None:
        kind = self._kinds.get(event.stream_id)
        if kind is None and event.data:
            kind = self._kinds[event.stream_id] = "message" if event.data[0] == MESSAGE else "media"
        if kind == "message":
            self._take_message(event, now=now)
        elif kind == "media":
            super()._take_stream(event, now=now)
        if event.ended:
            self._forget(event.stream_id)

    def _take_message(self, event: StreamBytes, *, now: float) -> None:
        data = self._messages.pop(event.stream_id, b"") + event.data
        if event.ended:
            try:
                self._service_of_page.take(parse_message(data), now)
            except Malformed:
                self._count["malformed"] += 1
        elif len(data) > MAX_MESSAGE_BYTES or len(data) + sum(map(len, self._messages.values())) > _MOST_HELD:
            self._count["malformed"] += 1
            self._kinds[event.stream_id] = "refused"
            assert self._stack is not None and self._session is not None
            self._stack.discard_stream_data(event.stream_id, self._session.error_code(REFUSED))
        else:
            self._messages[event.stream_id] = data

    def _take_abort(self, event: StreamAborted, *, now: float) -> None:
        super()._take_abort(event, now=now)
        self._forget(event.stream_id)

    def _forget(self, stream_id: int) -> None:
        if self._kinds.pop(stream_id, None) != "media":
            self._streams.pop(stream_id, None)  # when its bytes arrived was noted
        self._messages.pop(stream_id, None)

    def _take_datagram_payload(self, event: DatagramPayload, *, now: float) -> None:
        """A question to the service, or a fragment."""
        answer = self._service_of_page.answer(event.data, now)
        if answer is None:
            super()._take_datagram_payload(event, now=now)
        elif self._stack is not None and self._session is not None and self._stack.pending_datagrams() <= _MOST_PENDING:
            self._stack.send_datagram(self._session.datagram(answer), None)

    def _deliver(self, frame: Frame, first_arrival_at: float, complete_at: float, *, now: float) -> None:
        if frame.track == self._track and frame.sequence > self._newest - _MOST_WAITING:
            self._came[frame.sequence] = len(frame.payload), first_arrival_at, complete_at
            if len(self._came) > _MOST_WAITING:
                del self._came[next(iter(self._came))]
        super()._deliver(frame, first_arrival_at, complete_at, now=now)
