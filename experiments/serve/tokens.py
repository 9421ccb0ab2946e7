"""Tokens that let a page connect: signed, expiring, for one session each."""

import hashlib
import hmac
import secrets  # noqa: TID251  what admits a page must not follow from a seed
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable

LIFETIME = 30.0  # seconds from the page's request to its connection
_SECRET_BYTES, _NONCE_BYTES, _TIME_BYTES = 32, 12, 8
_MOST_USED = 100_000


class Tokens:
    """Makes and takes them. Who restarts has another secret, so that no token of before is taken, used or not.

    `now` gives seconds that never go back.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._secret = secrets.token_bytes(_SECRET_BYTES)
        self._used: dict[bytes, float] = {}  # until when they are remembered, in order

    def make(self) -> str:
        """A new token, as it stands in an address."""
        expires_ms = round((self._now() + LIFETIME) * 1e3)
        said = expires_ms.to_bytes(_TIME_BYTES, "big") + secrets.token_bytes(_NONCE_BYTES)
        return urlsafe_b64encode(said + self._sign(said)).decode()

    def take(self, token: str) -> bool:
        """Whether it is one of ours, not expired and never taken before; then it is taken."""
        self._forget()
        try:
            whole = urlsafe_b64decode(token.encode())
        except (ValueError, UnicodeEncodeError):
            return False
        said, signature = whole[: _TIME_BYTES + _NONCE_BYTES], whole[_TIME_BYTES + _NONCE_BYTES :]
        if not hmac.compare_digest(signature, self._sign(said)):
            return False
        expires_at = int.from_bytes(said[:_TIME_BYTES], "big") / 1e3
        if expires_at < self._now() or said in self._used or len(self._used) >= _MOST_USED:
            return False
        self._used[said] = expires_at
        return True

    def _sign(self, said: bytes) -> bytes:
        return hmac.digest(self._secret, said, hashlib.sha256)

    def _forget(self) -> None:
        while self._used and (oldest := next(iter(self._used.items())))[1] < self._now():
            del self._used[oldest[0]]
