"""The address of an endpoint that is somewhere else, as a URL."""

import os
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import parse_qsl, urlsplit

_PORTS = {"rtmp": 1935, "srt": None, "rtp": None, "udp": None, "http": 80, "https": 443}
"""The schemes, each with the port that stands for none."""
_SRT = {"mode", "latency", "passphrase", "streamid"}


class EndpointUrl(NamedTuple):
    """`text` is all of it, `query` what stands behind the question mark; `secret` is the password in it."""

    text: str
    scheme: str
    host: str
    port: int
    query: Mapping[str, str]
    secret: str

    @property
    def shown(self) -> str:
        """As much of it as may stand in results: no key, no password."""
        return f"{self.scheme}://{self.host}:{self.port}"


def check_scheme(text: str) -> None:
    """Look at what can be known before variables have their values. Raises ValueError."""
    if text.partition("://")[0] not in _PORTS:
        accepted = ", ".join(f"{scheme}://" for scheme in _PORTS)
        raise ValueError(f"found {text!r}, accepted are addresses that begin with one of {accepted}")
    if "$" not in text:
        parse(text)


def parse(text: str) -> EndpointUrl:
    """The address, with the values that environment variables have in the places of their names ($NAME). Raises
    ValueError."""
    whole = os.path.expandvars(text)
    try:
        parts = urlsplit(whole)
        port = parts.port or _PORTS[parts.scheme]
    except ValueError:
        raise ValueError(f"found {text!r}, accepted is a host, and behind it a port of 1 to 65535") from None
    if not parts.hostname or port is None:
        raise ValueError(f"found {text!r}, accepted is {parts.scheme}://HOST:PORT")
    query = dict(parse_qsl(parts.query))
    if parts.scheme == "srt":
        if left := sorted(query.keys() - _SRT):
            raise ValueError(f"found {left[0]!r} in {text!r}, accepted are {', '.join(sorted(_SRT))}")
        if query.get("mode", "caller") not in ("caller", "listener"):
            raise ValueError(f"found the mode {query['mode']!r} in {text!r}, accepted are caller and listener")
        if not query.get("latency", "0").isdecimal():
            raise ValueError(f"found the latency {query['latency']!r} in {text!r}, accepted are milliseconds")
    return EndpointUrl(whole, parts.scheme, parts.hostname, port, query, parts.password or "")
