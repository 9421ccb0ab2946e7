"""One end of a QUIC connection behind the contract: what the sending and the receiving end share."""

import hmac
import logging
import ssl
from collections import Counter, deque
from collections.abc import Hashable, Mapping
from typing import TextIO, cast

from aioquic._buffer import Buffer
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import ConnectionTerminated
from aioquic.quic.packet import QuicErrorCode, QuicPacketType, pull_quic_header
from aioquic.tls import AlertDescription, SessionTicket
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509 import Certificate

from glassbench.transport.contract import Address, Closed, Connected, Datagram, Event, TransportConfig, Unsupported
from glassbench.transport.quic.certificate import SERVER_NAME, certificate, filler, private_key
from glassbench.transport.quic.chance import Chance
from glassbench.transport.quic.control import UNCONTROLLED, registered_name
from glassbench.transport.quic.options import QuicOptions
from glassbench.transport.quic.path_mtu import BASE_BYTES, PathMtu
from glassbench.transport.quic.qlog import KeyLog, Qlog
from glassbench.transport.quic.service import Service, Visit
from glassbench.transport.quic.session import DatagramPayload, Session, SessionEvent, StreamAborted, StreamBytes
from glassbench.transport.quic.stack import NO_ERROR, Stack
from glassbench.transport.quic.ticket import IDENTITY, ticket

_FLOW_CONTROL_BYTES = 16 * 2**20
_IDLE_TIMEOUT = 60.0
_BAD_CERTIFICATE = QuicErrorCode.CRYPTO_ERROR + 42  # RFC 8446 6.2, RFC 9001 4.8
_FAREWELL_PACKETS = 4

logging.getLogger("quic").setLevel(logging.CRITICAL)  # aioquic warns of what a peer does wrong; here it is counted


class QuicEnd:
    """The verbs of the contract around a `Stack`. The sender calls and the receiver listens, but for a sender that has
    a `service`, which listens, and a receiver on a `visit`, which calls: a browser can do nothing but call. A receiver
    with a `service` listens for a browser.

    A listener has no connection until a first Initial packet proves authentic; what comes before is counted.
    """

    def __init__(
        self,
        config: TransportConfig,
        options: QuicOptions,
        session: type[Session],
        *,
        sends: bool,
        counters: tuple[str, ...],
        service: Service | None = None,
        visit: Visit | None = None,
    ) -> None:
        if config.max_datagram_bytes < BASE_BYTES:
            raise ValueError(
                f"max_datagram_bytes must be at least {BASE_BYTES} for QUIC, got {config.max_datagram_bytes}"
            )
        if options.zero_rtt and session.no_early_data is not None:
            raise Unsupported(session.no_early_data)
        self._config = config
        self._scheduled = options.scheduled
        self._ecn = options.ecn
        self._timed = options.timed
        self._session_type = session
        self._sends = sends
        self._calls = calls = service is None if sends else visit is not None
        self._service = service
        self._visit = visit
        self._events: deque[Event] = deque()
        self._count = Counter(dict.fromkeys(("datagrams_sent", "datagrams_received", "malformed", *counters), 0))
        self._now = 0.0  # of the verb that is running: aioquic's reports carry no time
        self._farewell: list[Datagram] = []
        self._closed = False
        self._connected = False
        self._accepted = False  # the handshake is over, and the peer is who it should be
        self._chance = Chance(config.seed, calls=calls)
        self._qlog = None if config.observer is None else Qlog(config.observer.on_qlog, lambda: self._now)
        self._configuration = self._configure(options)
        self._ticket = ticket(self._configuration, SERVER_NAME) if options.zero_rtt else None  # the same at both ends
        if calls:
            self._configuration.session_ticket = self._ticket
        self._session: Session | None = None
        self._stack: Stack | None = None

    def connect(self, *, now: float) -> None:
        self._now = now
        if self._calls and self._stack is None and not self._closed:
            self._stack = Stack(
                self,
                configuration=self._configuration,
                chance=self._chance,
                scheduled=self._scheduled,
                ecn=self._ecn,
                timed=self._timed,
                path_mtu=self._path_mtu(),
            )
            self._session = self._session_type(self._stack, self._config.peer)
            self._session.visit = self._visit
            self._on_stack(self._stack, self._session)
            self._stack.call(self._config.peer, now=now)
            if self._stack.sends_early_data:
                self._open(now=now)

    def receive_datagram(self, data: bytes, peer: Address, ecn: int = 0, *, now: float) -> None:
        self._now = now
        self._count["datagrams_received"] += 1
        if self._closed:
            return
        if self._stack is None:
            self._listen(data, peer, ecn, now=now)
        else:
            self._take(self._stack, data, peer, ecn, now=now)
        self._handle_events(now=now)
        if self._stack is not None:
            self._stack.settle(now=now)

    def get_timer(self) -> float | None:
        return self._stack.due_at() if self._stack is not None else None

    def handle_timer(self, *, now: float) -> None:
        self._now = now
        if self._stack is not None:
            self._stack.tick(now=now)
            self._handle_events(now=now)

    def next_event(self) -> Event | None:
        return self._events.popleft() if self._events else None

    def datagrams_to_send(self, *, now: float) -> list[Datagram]:
        self._now = now
        datagrams, self._farewell = self._farewell, []
        if self._stack is not None and self._stack.started:
            datagrams += self._transmit(self._stack, now=now)
            if self._stack.terminated is not None:  # by the packet that closes it
                self._handle_events(now=now)
        if self._stack is not None and (codepoint := self._stack.codepoint):
            datagrams = [datagram._replace(ecn=codepoint) for datagram in datagrams]
        self._count["datagrams_sent"] += len(datagrams)
        if self._qlog is not None:
            self._qlog.flush()  # every verb is followed by this one
        return datagrams

    def close(self, *, now: float) -> None:
        self._now = now
        if self._closed:
            return
        if self._stack is None or not self._stack.started or self._session is None:
            self._end(None, now=now)
            return
        self._session.close()
        self._farewell += _to_network(self._stack.transmit(_FAREWELL_PACKETS, now=now))
        self._stack.close(error_code=QuicErrorCode.NO_ERROR)

    def stats(self) -> Mapping[str, int]:
        return dict(self._count)

    def is_begun(self) -> bool:
        """Whether there is a connection: of a listener, whether a packet of a caller was authentic."""
        return self._stack is not None

    def is_for(self, connection_id: bytes) -> bool:
        """Whether the other end has this connection id for us."""
        return self._stack is not None and self._stack.has_id(connection_id)

    def silence(self, *, now: float) -> float:
        """For how many seconds the other end has acknowledged nothing of what waits for that."""
        return self._stack.silence(now=now) if self._stack is not None else 0.0

    @property
    def malformed(self) -> int:
        """How much of what the other end sent was refused."""
        return self._count["malformed"]

    # What aioquic reports while it works (`transport.quic.observed.Reports`); each end overrides what it needs.

    def on_stream_sent(self, stream_id: int, start: int, offset: int, size_bytes: int) -> None:
        pass

    def on_datagram_sent(self, token: Hashable) -> None:
        pass

    def on_datagram_settled(self, token: Hashable, acknowledged: bool) -> None:
        pass

    def on_stream_arrived(self, stream_id: int, start: int, stop: int, at: float) -> None:
        pass

    def on_path_narrowed(self) -> None:
        pass

    # What the two ends fill in.

    def _on_stack(self, stack: Stack, session: Session) -> None:
        """The connection exists, though nothing may be sent yet."""

    def _on_ready(self, *, now: float) -> None:
        """The session is open."""

    def _transmit(self, stack: Stack, *, now: float) -> list[Datagram]:
        return _to_network(stack.transmit(_FAREWELL_PACKETS, now=now))

    def _take_stream(self, event: StreamBytes, *, now: float) -> None:
        raise NotImplementedError

    def _take_abort(self, event: StreamAborted, *, now: float) -> None:
        raise NotImplementedError

    def _take_datagram_payload(self, event: DatagramPayload, *, now: float) -> None:
        raise NotImplementedError

    def _configure(self, options: QuicOptions) -> QuicConfiguration:
        configuration = QuicConfiguration(
            alpn_protocols=[self._session_type.alpn],
            is_client=self._calls,
            idle_timeout=_IDLE_TIMEOUT,
            max_data=2 * _FLOW_CONTROL_BYTES,
            max_stream_data=_FLOW_CONTROL_BYTES,
            max_datagram_size=BASE_BYTES,
            max_datagram_frame_size=65535,
            congestion_control_algorithm=self._control(options),
        )
        if self._config.observer is not None:
            configuration.quic_logger = self._qlog
            configuration.secrets_log_file = cast(TextIO, KeyLog(self._config.observer.on_keys))
        if self._calls:
            configuration.server_name = SERVER_NAME
            configuration.verify_mode = ssl.CERT_NONE  # pinned instead, see `_accept`
        elif self._service is not None:
            configuration.certificate = self._service.certificate
            configuration.private_key = self._service.private_key
        else:
            configuration.certificate = certificate()
            configuration.private_key = private_key()
            configuration.certificate_chain = [filler(options.chain_bytes)] if options.chain_bytes else []
        return configuration

    def _control(self, options: QuicOptions) -> str:
        """The name of the congestion control in aioquic's table. Only who sends media has ours; the other end sends
        ACKs and requests, and a report with an ACK at most."""
        if not self._scheduled:
            return options.control
        return registered_name(options.controller) if self._sends else UNCONTROLLED if options.timed else "reno"

    def _listen(self, data: bytes, peer: Address, ecn: int, *, now: float) -> None:
        """aioquic wants a listening connection to be made for a certain Initial packet."""
        try:
            header = pull_quic_header(Buffer(data=data), host_cid_length=self._configuration.connection_id_length)
        except ValueError:
            self._count["malformed"] += 1
            return
        if (
            self._calls
            or header.packet_type is not QuicPacketType.INITIAL
            or header.version not in self._configuration.supported_versions
            or len(data) < BASE_BYTES
        ):
            self._count["malformed"] += 1
            return
        stack = Stack(
            self,
            configuration=self._configuration,
            chance=self._chance,
            scheduled=self._scheduled,
            ecn=self._ecn,
            timed=self._timed,
            path_mtu=self._path_mtu(),
            original_destination_connection_id=header.destination_cid,
            session_ticket_fetcher=self._find_ticket,
        )
        self._take(stack, data, peer, ecn, now=now)
        if not stack.progressed:
            self._count["malformed"] += 1
            if self._qlog is not None:
                self._qlog.discard()
            return
        self._stack = stack
        self._session = self._session_type(stack, self._config.peer)
        if self._service is not None:
            self._session.admit = self._service.admit
        self._on_stack(stack, self._session)

    def _find_ticket(self, identity: bytes) -> SessionTicket | None:
        return self._ticket if identity == IDENTITY else None

    def _take(self, stack: Stack, data: bytes, peer: Address, ecn: int, *, now: float) -> None:
        try:
            stack.take(data, peer, ecn, now=now)
        except Exception:  # whatever hostile bytes provoke in aioquic: this connection ends, not the process
            self._give_up(stack)

    def _handle_events(self, *, now: float) -> None:
        stack, session = self._stack, self._session
        if stack is None or session is None or self._closed:
            return
        while (event := stack.take_event()) is not None:
            try:
                meanings = session.take(event)
            except Exception:  # as above, of HTTP/3 and QPACK
                self._give_up(stack)
                break
            for meaning in meanings:
                self._handle(meaning, now=now)
        if session.ready and not self._accepted:
            self._accept(stack, now=now)
        if (ending := stack.terminated) is not None:
            self._count["malformed"] += stack.has_refused
            self._end(session.refusal if ending.error_code in NO_ERROR else _reason(ending), now=now)
        elif session.closed_by_peer():
            stack.close(error_code=QuicErrorCode.NO_ERROR)

    def _path_mtu(self) -> PathMtu | None:
        return PathMtu(self._config.max_datagram_bytes) if self._scheduled and self._sends else None

    def _is_expected(self, presented: Certificate) -> bool:
        if self._visit is None:
            return presented == certificate()
        return hmac.compare_digest(presented.fingerprint(SHA256()), self._visit.fingerprint)

    def _accept(self, stack: Stack, *, now: float) -> None:
        if self._calls and not stack.resumed and not self._is_expected(stack.peer_certificate):
            stack.close(error_code=_BAD_CERTIFICATE, reason_phrase="the certificate is not the pinned one")
            return
        self._accepted = True
        if not self._connected:  # by early data
            self._open(now=now)

    def _open(self, *, now: float) -> None:
        self._connected = True
        self._events.append(Connected(now))
        self._on_ready(now=now)

    def _give_up(self, stack: Stack) -> None:
        stack.close(error_code=QuicErrorCode.INTERNAL_ERROR, reason_phrase="the peer's bytes could not be handled")

    def _handle(self, event: SessionEvent, *, now: float) -> None:
        if isinstance(event, StreamBytes):
            self._take_stream(event, now=now)
        elif isinstance(event, DatagramPayload):
            self._take_datagram_payload(event, now=now)
        elif isinstance(event, StreamAborted):
            self._take_abort(event, now=now)
        else:
            self._count["malformed"] += 1

    def _end(self, error: str | None, *, now: float) -> None:
        self._closed = True
        self._events.append(Closed(now, error))


def _reason(ending: ConnectionTerminated) -> str:
    """Why the connection was closed. Errors of TLS are alerts, which their peer need not explain (RFC 9001 4.8)."""
    alert = ending.error_code - QuicErrorCode.CRYPTO_ERROR
    is_alert = ending.frame_type is not None and alert in list(AlertDescription)
    reason = ending.reason_phrase or (f"TLS alert {AlertDescription(alert).name}" if is_alert else "no reason given")
    return f"connection closed: {reason} (code {ending.error_code:#x})"


def _to_network(datagrams: list[tuple[bytes, Address]]) -> list[Datagram]:
    return [Datagram(data, peer) for data, peer in datagrams]
