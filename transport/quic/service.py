"""What lets strangers in: a listening end that sends to browsers and other callers, and a caller that watches one."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.x509 import Certificate

Admit = Callable[[Mapping[bytes, bytes]], int]
"""The HTTP status of the answer to an extended CONNECT, by its headers (RFC 9220): 200 lets the caller in."""


@dataclass(frozen=True)
class Service:
    """Who a listening end is, whom it lets in, and where what its caller says beside the media goes: `take(message,
    now)` with a message from a stream, `answer(datagram, now)` with a DATAGRAM, which may be answered by another one.
    Both get bytes of a stranger, and must not raise."""

    certificate: Certificate
    private_key: EllipticCurvePrivateKey
    admit: Admit
    take: Callable[[bytes, float], None]
    answer: Callable[[bytes, float], bytes | None]


@dataclass(frozen=True)
class Visit:
    """What a caller asks for, `path` with its query and `origin` as a browser would have it, and the SHA-256 of the
    certificate that it expects."""

    path: bytes
    origin: bytes
    fingerprint: bytes
