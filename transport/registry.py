"""The table of transports: one file and one line each. `tests/transport/test_contract.py` runs over every line.

To add one: write `transport/<name>.py` with a frozen options dataclass (defaults for all fields, `__post_init__` raises
ValueError for bad values) and the two ends, each made from a `TransportConfig`; then add a line here. A package of your
own offers its TransportEntry as an entry point of the group `glassbench.transports`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from functools import partial
from typing import Any, Literal, get_args, get_type_hints

from glassbench.transport.codecs import CODECS
from glassbench.transport.contract import Transport, TransportConfig
from glassbench.transport.dissection import MakeHint
from glassbench.transport.plugins import PluginTable
from glassbench.transport.quic.arms import datagram_receiver, datagram_sender, stream_receiver, stream_sender
from glassbench.transport.quic.options import AdaptiveOptions, DatagramOptions, QuicOptions
from glassbench.transport.quic.session import BareSession, Session
from glassbench.transport.quic.streams import StreamPer
from glassbench.transport.quic.webtransport import WebTransportSession
from glassbench.transport.rtp import MEDIA as RTP_MEDIA
from glassbench.transport.rtp import RtpOptions, RtpReceiver, rtp_sender
from glassbench.transport.rtp.dissection import announcement
from glassbench.transport.rtp.session import NO_CONTROL
from glassbench.transport.srt import SrtOptions, SrtReceiver, SrtSender
from glassbench.transport.srt.dissection import version_5
from glassbench.transport.udp import UdpOptions, UdpReceiver, UdpSender

ANY_MEDIA = frozenset({*CODECS, "data"})

Make = Callable[[TransportConfig], Transport]
Options = Mapping[str, object]
EncoderChoice = Literal["fixed", "follow"]

_RENAMED = {"congestion": ("control", "aioquic's own is stack=stock,control=reno")}
"""Options of earlier releases: what they are called now, and what else is to be known."""
_REFUSED = {
    "ecn": "nothing in its feedback tells of marks; quic-*, webtransport-* and rtp have it",
    "window": "no window of a transport is around its media; quic-* and webtransport-* have one",
}
"""Options that some transports have and others cannot have, with the reason."""


@dataclass(frozen=True, slots=True)
class TransportEntry:
    """One transport: all that the rest of the program knows of it.

    `options` is a frozen dataclass with a default for every field. `media` holds the values of `Track.media` that it
    carries; the makers raise `Unsupported` for any other. `controlled`: congestion control holds its sender back, so it
    may be given as much as there is. `holds` says, for complete options, for how many seconds the receiver keeps each
    frame back on purpose, so that the run does not end before its last one is shown. `hint` makes what Wireshark must
    be told ahead of the packets; it is None where Wireshark recognizes them by itself. `cannot_lead` says for complete
    options why its sender has no budget for an encoder that follows the network, None if it has; `usual_encoder` says
    how the encoder is led if nobody asks for something else. `joins_slices`: the receiver puts slices of a picture
    together by itself. `refused` are options that others have and this one cannot have, with the reason.
    """

    name: str
    summary: str
    options: type
    make_sender: Make
    make_receiver: Make
    media: frozenset[str]
    controlled: bool = False
    holds: Callable[[Options], float] = lambda options: 0.0
    hint: MakeHint | None = None
    cannot_lead: Callable[[Options], str | None] = lambda options: "it has no estimate of what the network carries"
    usual_encoder: Callable[[Options], EncoderChoice] = lambda options: "fixed"
    joins_slices: bool = False
    refused: Mapping[str, str] = field(default_factory=dict)

    @property
    def codecs(self) -> list[str]:
        """The codecs of video that it carries."""
        return sorted(self.media - {"data"})


def _srt_latency(options: Options) -> float:
    return SrtOptions(**dict(options)).latency_ms / 1e3  # type: ignore[arg-type]


def _uncontrolled_cannot_lead(options: Options) -> str | None:
    if options["control"] != NO_CONTROL:
        return None
    return f"control={NO_CONTROL} has no estimate of what the network carries; control=gcc has one"


def _quic_stream(name: str, summary: str, session: type[Session], per: StreamPer) -> TransportEntry:
    """An arm with frames on streams."""
    given: dict[str, Any] = {"options": QuicOptions, "session": session, "per": per}
    return _quic(name, summary, QuicOptions, partial(stream_sender, **given), partial(stream_receiver, **given))


def _quic_datagram(
    name: str, summary: str, session: type[Session], options: type[DatagramOptions] = DatagramOptions
) -> TransportEntry:
    """An arm with frames in datagrams."""
    given: dict[str, Any] = {"options": options, "session": session}
    entry = _quic(name, summary, options, partial(datagram_sender, **given), partial(datagram_receiver, **given))
    return replace(entry, usual_encoder=lambda _: "follow") if options is AdaptiveOptions else entry


def _quic(name: str, summary: str, options: type, make_sender: Make, make_receiver: Make) -> TransportEntry:
    return TransportEntry(
        name, summary, options, make_sender, make_receiver, ANY_MEDIA, controlled=True, cannot_lead=_stock_cannot_lead
    )


def _stock_cannot_lead(options: Options) -> str | None:
    return "aioquic as it is (stack=stock) says nothing of its rate" if options["stack"] == "stock" else None


_BARE, _HTTP3 = BareSession, WebTransportSession

_OWN = (
    TransportEntry(
        *("udp", "the floor: fragments, no repair", UdpOptions, UdpSender, UdpReceiver, ANY_MEDIA),
        refused={"control": "its receiver tells nothing that a congestion controller could go by"},
    ),
    TransportEntry(
        *("rtp", "RTP with NACK, RTX and PLI", RtpOptions, rtp_sender, RtpReceiver, RTP_MEDIA),
        hint=announcement,
        cannot_lead=_uncontrolled_cannot_lead,
        joins_slices=True,
        usual_encoder=lambda options: "fixed" if options["control"] == NO_CONTROL else "follow",
    ),
    TransportEntry(
        *("srt", "SRT live mode: constant latency, NAK repair", SrtOptions, SrtSender, SrtReceiver, ANY_MEDIA),
        holds=_srt_latency,
        hint=version_5,
        cannot_lead=lambda options: None,
        refused={
            "control": "SRT's live mode has no congestion control; encoder=follow leads the encoder by an estimate"
        },
    ),
    _quic_stream("quic-stream", "one ordered stream per track", _BARE, StreamPer.TRACK),
    _quic_stream("quic-stream-per-gop", "a stream per group of pictures", _BARE, StreamPer.GROUP),
    _quic_stream("quic-stream-per-frame", "a stream per frame", _BARE, StreamPer.FRAME),
    _quic_datagram("quic-datagram", "DATAGRAMs, repaired in time", _BARE),
    _quic_datagram("quic-adaptive", "DATAGRAMs, a size for every frame", _BARE, AdaptiveOptions),
    _quic_stream("webtransport-stream", "one ordered stream per track over HTTP/3", _HTTP3, StreamPer.TRACK),
    _quic_datagram("webtransport-datagram", "datagrams over HTTP/3", _HTTP3),
    _quic_datagram("webtransport-adaptive", "a size for every frame over HTTP/3", _HTTP3, AdaptiveOptions),
    _quic_stream("webtransport-stream-per-gop", "a stream per group of pictures over HTTP/3", _HTTP3, StreamPer.GROUP),
    _quic_stream("webtransport-stream-per-frame", "a stream per frame over HTTP/3", _HTTP3, StreamPer.FRAME),
)


def _plugin(name: str, loaded: object) -> TransportEntry:
    """What a package offers as a transport. Raises ValueError."""
    if not isinstance(loaded, TransportEntry):
        raise ValueError(f"found {loaded!r}, accepted is a glassbench.transport.registry.TransportEntry")
    if loaded.name != name:
        raise ValueError(f"the entry is named {loaded.name!r}; both names must be the same")
    if not is_dataclass(loaded.options):
        raise ValueError(f"its options are {loaded.options!r}, accepted is a frozen dataclass with defaults")
    return loaded


TRANSPORTS: PluginTable[TransportEntry] = PluginTable(
    "glassbench.transports", {entry.name: entry for entry in _OWN}, _plugin
)


def get(name: str) -> TransportEntry:
    """The entry of a transport. Raises ValueError naming the known ones."""
    if name not in TRANSPORTS:
        raise ValueError(f"unknown transport {name!r}; known are {', '.join(TRANSPORTS)}")
    return TRANSPORTS[name]


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
            renamed, hint = _RENAMED.get(key, ("", ""))
            if renamed in types:
                raise ValueError(f"transport {name}: option {key!r} is now {renamed!r}; {hint}")
            if reason := entry.refused.get(key, _REFUSED.get(key)):
                raise ValueError(f"transport {name}: there is no option {key!r}: {reason}")
            accepted = ", ".join(types) or "none"
            raise ValueError(f"transport {name}: unknown option {key!r}; accepted are {accepted}")
        if not _fits(value, types[key]):
            raise ValueError(f"transport {name}: option {key!r} must be {_describe(types[key])}, got {value!r}")
    try:
        complete: Any = entry.options(**options)
    except ValueError as error:
        raise ValueError(f"transport {name}: {error}") from None
    return {each.name: getattr(complete, each.name) for each in fields(complete)}


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
