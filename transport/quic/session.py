"""What runs inside a connection: bare QUIC, or a WebTransport session (`transport/quic/webtransport.py`)."""

from typing import ClassVar, NamedTuple, Protocol

from aioquic.quic.events import DatagramFrameReceived, HandshakeCompleted, QuicEvent, StreamDataReceived, StreamReset

from glassbench.transport.contract import Address
from glassbench.transport.quic.service import Admit, Visit
from glassbench.transport.quic.stack import Stack

EXPIRED = 1  # application error code of a stream whose frames passed their deadline
REFUSED = 2  # of a stream that brought nonsense, or too much


class StreamBytes(NamedTuple):
    """The next bytes of a stream of the peer, in order."""

    stream_id: int
    data: bytes
    ended: bool


class StreamAborted(NamedTuple):
    """The peer reset a stream."""

    stream_id: int


class DatagramPayload(NamedTuple):
    """The payload of a DATAGRAM."""

    data: bytes


class Nonsense(NamedTuple):
    """Bytes outside of the session."""


SessionEvent = StreamBytes | StreamAborted | DatagramPayload | Nonsense


class Session(Protocol):
    """One application session on one connection. Only unidirectional streams carry media."""

    alpn: ClassVar[str]
    no_early_data: ClassVar[str | None] = None  # why frames may not leave in 0-RTT packets; None if they may
    ready: bool  # the listener agreed to it
    refusal: str | None = None  # why the listener did not
    admit: Admit | None = None  # of a listener: whom it lets in; None for every caller of ours
    visit: Visit | None = None  # of a caller: what it asks for; None for what callers of ours do

    def __init__(self, stack: Stack, peer: Address) -> None: ...

    @property
    def stream_prefix_bytes(self) -> int:
        """What `open_stream` writes ahead of the first record."""

    @property
    def datagram_prefix_bytes(self) -> int:
        """What `datagram` adds."""

    def open_stream(self) -> int:
        """A new unidirectional stream, which the next write on it opens."""

    def datagram(self, data: bytes) -> bytes:
        """The payload of a DATAGRAM that carries `data` in this session."""

    def error_code(self, code: int) -> int:
        """An application error code as it stands in RESET_STREAM and STOP_SENDING."""

    def take(self, event: QuicEvent) -> list[SessionEvent]:
        """What an event of the connection means to the session."""

    def close(self) -> None:
        """Say goodbye inside the connection, which is closed right after."""

    def closed_by_peer(self) -> bool:
        """Whether the peer said goodbye."""


class BareSession(Session):
    """QUIC streams and DATAGRAMs as they are."""

    alpn = "glassbench"
    stream_prefix_bytes = 0
    datagram_prefix_bytes = 0

    def __init__(self, stack: Stack, peer: Address) -> None:
        self._stack = stack
        self.ready = False

    def open_stream(self) -> int:
        return self._stack.get_next_available_stream_id(is_unidirectional=True)

    def datagram(self, data: bytes) -> bytes:
        return data

    def error_code(self, code: int) -> int:
        return code

    def take(self, event: QuicEvent) -> list[SessionEvent]:
        if isinstance(event, StreamDataReceived):
            return [StreamBytes(event.stream_id, event.data, event.end_stream)]
        if isinstance(event, DatagramFrameReceived):
            return [DatagramPayload(event.data)]
        if isinstance(event, StreamReset):
            return [StreamAborted(event.stream_id)]
        if isinstance(event, HandshakeCompleted):
            self.ready = True
        return []

    def close(self) -> None:
        pass

    def closed_by_peer(self) -> bool:
        return False
