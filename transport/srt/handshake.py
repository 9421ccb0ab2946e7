"""The HSv5 handshake of caller and listener (draft-sharabayko-srt 3.2.1, 4.3.1).

    caller                                    listener
    INDUCTION, version 4, no cookie   ->
                                      <-      INDUCTION, version 5, cookie, magic 0x4A17
    CONCLUSION, cookie, HSREQ         ->                                                connected
    connected                         <-      CONCLUSION, HSRSP

The caller repeats its packet every 250 ms; the listener keeps no state until a cookie comes back, and answers a
repeated conclusion again. HSREQ proposes the latencies of both directions and the responder takes the larger of the
proposal and its own. There is no encryption: a KMREQ is refused with libsrt's code for it (UNSECURE). Rendezvous and
the handshake of version 4 are refused too.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import blake2s

from glassbench.transport.contract import Address
from glassbench.transport.srt.handshake_packet import (
    CONCLUSION,
    CONGESTION_EXT,
    FAILURE,
    FILTER_EXT,
    GROUP_EXT,
    HSREQ,
    HSREQ_FLAG,
    HSRSP,
    INDUCTION,
    KMREQ,
    KMRSP,
    MAGIC,
    OUR_FLAGS,
    STREAM,
    TLPKTDROP,
    Handshake,
    Rejection,
    SrtExtension,
    little_endian_text,
    pack,
    pack_extension,
    packed_address,
    parse_extension,
)
from glassbench.transport.srt.timing import PeerClock
from glassbench.transport.srt.wire import (
    HEADER_BYTES,
    IP_UDP_HEADER_BYTES,
    MAX_PAYLOAD_BYTES,
    SEQUENCE_MASK,
    timestamp_us,
)

REPEAT_INTERVAL = 0.25
CONNECT_TIMEOUT = 3.0  # SRTO_CONNTIMEO
SRT_VERSION = 0x010501  # 1.5.1, whose behaviour is followed
MAX_LATENCY_MS = 0xFFFF
MIN_PAYLOAD_BYTES = 64
_PEER: Mapping[int, str] = {
    Rejection.BACKLOG: "has as many connections as it takes",
    Rejection.CLOSE: "is about to close",
    Rejection.VERSION: "wants another version of SRT than 1.5.1",
    Rejection.UNSECURE: "wants encryption, which is not supported",
    Rejection.MESSAGEAPI: "wants stream mode, only live messages are supported",
    Rejection.CONGESTION: "wants another congestion control than live",
    Rejection.FILTER: "wants a packet filter, which is not supported",
    Rejection.GROUP: "wants a connection group, which is not supported",
}
"""What a peer does that refuses us for this reason, or whom we refuse."""


@dataclass(frozen=True, slots=True)
class Offer:
    """What one end brings to the handshake. Latencies in ms; `window` in packets."""

    socket: int
    sequence: int
    mtu: int
    window: int
    receive_latency_ms: int
    send_latency_ms: int


@dataclass(frozen=True, slots=True)
class Agreed:
    """What the handshake settled, seen from one end. Latencies in seconds; the clock turns the peer's timestamps."""

    peer: Address
    peer_socket: int
    send_sequence: int
    receive_sequence: int
    max_payload_bytes: int
    peer_window: int
    peer_clock: PeerClock
    receive_latency: float
    send_latency: float
    peer_drops_late: bool


class RefusedError(Exception):
    """The handshake failed. `reason` is the rejection code of libsrt."""

    def __init__(self, reason: int, text: str) -> None:
        super().__init__(text)
        self.reason = reason


class Caller:
    """The end that calls: what to send and when, until the answer to its conclusion is there."""

    def __init__(self, offer: Offer, peer: Address, *, now: float) -> None:
        self._offer = offer
        self._peer = peer
        self._started_at = now
        self._request = Handshake(
            version=4,
            field=2,
            sequence=offer.sequence,
            mtu=offer.mtu,
            window=offer.window,
            kind=INDUCTION,
            socket=offer.socket,
            cookie=0,
            address=packed_address(peer),
        )
        self.send_at = now
        self.expires_at = now + CONNECT_TIMEOUT

    def take(self, *, now: float) -> bytes:
        """The handshake packet that is due; the next one is due a quarter of a second later."""
        self.send_at = now + REPEAT_INTERVAL
        return pack(self._request, timestamp=timestamp_us(now - self._started_at), destination=0)

    def receive(self, packet: Handshake, timestamp: int, *, now: float) -> Agreed | None:
        """Take the listener's answer. Raises RefusedError when it rejects us or we cannot do what it asks."""
        if packet.kind >= FAILURE:
            raise _rejected(packet.kind - FAILURE)
        if packet.kind == INDUCTION and self._request.kind == INDUCTION:
            self._conclude(packet)
            self.send_at = now
        elif packet.kind == CONCLUSION and self._request.kind == CONCLUSION:
            extension = _acceptable(packet, HSRSP)
            # HSRSP speaks from the listener's side: what it receives is what we send.
            return Agreed(
                peer=self._peer,
                peer_socket=packet.socket,
                send_sequence=self._offer.sequence,
                receive_sequence=packet.sequence,
                max_payload_bytes=_payload_bytes(min(packet.mtu, self._offer.mtu)),
                peer_window=packet.window,
                peer_clock=PeerClock(timestamp, now),
                receive_latency=extension.send_latency_ms / 1e3,
                send_latency=extension.receive_latency_ms / 1e3,
                peer_drops_late=bool(extension.flags & TLPKTDROP),
            )
        return None

    def _conclude(self, answer: Handshake) -> None:
        if answer.version != 5 or answer.field != MAGIC:
            raise RefusedError(
                Rejection.VERSION, f"the listener speaks handshake version {answer.version}, only 5 is supported"
            )
        offer = self._offer
        extension = SrtExtension(SRT_VERSION, OUR_FLAGS, offer.receive_latency_ms, offer.send_latency_ms)
        self._request = replace(
            self._request,
            version=5,
            field=HSREQ_FLAG,
            kind=CONCLUSION,
            cookie=answer.cookie,
            extensions=((HSREQ, pack_extension(extension)),),
        )


class Listener:
    """The end that is called. Stateless until a conclusion with a good cookie; one connection only."""

    def __init__(self, offer: Offer, secret: bytes, *, now: float) -> None:
        self._offer = offer
        self._secret = secret
        self._started_at = now
        self._answered: tuple[Address, Handshake] | None = None  # the answer that made the connection
        self.refusal: str | None = None  # why nobody is connected, if somebody called

    def receive(
        self, packet: Handshake, timestamp: int, peer: Address, *, now: float
    ) -> tuple[bytes | None, Agreed | None]:
        """Take a handshake packet from anybody: the answer to send back, and the connection if this made it."""
        answer: Handshake | None = None
        agreed: Agreed | None = None
        if packet.kind == INDUCTION:
            cookie = self._cookie(peer, int(now // 60))
            answer = replace(packet, version=5, field=MAGIC, encryption=0, cookie=cookie, extensions=())
        elif packet.kind == CONCLUSION and self._is_ours(packet.cookie, peer, now):
            try:
                answer, agreed = self._conclude(packet, timestamp, peer, now)
                self.refusal = None
            except RefusedError as refused:
                answer = replace(packet, kind=FAILURE + refused.reason, extensions=())
                if self._answered is None:
                    self.refusal = f"the caller was refused: {refused}"
        if answer is None:
            return None, None
        stamp = timestamp_us(now - self._started_at)
        return pack(answer, timestamp=stamp, destination=packet.socket), agreed

    def _conclude(
        self, packet: Handshake, timestamp: int, peer: Address, now: float
    ) -> tuple[Handshake, Agreed | None]:
        if self._answered is not None:
            caller, answer = self._answered
            if caller == peer and answer.cookie == packet.cookie and answer.sequence == packet.sequence:
                return answer, None  # our answer was lost
            raise RefusedError(Rejection.BACKLOG, "this listener has its connection")
        extension = _acceptable(packet, HSREQ)
        offer = self._offer
        # HSREQ speaks from the caller's side: what it sends is what we receive.
        receive_latency_ms = max(offer.receive_latency_ms, extension.send_latency_ms)
        send_latency_ms = max(offer.send_latency_ms, extension.receive_latency_ms)
        response = SrtExtension(SRT_VERSION, OUR_FLAGS, receive_latency_ms, send_latency_ms)
        mtu = min(offer.mtu, packet.mtu)
        answer = Handshake(
            version=5,
            field=HSREQ_FLAG,
            sequence=packet.sequence,  # both directions start at the caller's number, as in libsrt
            mtu=mtu,
            window=offer.window,
            kind=CONCLUSION,
            socket=offer.socket,
            cookie=packet.cookie,
            address=packed_address(peer),
            extensions=((HSRSP, pack_extension(response)),),
        )
        self._answered = (peer, answer)
        return answer, Agreed(
            peer=peer,
            peer_socket=packet.socket,
            send_sequence=packet.sequence,
            receive_sequence=packet.sequence,
            max_payload_bytes=_payload_bytes(mtu),
            peer_window=packet.window,
            peer_clock=PeerClock(timestamp, now),
            receive_latency=receive_latency_ms / 1e3,
            send_latency=send_latency_ms / 1e3,
            peer_drops_late=bool(extension.flags & TLPKTDROP),
        )

    def _is_ours(self, cookie: int, peer: Address, now: float) -> bool:
        minute = int(now // 60)
        return cookie in (self._cookie(peer, minute), self._cookie(peer, minute - 1))

    def _cookie(self, peer: Address, minute: int) -> int:
        digest = blake2s(f"{peer[0]} {peer[1]} {minute}".encode(), key=self._secret, digest_size=4).digest()
        return int.from_bytes(digest, "big")


def _acceptable(packet: Handshake, wanted: int) -> SrtExtension:
    """The SRT extension of a conclusion that we can live with. Raises RefusedError for any other."""
    if packet.version != 5:
        raise RefusedError(Rejection.VERSION, f"handshake version {packet.version}, only 5 is supported")
    if packet.sequence >= SEQUENCE_MASK or packet.window < 2 or _payload_bytes(packet.mtu) < MIN_PAYLOAD_BYTES:
        raise RefusedError(Rejection.ROGUE, "sequence number, MTU or flow window out of range")
    extension: SrtExtension | None = None
    for kind, contents in packet.extensions:
        if kind in (KMREQ, KMRSP):
            raise _refused(Rejection.UNSECURE)
        if kind == FILTER_EXT:
            raise _refused(Rejection.FILTER)
        if kind == GROUP_EXT:
            raise _refused(Rejection.GROUP)
        if kind == CONGESTION_EXT and little_endian_text(contents) != "live":
            raise _refused(Rejection.CONGESTION)
        if kind == wanted:
            extension = parse_extension(contents)
    if extension is None:
        raise RefusedError(Rejection.ROGUE, "conclusion without an SRT extension")
    if extension.version < 0x010300:
        raise RefusedError(
            Rejection.ROGUE, f"handshake version 5 from SRT version 0x{extension.version:06x}, which is older"
        )
    if extension.flags & STREAM:
        raise _refused(Rejection.MESSAGEAPI)
    return extension


def _refused(reason: Rejection) -> RefusedError:
    return RefusedError(reason, f"the peer {_PEER[reason]}")


def _rejected(reason: int) -> RefusedError:
    """The listener's word for it. Codes beyond those of the protocol are of the application that listens."""
    name = Rejection(reason).name if reason in list(Rejection) else "a reason of its application"
    why = f", since it {_PEER[reason]}" if reason in _PEER else ""
    return RefusedError(reason, f"the listener rejected the connection{why} ({reason}, {name})")


def _payload_bytes(mtu: int) -> int:
    return min(MAX_PAYLOAD_BYTES, mtu - IP_UDP_HEADER_BYTES - HEADER_BYTES)
