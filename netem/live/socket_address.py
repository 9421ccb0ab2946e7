"""Addresses as the socket module has them, and as the rest of the project does: link-local ones with their zone.

An IPv6 address such as fe80::1 means another host behind each interface. So it goes with its zone (RFC 4007, section
11), here the number of an interface of this host: "fe80::1%2". The kernel has the zone in a field of its own.
"""

import socket
from ipaddress import IPv6Address
from typing import Any

from glassbench.netem.packet import Address


def from_kernel(name: Any) -> Address:
    """What `getsockname`, `recvmsg` and `getaddrinfo` give, without the flow label."""
    host, port, *rest = name
    zone = rest[1] if len(rest) == 2 else 0
    return (f"{host}%{zone}" if zone else str(host)), int(port)


def to_kernel(address: Address) -> tuple[str, int] | tuple[str, int, int, int]:
    """What `bind`, `connect` and `sendmsg` take. The zone is the number or the name of an interface. Raises OSError for
    a name that none has."""
    host, zone = address[0].partition("%")[::2]
    if not zone:
        return address
    return host, address[1], 0, int(zone) if zone.isdecimal() else socket.if_nametoindex(zone)


def unmapped(address: Address) -> Address:
    """An IPv4 address as itself, also where a socket of IPv6 has it as ::ffff:192.0.2.7 (RFC 4291, section 2.5.5.2)."""
    host, port = address
    mapped = IPv6Address(host).ipv4_mapped if ":" in host else None
    return (str(mapped), port) if mapped else address


def family_of(host: str) -> socket.AddressFamily:
    """The family of an address that is no name."""
    return socket.AF_INET6 if ":" in host else socket.AF_INET
