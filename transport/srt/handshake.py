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

import struct
from dataclasses import dataclass, replace
from enum import IntEnum
from hashlib import blake2s
from ipaddress import ip_address

from transport.contract import Address
from transport.framing import Malformed
from transport.srt.timing import PeerClock
from transport.srt.wire import (
    HANDSHAKE,
    HEADER_BYTES,
    IP_UDP_HEADER_BYTES,
    MAX_PAYLOAD_BYTES,
    SEQUENCE_MASK,
    control,
    timestamp_us,
)

REPEAT_INTERVAL = 0.25
CONNECT_TIMEOUT = 3.0  # SRTO_CONNTIMEO
SRT_VERSION = 0x010501  # 1.5.1, whose behaviour is followed
MAX_LATENCY_MS = 0xFFFF
MIN_PAYLOAD_BYTES = 64

INDUCTION, CONCLUSION = 1, -1
_MAGIC = 0x4A17
_FAILURE = 1000

_HSREQ, _HSRSP, _KMREQ, _KMRSP, _SID, _CONGESTION_EXT, _FILTER_EXT, _GROUP_EXT = range(1, 9)
_HSREQ_FLAG = 1

_TSBPDSND, _TSBPDRCV, _CRYPT, _TLPKTDROP, _PERIODICNAK, _REXMITFLG, _STREAM = (1 << bit for bit in range(7))
# CRYPT says that the KK field is understood ("MUST be set", 3.2.1.1.1): what is encrypted is counted and thrown away.
_OUR_FLAGS = _TSBPDSND | _TSBPDRCV | _CRYPT | _TLPKTDROP | _PERIODICNAK | _REXMITFLG

_BASE = struct.Struct("!IHHIIIiII16s")
_BLOCK = struct.Struct("!HH")
_SRT_EXTENSION = struct.Struct("!IIHH")  # version, flags, receiver's latency, sender's latency


class Rejection(IntEnum):
    """Why a connection was refused (draft-sharabayko-srt table 7, without its 1000)."""

    UNKNOWN = 0
    SYSTEM = 1
    PEER = 2
    RESOURCE = 3
    ROGUE = 4
    BACKLOG = 5
    IPE = 6
    CLOSE = 7
    VERSION = 8
    RDVCOOKIE = 9
    BADSECRET = 10
    UNSECURE = 11
    MESSAGEAPI = 12
    CONGESTION = 13
    FILTER = 14
    GROUP = 15
    TIMEOUT = 16


@dataclass(frozen=True, slots=True)
class Handshake:
    """The CIF of a handshake packet. `kind` is INDUCTION, CONCLUSION, or 1000 plus a rejection reason.

    `field` is the extension field: 2 (UDT_DGRAM) in a caller's induction, the magic in a listener's, flags in a
    conclusion.
    """

    version: int
    field: int
    sequence: int
    mtu: int
    window: int
    kind: int
    socket: int
    cookie: int
    address: bytes = bytes(16)
    encryption: int = 0
    extensions: tuple[tuple[int, bytes], ...] = ()


@dataclass(frozen=True, slots=True)
class SrtExtension:
    """The contents of HSREQ and HSRSP (3.2.1.1). Latencies in ms, of what this party receives and of what it sends."""

    version: int
    flags: int
    receive_latency_ms: int
    send_latency_ms: int


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
            address=_packed_address(peer),
        )
        self.send_at = now
        self.expires_at = now + CONNECT_TIMEOUT

    def take(self, *, now: float) -> bytes:
        """The handshake packet that is due; the next one is due a quarter of a second later."""
        self.send_at = now + REPEAT_INTERVAL
        return pack(self._request, timestamp=timestamp_us(now - self._started_at), destination=0)

    def receive(self, packet: Handshake, timestamp: int, *, now: float) -> Agreed | None:
        """Take the listener's answer. Raises RefusedError when it rejects us or we cannot do what it asks."""
        if packet.kind >= _FAILURE:
            reason = packet.kind - _FAILURE
            name = Rejection(reason).name if reason in list(Rejection) else "its own reason"
            raise RefusedError(reason, f"the listener rejected the connection ({reason}, {name})")
        if packet.kind == INDUCTION and self._request.kind == INDUCTION:
            self._conclude(packet)
            self.send_at = now
        elif packet.kind == CONCLUSION and self._request.kind == CONCLUSION:
            extension = _acceptable(packet, _HSRSP)
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
                peer_drops_late=bool(extension.flags & _TLPKTDROP),
            )
        return None

    def _conclude(self, answer: Handshake) -> None:
        if answer.version != 5 or answer.field != _MAGIC:
            raise RefusedError(
                Rejection.VERSION, f"the listener speaks handshake version {answer.version}, only 5 is supported"
            )
        offer = self._offer
        extension = SrtExtension(SRT_VERSION, _OUR_FLAGS, offer.receive_latency_ms, offer.send_latency_ms)
        self._request = replace(
            self._request,
            version=5,
            field=_HSREQ_FLAG,
            kind=CONCLUSION,
            cookie=answer.cookie,
            extensions=((_HSREQ, _pack_extension(extension)),),
        )


class Listener:
    """The end that is called. Stateless until a conclusion with a good cookie; one connection only."""

    def __init__(self, offer: Offer, secret: bytes, *, now: float) -> None:
        self._offer = offer
        self._secret = secret
        self._started_at = now
        self._answered: tuple[Address, Handshake] | None = None  # the answer that made the connection

    def receive(
        self, packet: Handshake, timestamp: int, peer: Address, *, now: float
    ) -> tuple[bytes | None, Agreed | None]:
        """Take a handshake packet from anybody: the answer to send back, and the connection if this made it."""
        answer: Handshake | None = None
        agreed: Agreed | None = None
        if packet.kind == INDUCTION:
            cookie = self._cookie(peer, int(now // 60))
            answer = replace(packet, version=5, field=_MAGIC, encryption=0, cookie=cookie, extensions=())
        elif packet.kind == CONCLUSION and self._is_ours(packet.cookie, peer, now):
            try:
                answer, agreed = self._conclude(packet, timestamp, peer, now)
            except RefusedError as refused:
                answer = replace(packet, kind=_FAILURE + refused.reason, extensions=())
        if answer is None:
            return None, None
        stamp = timestamp_us(now - self._started_at)
        return pack(answer, timestamp=stamp, destination=packet.socket), agreed

    def _conclude(
        self, packet: Handshake, timestamp: int, peer: Address, now: float
    ) -> tuple[Handshake, Agreed | None]:
        if self._answered is not None:
            known, answer = self._answered
            if known == peer and answer.cookie == packet.cookie and answer.sequence == packet.sequence:
                return answer, None  # our answer was lost
            raise RefusedError(Rejection.BACKLOG, "this listener has its connection")
        extension = _acceptable(packet, _HSREQ)
        offer = self._offer
        # HSREQ speaks from the caller's side: what it sends is what we receive.
        receive_latency_ms = max(offer.receive_latency_ms, extension.send_latency_ms)
        send_latency_ms = max(offer.send_latency_ms, extension.receive_latency_ms)
        response = SrtExtension(SRT_VERSION, _OUR_FLAGS, receive_latency_ms, send_latency_ms)
        mtu = min(offer.mtu, packet.mtu)
        answer = Handshake(
            version=5,
            field=_HSREQ_FLAG,
            sequence=packet.sequence,  # both directions start at the caller's number, as in libsrt
            mtu=mtu,
            window=offer.window,
            kind=CONCLUSION,
            socket=offer.socket,
            cookie=packet.cookie,
            address=_packed_address(peer),
            extensions=((_HSRSP, _pack_extension(response)),),
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
            peer_drops_late=bool(extension.flags & _TLPKTDROP),
        )

    def _is_ours(self, cookie: int, peer: Address, now: float) -> bool:
        minute = int(now // 60)
        return cookie in (self._cookie(peer, minute), self._cookie(peer, minute - 1))

    def _cookie(self, peer: Address, minute: int) -> int:
        digest = blake2s(f"{peer[0]} {peer[1]} {minute}".encode(), key=self._secret, digest_size=4).digest()
        return int.from_bytes(digest, "big")


def pack(packet: Handshake, *, timestamp: int, destination: int) -> bytes:
    """A whole handshake datagram."""
    cif = _BASE.pack(
        packet.version,
        packet.encryption,
        packet.field,
        packet.sequence,
        packet.mtu,
        packet.window,
        packet.kind,
        packet.socket,
        packet.cookie,
        packet.address,
    )
    blocks = [_BLOCK.pack(kind, len(contents) // 4) + contents for kind, contents in packet.extensions]
    return control(HANDSHAKE, timestamp=timestamp, destination=destination, cif=cif + b"".join(blocks))


def parse(cif: bytes) -> Handshake:
    """The CIF of a handshake packet, with extensions if it is a conclusion of version 5. Raises Malformed."""
    if len(cif) < _BASE.size:
        raise Malformed(f"handshake of {len(cif)} bytes")
    version, encryption, field, sequence, mtu, window, kind, socket, cookie, address = _BASE.unpack_from(cif)
    extensions: list[tuple[int, bytes]] = []
    at = _BASE.size
    while kind == CONCLUSION and version == 5 and at + _BLOCK.size <= len(cif):
        block, words = _BLOCK.unpack_from(cif, at)
        at += _BLOCK.size
        if at + 4 * words > len(cif):
            raise Malformed("handshake extension longer than its packet")
        extensions.append((block, cif[at : at + 4 * words]))
        at += 4 * words
    return Handshake(
        version, field, sequence, mtu, window, kind, socket, cookie, address, encryption, tuple(extensions)
    )


def _acceptable(packet: Handshake, wanted: int) -> SrtExtension:
    """The SRT extension of a conclusion that we can live with. Raises RefusedError for any other."""
    if packet.version != 5:
        raise RefusedError(Rejection.VERSION, f"handshake version {packet.version}, only 5 is supported")
    if packet.sequence >= SEQUENCE_MASK or packet.window < 2 or _payload_bytes(packet.mtu) < MIN_PAYLOAD_BYTES:
        raise RefusedError(Rejection.ROGUE, "sequence number, MTU or flow window out of range")
    found: SrtExtension | None = None
    for kind, contents in packet.extensions:
        if kind in (_KMREQ, _KMRSP):
            raise RefusedError(Rejection.UNSECURE, "the peer wants encryption, which is not supported")
        if kind == _FILTER_EXT:
            raise RefusedError(Rejection.FILTER, "the peer wants a packet filter, which is not supported")
        if kind == _GROUP_EXT:
            raise RefusedError(Rejection.GROUP, "the peer wants a connection group, which is not supported")
        if kind == _CONGESTION_EXT and _little_endian_text(contents) != "live":
            raise RefusedError(Rejection.CONGESTION, "the peer wants another congestion control than live")
        if kind == wanted and len(contents) >= _SRT_EXTENSION.size:
            found = SrtExtension(*_SRT_EXTENSION.unpack_from(contents))
    if found is None:
        raise RefusedError(Rejection.ROGUE, "conclusion without an SRT extension")
    if found.version < 0x010300:
        raise RefusedError(
            Rejection.ROGUE, f"handshake version 5 from SRT version 0x{found.version:06x}, which is older"
        )
    if found.flags & _STREAM:
        raise RefusedError(Rejection.MESSAGEAPI, "the peer wants stream mode, only live messages are supported")
    return found


def _pack_extension(extension: SrtExtension) -> bytes:
    return _SRT_EXTENSION.pack(
        extension.version, extension.flags, extension.receive_latency_ms, extension.send_latency_ms
    )


def _payload_bytes(mtu: int) -> int:
    return min(MAX_PAYLOAD_BYTES, mtu - IP_UDP_HEADER_BYTES - HEADER_BYTES)


def _packed_address(peer: Address) -> bytes:
    """The address field: libsrt swaps the bytes of each word (127.0.0.1 is 01 00 00 7f). Names are sent as zeros."""
    try:
        packed = ip_address(peer[0]).packed
    except ValueError:
        return bytes(16)
    swapped = b"".join(packed[at : at + 4][::-1] for at in range(0, len(packed), 4))
    return swapped.ljust(16, b"\0")


def _little_endian_text(contents: bytes) -> str:
    """Strings in extensions are little-endian words, padded with zeros (3.2.1.3)."""
    swapped = b"".join(contents[at : at + 4][::-1] for at in range(0, len(contents), 4))
    return swapped.rstrip(b"\0").decode("ascii", errors="replace")
