"""The fixed identity of the listening end, and the check of it by pinning.

Ed25519, because its signatures have one size: ECDSA's vary, so handshakes would differ from run to run by bytes. The
key is derived from a constant, so every installation has the same certificate without a file; whoever reads this can
imitate the listener. It authenticates a measurement on one's own network, not a service. Pinning needs no clock, as
checking a validity period would.
"""

from datetime import UTC, datetime
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256, Hash
from cryptography.x509.oid import NameOID

SERVER_NAME = "glassbench.test"


@cache
def private_key() -> Ed25519PrivateKey:
    """The key of the listening end."""
    digest = Hash(SHA256())
    digest.update(b"glassbench listener, not a secret")
    return Ed25519PrivateKey.from_private_bytes(digest.finalize())


@cache
def certificate() -> x509.Certificate:
    """Self-signed, byte for byte the same everywhere."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, SERVER_NAME)])
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private_key().public_key())
        .serial_number(1)
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2099, 12, 31, tzinfo=UTC))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(SERVER_NAME)]), critical=False)
        .sign(private_key(), None)
    )
