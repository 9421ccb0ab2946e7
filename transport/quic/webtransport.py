"""A WebTransport session over HTTP/3 (draft-ietf-webtrans-http3-02, which aioquic and Chromium speak).

aioquic's HTTP/3 brings settings, QPACK, the stream types and the DATAGRAM prefix. The rest of the session is here: the
extended CONNECT and its answer, the session's end by capsule, the mapping of error codes.
"""

from contextlib import suppress

from aioquic.buffer import encode_uint_var
from aioquic.h3.connection import ErrorCode, FrameUnexpected, H3Connection, Setting
from aioquic.h3.events import DatagramReceived, DataReceived, H3Event, HeadersReceived, WebTransportStreamDataReceived
from aioquic.quic.events import (
    HandshakeCompleted,
    ProtocolNegotiated,
    QuicEvent,
    StopSendingReceived,
    StreamDataReceived,
    StreamReset,
)

from glassbench.transport.contract import Address
from glassbench.transport.quic.capsules import MalformedCapsuleError, SessionEnd, session_end
from glassbench.transport.quic.session import (
    DatagramPayload,
    Nonsense,
    Session,
    SessionEvent,
    StreamAborted,
    StreamBytes,
)
from glassbench.transport.quic.stack import Stack

PATH = b"/glassbench"
DRAFT_OFFER = (b"sec-webtransport-http3-draft02", b"1")
DRAFT_ANSWER = (b"sec-webtransport-http3-draft", b"draft02")

_MAX_HTTP_FRAME_BYTES = 65536  # of headers and settings; media is not framed
_STREAM_TYPE = 0x54
_OK, _NOT_HERE = 200, 404
_FIRST_ERROR = 0x52E4A40FA8DB


def http_error_code(code: int) -> int:
    """A WebTransport application error code as an HTTP/3 one, around the reserved values (draft-02 section 4.3)."""
    return _FIRST_ERROR + code + code // 0x1E


def application_error_code(code: int) -> int | None:
    """The inverse; None for a code that stands for none."""
    shifted = code - _FIRST_ERROR
    if shifted < 0 or (code - 0x21) % 0x1F == 0:
        return None
    return shifted - shifted // 0x1F


class WebTransportSession(Session):
    """One session. The caller asks for it when the listener's settings allow it; the listener answers 200."""

    alpn = "h3"
    no_early_data = (
        "WebTransport has no 0-RTT: CONNECT is not a safe method, so a session cannot be asked for in early data "
        "(draft-ietf-webtrans-http3-08 section 3.3)"
    )

    def __init__(self, stack: Stack, peer: Address) -> None:
        self.ready = False
        self._stack = stack
        self._calls = stack.configuration.is_client
        self._authority = f"{peer[0]}:{peer[1]}".encode()
        self._http: H3Connection | None = None
        self._confirmed = False
        self._id: int | None = None  # of the CONNECT stream, and so of the session
        self._end = SessionEnd()
        self._closed_by_peer = False

    @property
    def stream_prefix_bytes(self) -> int:
        return len(encode_uint_var(_STREAM_TYPE)) + len(encode_uint_var(self._id or 0))

    @property
    def datagram_prefix_bytes(self) -> int:
        return len(encode_uint_var((self._id or 0) // 4))

    def open_stream(self) -> int:
        assert self._http is not None and self._id is not None
        return self._http.create_webtransport_stream(self._id, is_unidirectional=True)

    def datagram(self, data: bytes) -> bytes:
        return encode_uint_var((self._id or 0) // 4) + data

    def error_code(self, code: int) -> int:
        return http_error_code(code)

    def take(self, event: QuicEvent) -> list[SessionEvent]:
        if isinstance(event, ProtocolNegotiated):
            self._http = H3Connection(self._stack, enable_webtransport=True)
        if isinstance(event, HandshakeCompleted):
            self._confirmed = True
        meanings: list[SessionEvent] = []
        if self._http is not None:
            for each in self._http.handle_event(event):
                meanings += self._take_http(each)
            self._limit(self._http, event)
            self._connect(self._http)
        if isinstance(event, StreamReset | StopSendingReceived) and event.stream_id == self._id:
            self._closed_by_peer = True
        if isinstance(event, StreamReset):
            meanings.append(StreamAborted(event.stream_id))
        return meanings

    def close(self) -> None:
        if self._http is not None and self._id is not None and self.ready and not self._closed_by_peer:
            self._http.send_data(self._id, session_end(0, ""), end_stream=True)

    def closed_by_peer(self) -> bool:
        return self._closed_by_peer

    def _limit(self, http: H3Connection, event: QuicEvent) -> None:
        """Bound what aioquic keeps: it collects an HTTP/3 frame until that is whole, whatever length it claims."""
        if isinstance(event, StreamDataReceived):
            stream = http._stream.get(event.stream_id)
            if stream is not None and len(stream.buffer) > _MAX_HTTP_FRAME_BYTES:
                self._stack.close(error_code=ErrorCode.H3_EXCESSIVE_LOAD, reason_phrase="HTTP/3 frame too large")

    def _connect(self, http: H3Connection) -> None:
        """Ask for the session. The draft wants the server's settings first: without its consent the request would be
        malformed."""
        settings = http.received_settings
        if not self._calls or self._id is not None or not self._confirmed or settings is None:
            return
        if not settings.get(Setting.ENABLE_WEBTRANSPORT) or not settings.get(Setting.H3_DATAGRAM):
            self._refuse("the listener speaks HTTP/3 without WebTransport")
            return
        self._id = self._stack.get_next_available_stream_id()
        http.send_headers(
            self._id,
            [
                (b":method", b"CONNECT"),
                (b":scheme", b"https"),
                (b":authority", self._authority),
                (b":path", PATH if self.visit is None else self.visit.path),
                (b":protocol", b"webtransport"),
                DRAFT_OFFER,
                *([] if self.visit is None else [(b"origin", self.visit.origin)]),
            ],
        )

    def _take_http(self, event: H3Event) -> list[SessionEvent]:
        if isinstance(event, WebTransportStreamDataReceived):
            if event.session_id != self._id or not self.ready:
                return [Nonsense()]
            return [StreamBytes(event.stream_id, event.data, event.stream_ended)]
        if isinstance(event, DatagramReceived):
            if event.stream_id != self._id or not self.ready:
                return [Nonsense()]
            return [DatagramPayload(event.data)]
        if isinstance(event, HeadersReceived):
            return self._take_headers(event)
        if isinstance(event, DataReceived) and event.stream_id == self._id:
            return self._take_capsules(event)
        return []

    def _take_headers(self, event: HeadersReceived) -> list[SessionEvent]:
        assert self._http is not None
        headers = dict(event.headers)
        if self._calls:
            if event.stream_id == self._id and not self.ready:
                answered = headers.get(b":status", b"")
                self.ready = answered == b"200"
                if not self.ready:
                    self._refuse(f"the listener answered {answered[:3].decode(errors='replace')} to our CONNECT")
            return []
        if event.stream_id == self._id:
            return [Nonsense()]  # trailers
        asks = self._id is None and _asks_for_session(headers)
        status = self._status(headers) if asks else _NOT_HERE
        if status == _OK:
            self._id = event.stream_id
            self.ready = True
            self._http.send_headers(event.stream_id, [(b":status", b"200"), DRAFT_ANSWER])
            return []
        with suppress(FrameUnexpected):  # trailers of a request that was answered
            self._http.send_headers(event.stream_id, [(b":status", b"%d" % status)], end_stream=True)
        return [] if asks or self.admit is None else [Nonsense()]  # who serves strangers counts what it refuses

    def _status(self, headers: dict[bytes, bytes]) -> int:
        """What somebody who asks for a session is answered."""
        if self.admit is not None:
            return self.admit(headers)
        return _OK if headers.get(b":path") == PATH else _NOT_HERE

    def _refuse(self, why: str) -> None:
        self.refusal, self._closed_by_peer = why, True

    def _take_capsules(self, event: DataReceived) -> list[SessionEvent]:
        try:
            ended = self._end.feed(event.data)
        except MalformedCapsuleError:
            self._closed_by_peer = True
            return [Nonsense()]
        self._closed_by_peer = self._closed_by_peer or ended or event.stream_ended
        return []


def _asks_for_session(headers: dict[bytes, bytes]) -> bool:
    return headers.get(b":method") == b"CONNECT" and headers.get(b":protocol") == b"webtransport"
