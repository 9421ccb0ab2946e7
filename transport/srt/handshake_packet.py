"""Handshake packets (draft-sharabayko-srt 3.2.1): the fixed part, its extensions, and their codes. No state."""

import struct
from dataclasses import dataclass
from enum import IntEnum
from ipaddress import ip_address

from glassbench.transport.contract import Address
from glassbench.transport.framing import Malformed
from glassbench.transport.srt.wire import HANDSHAKE, control

INDUCTION, CONCLUSION = 1, -1
MAGIC = 0x4A17
FAILURE = 1000

HSREQ, HSRSP, KMREQ, KMRSP, _SID, CONGESTION_EXT, FILTER_EXT, GROUP_EXT = range(1, 9)
HSREQ_FLAG = 1

_TSBPDSND, _TSBPDRCV, _CRYPT, TLPKTDROP, _PERIODICNAK, _REXMITFLG, STREAM = (1 << bit for bit in range(7))
# CRYPT says that the KK field is understood ("MUST be set", 3.2.1.1.1): what is encrypted is counted and thrown away.
OUR_FLAGS = _TSBPDSND | _TSBPDRCV | _CRYPT | TLPKTDROP | _PERIODICNAK | _REXMITFLG

_BASE = struct.Struct("!IHHIIIiII16s")
_BLOCK = struct.Struct("!HH")
_SRT_EXTENSION = struct.Struct("!IIHH")  # version, flags, receiver's latency, sender's latency


class Rejection(IntEnum):
    """Why a connection was refused (draft-sharabayko-srt 4.3, without the 1000 that is added on the wire)."""

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
    CRYPTO = 17


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


def pack_extension(extension: SrtExtension) -> bytes:
    """The contents of a HSREQ or HSRSP."""
    return _SRT_EXTENSION.pack(
        extension.version, extension.flags, extension.receive_latency_ms, extension.send_latency_ms
    )


def parse_extension(contents: bytes) -> SrtExtension | None:
    """The contents of a HSREQ or HSRSP, None if too short."""
    return SrtExtension(*_SRT_EXTENSION.unpack_from(contents)) if len(contents) >= _SRT_EXTENSION.size else None


def packed_address(peer: Address) -> bytes:
    """The address field: libsrt swaps the bytes of each word (127.0.0.1 is 01 00 00 7f). Names are sent as zeros."""
    try:
        packed = ip_address(peer[0]).packed
    except ValueError:
        return bytes(16)
    swapped = b"".join(packed[at : at + 4][::-1] for at in range(0, len(packed), 4))
    return swapped.ljust(16, b"\0")


def little_endian_text(contents: bytes) -> str:
    """Strings in extensions are little-endian words, padded with zeros (3.2.1.3)."""
    swapped = b"".join(contents[at : at + 4][::-1] for at in range(0, len(contents), 4))
    return swapped.rstrip(b"\0").decode("ascii", errors="replace")
