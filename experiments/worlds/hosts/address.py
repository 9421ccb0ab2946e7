"""Where a receiver is: HOST[:PORT] as people write it, and the addresses behind it."""

import re
import socket
from ipaddress import IPv6Address, ip_address

from glassbench.netem.live.socket_address import from_kernel
from glassbench.netem.packet import Address

ACCEPTED = "HOST, HOST:PORT and [IPV6-ADDRESS]:PORT"

_MAX_NAME = 253  # characters; RFC 1035, section 2.3.4
_MAX_LABEL = 63
_MAX_PORT = 65_535
_ZONE = re.compile("[!-$&-.0-9;-~]{0,15}")  # the name of an interface has no :, / or %, and is short (dev_valid_name)
_PORT = "(?::(?P<port>[0-9]{1,5}))?"
_FORMS = [  # a bracketed address, a name or an IPv4 address, a bare IPv6 address
    re.compile(form)
    for form in (rf"\[(?P<host>[^]]*:[^]]*)\]{_PORT}", rf"(?P<host>[^:]+){_PORT}", "(?P<host>[^:]*:[^:]*:.*)(?P<port>)")
]


def parse(text: str, default_port: int) -> Address:
    """Host and port. An IPv6 address may have a zone, as fe80::1%eth0; its brackets are needed before a port only.

    Raises ValueError for what is neither an address nor a name, and for a link-local address without a zone.
    """
    match = next((match for form in _FORMS if (match := form.fullmatch(text))), None)
    host, port = match.group("host", "port") if match else ("", None)
    if not _is_host(host) or int(port or 0) > _MAX_PORT:
        raise ValueError(f"found {text[:100]!r}; accepted are {ACCEPTED}")
    if ":" in host and (address := IPv6Address(host)).is_link_local and not address.scope_id:
        raise ValueError(
            f"found {text[:100]!r}, a link-local address, which is another host behind each interface; "
            f"accepted is one with its interface, such as {host}%eth0"
        )
    return host, int(port) if port else default_port


def written(address: Address) -> str:
    """An address as text that `parse` reads."""
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def resolve(host: str, port: int) -> list[Address]:
    """All addresses of a host, in the order in which to try them. Raises OSError, which names what does not exist."""
    zone = host.partition("%")[2]
    try:
        if zone and not zone.isdecimal():
            socket.if_nametoindex(zone)
    except OSError:
        names = ", ".join(name for _, name in socket.if_nameindex())
        raise OSError(f"{host}: this host has no interface {zone!r}; accepted are {names}") from None
    try:
        answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError:
        raise OSError(f"{host}: this is no name of a host") from None
    except OSError as error:
        raise OSError(error.errno, f"{host}: {error.strerror}") from None
    return list(dict.fromkeys(from_kernel(name) for *_, name in answers))


def _is_host(host: str) -> bool:
    if ":" in host:
        try:
            return _ZONE.fullmatch(IPv6Address(host).scope_id or "") is not None
        except ValueError:
            return False
    labels = host.removesuffix(".").split(".")
    if labels[-1].isdecimal():  # no name ends in a number, so this has to be an address
        try:
            return bool(ip_address(host))
        except ValueError:
            return False
    return len(host) <= _MAX_NAME and all(_is_label(label) for label in labels)


def _is_label(label: str) -> bool:
    letters = label.replace("-", "").replace("_", "")
    return 0 < len(label) <= _MAX_LABEL and letters.isalnum() and not label.startswith("-") and not label.endswith("-")
