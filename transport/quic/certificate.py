"""The fixed identity of the listening end, and the check of it by pinning.

Ed25519, because its signatures have one size: ECDSA's vary, so handshakes would differ from run to run by bytes. The
key is derived from a constant, so every installation has the same certificate without a file; whoever reads this can
imitate the listener. It authenticates a measurement on one's own network, not a service. Pinning needs no clock, as
checking a validity period would.

A service on the web sends the certificates of its authorities along. `filler` stands for their weight, which decides
whether the handshake fits what a listener may send before it knows that the caller's address is real.
"""

from datetime import UTC, datetime
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256, Hash
from cryptography.x509.oid import NameOID

SERVER_NAME = "glassbench.test"

MIN_FILLER_BYTES = 1000

_FRAME_BYTES = 258  # of a filler around its content
_FILLER = x509.ObjectIdentifier("1.3.6.1.4.1.32473.1")  # of the arc for examples (RFC 5612)


@cache
def private_key() -> Ed25519PrivateKey:
    """The key of the listening end."""
    digest = Hash(SHA256())
    digest.update(b"glassbench listener, not a secret")
    return Ed25519PrivateKey.from_private_bytes(digest.finalize())


@cache
def certificate() -> x509.Certificate:
    """Self-signed, byte for byte the same everywhere."""
    return _signed(x509.SubjectAlternativeName([x509.DNSName(SERVER_NAME)]))


@cache
def filler(size_bytes: int) -> x509.Certificate:
    """A certificate of so many bytes, MIN_FILLER_BYTES at least, which stands for those of authorities."""
    return _signed(x509.UnrecognizedExtension(_FILLER, bytes(size_bytes - _FRAME_BYTES)))


def _signed(extension: x509.ExtensionType) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, SERVER_NAME)])
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private_key().public_key())
        .serial_number(1)
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2099, 12, 31, tzinfo=UTC))
        .add_extension(extension, critical=False)
        .sign(private_key(), None)
    )
