"""Certificates that a browser takes by their hash (`serverCertificateHashes`, W3C WebTransport, section 3.9)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import NameOID

VALID = timedelta(days=13)
"""For how long a certificate may be used: the browser wants two weeks at most, with the hour before."""

_CLOCKS_DIFFER = timedelta(hours=1)


@dataclass(frozen=True)
class WebCertificate:
    """A certificate on P-256, signed by itself, and its key."""

    certificate: x509.Certificate
    private_key: ec.EllipticCurvePrivateKey

    @property
    def fingerprint(self) -> bytes:
        """Its SHA-256, which the page names."""
        return self.certificate.fingerprint(SHA256())

    @property
    def ends(self) -> datetime:
        """When browsers stop taking it, in UTC."""
        return self.certificate.not_valid_after_utc


def make_certificate(hosts: Sequence[str], now: datetime) -> WebCertificate:
    """A new one for hosts by their names or addresses, from now on."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "glassbench")])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCKS_DIFFER)
        .not_valid_after(now + VALID)
        .add_extension(x509.SubjectAlternativeName([_general_name(host) for host in hosts]), critical=False)
    )
    return WebCertificate(builder.sign(key, SHA256()), key)


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)
