"""Capsules (RFC 9297 section 3.2) on the CONNECT stream, of which WebTransport needs one: the end of the session."""

from aioquic.buffer import encode_uint_var

CLOSE_WEBTRANSPORT_SESSION = 0x2843  # draft-ietf-webtrans-http3-02 section 5
MAX_REASON_BYTES = 1024


class MalformedCapsuleError(ValueError):
    """A capsule that the draft does not allow."""


def session_end(code: int, reason: str) -> bytes:
    """CLOSE_WEBTRANSPORT_SESSION with a 32-bit application error code. Raises ValueError for a reason over 1024
    bytes.
    """
    text = reason.encode()
    if len(text) > MAX_REASON_BYTES:
        raise ValueError(f"a reason has at most {MAX_REASON_BYTES} bytes, got {len(text)}")
    body = code.to_bytes(4, "big") + text
    return encode_uint_var(CLOSE_WEBTRANSPORT_SESSION) + encode_uint_var(len(body)) + body


class SessionEnd:
    """Reads the peer's capsules until the session's end. Unknown ones are skipped without being kept (RFC 9297 3.2)."""

    def __init__(self) -> None:
        self.code: int | None = None
        self.reason = ""
        self._buffer = b""
        self._to_skip = 0

    def feed(self, data: bytes) -> bool:
        """Whether the session has ended. Raises MalformedCapsuleError."""
        if self.code is not None:
            return True
        self._buffer += data
        while True:
            skipped = min(self._to_skip, len(self._buffer))
            self._buffer = self._buffer[skipped:]
            self._to_skip -= skipped
            if not self._buffer or (kind := _uint_var(self._buffer, 0)) is None:
                return False
            if (size := _uint_var(self._buffer, kind[1])) is None:
                return False
            length, start = size
            if kind[0] != CLOSE_WEBTRANSPORT_SESSION:
                self._to_skip = start + length
                continue
            if not 4 <= length <= 4 + MAX_REASON_BYTES:
                raise MalformedCapsuleError(f"CLOSE_WEBTRANSPORT_SESSION of {length} bytes")
            if len(self._buffer) < start + length:
                return False
            body = self._buffer[start : start + length]
            self.code = int.from_bytes(body[:4], "big")
            self.reason = body[4:].decode(errors="replace")
            return True


def _uint_var(data: bytes, at: int) -> tuple[int, int] | None:
    """The variable-length integer (RFC 9000 section 16) at a place, and the place behind it; None if it is cut off."""
    if at >= len(data):
        return None
    size = 1 << (data[at] >> 6)
    if at + size > len(data):
        return None
    return int.from_bytes(data[at : at + size], "big") & ((1 << (8 * size - 2)) - 1), at + size
