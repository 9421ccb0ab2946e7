"""The random choices of aioquic, drawn from the seed of an end instead of the operating system.

Connection ids, hello randoms and key shares change no size and no instant, but every byte on the wire: with them drawn
from the seed a connection repeats byte by byte, and so do captures of it. aioquic has no hook for this, so the names by
which its modules reach for chance are replaced, once. Outside of a `Chance` they do what they always did. Keys of
this kind protect a measurement from nobody who knows the seed; neither does its certificate.
"""

import os
from contextvars import ContextVar
from typing import Any

import numpy as np
from aioquic import tls
from aioquic.quic import connection
from cryptography.hazmat.primitives.asymmetric import ec, x448, x25519

_drawing: ContextVar[np.random.Generator | None] = ContextVar("_drawing", default=None)


class Chance:
    """The generator of one end: inside `with chance:` aioquic draws from it. Two ends of one seed draw differently."""

    def __init__(self, seed: int, *, calls: bool) -> None:
        self._generator = np.random.default_rng(np.random.SeedSequence([seed, int(calls)]))

    def __enter__(self) -> None:
        self._token = _drawing.set(self._generator)

    def __exit__(self, *_: object) -> None:
        _drawing.reset(self._token)


class _Replaced:
    """A module with some of its names replaced."""

    def __init__(self, module: Any, **names: object) -> None:
        self._module = module
        vars(self).update(names)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)


def _urandom(size: int) -> bytes:
    generator = _drawing.get()
    return os.urandom(size) if generator is None else generator.bytes(size)  # noqa: TID251  # as aioquic does


def _x25519_key() -> x25519.X25519PrivateKey:
    return x25519.X25519PrivateKey.from_private_bytes(_urandom(32))


def _x448_key() -> x448.X448PrivateKey:
    return x448.X448PrivateKey.from_private_bytes(_urandom(56))


def _elliptic_curve_key(curve: ec.EllipticCurve) -> ec.EllipticCurvePrivateKey:
    """A key with one byte less than the order of the curve, so that every draw is below the order."""
    return ec.derive_private_key(1 + int.from_bytes(_urandom(curve.key_size // 8 - 1), "big"), curve)


_connection: Any = connection
_connection.os = _Replaced(os, urandom=_urandom)
_tls: Any = tls
_tls.os = _Replaced(os, urandom=_urandom)
_tls.ec = _Replaced(ec, generate_private_key=_elliptic_curve_key)
_tls.x25519 = _Replaced(x25519, X25519PrivateKey=_Replaced(x25519.X25519PrivateKey, generate=_x25519_key))
_tls.x448 = _Replaced(x448, X448PrivateKey=_Replaced(x448.X448PrivateKey, generate=_x448_key))
