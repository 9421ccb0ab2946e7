"""The table of transports: one file and one line each. `tests/transport/test_contract.py` runs over every line.

To add one: write `transport/<name>.py` with a frozen options dataclass (defaults for all fields, `__post_init__` raises
ValueError for bad values) and the two ends, each made from a `TransportConfig`; then add a line here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, get_args, get_type_hints

from glassbench.transport import (
    quic_datagram,
    quic_stream,
    quic_stream_per_frame,
    quic_stream_per_gop,
    webtransport_datagram,
    webtransport_stream_per_frame,
)
from glassbench.transport.contract import Transport, TransportConfig
from glassbench.transport.quic.options import DatagramOptions, QuicOptions
from glassbench.transport.rtp import MEDIA as RTP_MEDIA
from glassbench.transport.rtp import RtpOptions, RtpReceiver, RtpSender
from glassbench.transport.srt import SrtOptions, SrtReceiver, SrtSender
from glassbench.transport.udp import UdpOptions, UdpReceiver, UdpSender

ANY_MEDIA = frozenset({"h264", "hevc", "vp8", "vp9", "av1", "data"})


@dataclass(frozen=True, slots=True)
class TransportEntry:
    """One transport: what it is, what can be set, and how its two ends are made.

    `options` is a frozen dataclass with a default for every field. `media` holds the values of `Track.media` that it
    carries; the makers raise `Unsupported` for any other.
    """

    name: str
    summary: str
    options: type
    make_sender: Callable[[TransportConfig], Transport]
    make_receiver: Callable[[TransportConfig], Transport]
    media: frozenset[str]


_ENTRIES: tuple[TransportEntry, ...] = (
    TransportEntry("udp", "the floor: fragments, no repair", UdpOptions, UdpSender, UdpReceiver, ANY_MEDIA),
    TransportEntry("rtp", "RTP with NACK, RTX and PLI", RtpOptions, RtpSender, RtpReceiver, RTP_MEDIA),
    TransportEntry("srt", "SRT live mode: constant latency, NAK repair", SrtOptions, SrtSender, SrtReceiver, ANY_MEDIA),
    TransportEntry("quic-stream", "one ordered stream per track", QuicOptions, *quic_stream.ENDS, ANY_MEDIA),
    TransportEntry(
        "quic-stream-per-gop", "a stream per group of pictures", QuicOptions, *quic_stream_per_gop.ENDS, ANY_MEDIA
    ),
    TransportEntry("quic-stream-per-frame", "a stream per frame", QuicOptions, *quic_stream_per_frame.ENDS, ANY_MEDIA),
    TransportEntry("quic-datagram", "DATAGRAMs, repaired in time", DatagramOptions, *quic_datagram.ENDS, ANY_MEDIA),
    TransportEntry(
        "webtransport-datagram", "datagrams over HTTP/3", DatagramOptions, *webtransport_datagram.ENDS, ANY_MEDIA
    ),
    TransportEntry(
        "webtransport-stream-per-frame",
        "a stream per frame over HTTP/3",
        QuicOptions,
        *webtransport_stream_per_frame.ENDS,
        ANY_MEDIA,
    ),
)

TRANSPORTS: dict[str, TransportEntry] = {entry.name: entry for entry in _ENTRIES}


def get(name: str) -> TransportEntry:
    """The entry of a transport. Raises ValueError naming the known ones."""
    entry = TRANSPORTS.get(name)
    if entry is None:
        raise ValueError(f"unknown transport {name!r}; known are {', '.join(TRANSPORTS)}")
    return entry


def validate_options(name: str, options: Mapping[str, object]) -> dict[str, object]:
    """The options of the transport of this name, completed with its defaults. Raises ValueError as `get` and
    `complete_options` do."""
    return complete_options(get(name), options)


def complete_options(entry: TransportEntry, options: Mapping[str, object]) -> dict[str, object]:
    """These options, completed with the defaults of a transport.

    Raises ValueError for an option that is unknown, of another type or out of range.
    """
    name = entry.name
    types = get_type_hints(entry.options)
    for key, value in options.items():
        if key not in types:
            accepted = ", ".join(types) or "none"
            raise ValueError(f"transport {name}: unknown option {key!r}; accepted are {accepted}")
        if not _fits(value, types[key]):
            raise ValueError(f"transport {name}: option {key!r} must be {_describe(types[key])}, got {value!r}")
    try:
        complete: Any = entry.options(**options)
    except ValueError as error:
        raise ValueError(f"transport {name}: {error}") from None
    return {field.name: getattr(complete, field.name) for field in fields(complete)}


def _fits(value: object, kind: Any) -> bool:
    """Whether a value from a scenario file is of an annotated type: a plain class, a Literal, or a union of those."""
    if arguments := get_args(kind):
        return any(_fits(value, a) if isinstance(a, type) else value == a for a in arguments)
    if isinstance(value, bool):  # a bool is an int to Python, not to a reader
        return kind is bool
    return isinstance(value, (int, float) if kind is float else kind)


def _describe(kind: Any) -> str:
    arguments = get_args(kind) or (kind,)
    return " or ".join(a.__name__ if isinstance(a, type) else repr(a) for a in arguments)
