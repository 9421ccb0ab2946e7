"""What a receiver hands to whoever may send to it: a secret, and the fingerprint of its certificate, as one text."""

import base64
import datetime
import hashlib
import ssl
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

TOKEN_BYTES = 16
_FINGERPRINT_BYTES = 32
_NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "glassbench receiver")])
# It is known by its fingerprint, so its dates say nothing.
_FROM, _TO = datetime.datetime(2020, 1, 1), datetime.datetime(2120, 1, 1)


@dataclass(frozen=True)
class Key:
    """`token` admits a sender; `fingerprint` is the SHA-256 of the receiver's certificate (DER)."""

    token: bytes
    fingerprint: bytes

    @classmethod
    def parse(cls, text: str) -> Self:
        """The key of a text that `str` gave. Raises ValueError."""
        try:
            data = base64.b32decode(text.strip().upper() + "=" * (-len(text.strip()) % 8))
        except ValueError:
            data = b""
        if len(data) != TOKEN_BYTES + _FINGERPRINT_BYTES:
            raise ValueError(f"--key: found {text[:100]!r}; accepted is the whole key that glass receive printed")
        return cls(data[:TOKEN_BYTES], data[TOKEN_BYTES:])

    def __str__(self) -> str:
        return base64.b32encode(self.token + self.fingerprint).decode().rstrip("=").lower()


def make_identity(token: bytes) -> tuple[Key, ssl.SSLContext]:
    """A new certificate, for this process alone, and the key that goes with it."""
    private = ec.generate_private_key(ec.SECP256R1())
    certificate = (
        x509.CertificateBuilder()
        .subject_name(_NAME)
        .issuer_name(_NAME)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_FROM)
        .not_valid_after(_TO)
        .sign(private, hashes.SHA256())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    with tempfile.TemporaryDirectory() as folder:  # ssl reads files only; mode 0700
        pem = Path(folder, "identity.pem")
        pem.write_bytes(
            private.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            + certificate.public_bytes(serialization.Encoding.PEM)
        )
        context.load_cert_chain(pem)
    return Key(token, certificate.fingerprint(hashes.SHA256())), context


def pinning_context() -> ssl.SSLContext:
    """For a sender, which checks `matches` instead of names and authorities."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def matches(key: Key, certificate: bytes | None) -> bool:
    """Whether a certificate (DER) is that of the key."""
    return certificate is not None and hashlib.sha256(certificate).digest() == key.fingerprint
