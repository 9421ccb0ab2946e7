"""The table of peers: stacks of others that are arms of live runs. It is light to import: a stack is loaded when it is
used, by `PeerEntry.load`.

To add one, write a file in `experiments/worlds/peers/` with a subclass of `Peer`, its options in `peer_options.py`, and
a line here. A package of your own offers its PeerEntry as an entry point of the group `glassbench.peers`.
"""

from collections.abc import Callable
from dataclasses import dataclass, is_dataclass
from importlib import import_module
from typing import Any

from glassbench.experiments.scenario.peer_options import (
    AiortcOptions,
    BrowserWebrtcOptions,
    BrowserWebTransportOptions,
    EndpointOptions,
    ExternalOptions,
    FfmpegOptions,
    GstreamerOptions,
    HlsJsOptions,
    HttpOptions,
    LibsrtOptions,
    LibwebrtcOptions,
    MoqOptions,
    MpegtsOptions,
    PlayerOptions,
    RistOptions,
    RtmpOptions,
    SfuOptions,
    TurnOptions,
)
from glassbench.transport.codecs import CODECS
from glassbench.transport.contract import Transport, TransportConfig, Unsupported
from glassbench.transport.plugins import PluginTable
from glassbench.transport.registry import ANY_MEDIA, Options, TransportEntry

ANY_CODEC = frozenset(CODECS)
_H264 = frozenset({"h264"})
_WEBRTC = frozenset({"vp8", "vp9", "av1"})  # what the wheel of libwebrtc encodes
_H264_VP8 = frozenset({"h264", "vp8"})
_SEGMENTS_TUNED, _SEGMENTS_AS_IT_COMES = 1, 5  # by which players are behind at most


@dataclass(frozen=True, slots=True)
class PeerEntry(TransportEntry):
    """A stack as arms name it. `stack` is its class as "module:Class". `elsewhere`: what it talks to is not on hosts of
    ours, so that it runs in the network of this host. `encodes` has the codecs of its encoder, if it takes pictures. In
    virtual time it is unsupported."""

    stack: str = ""
    elsewhere: bool = False
    encodes: frozenset[str] = frozenset()

    @property
    def codecs(self) -> list[str]:
        """The codecs in which it sends video."""
        return sorted(self.encodes or self.media - {"data"})

    def load(self) -> Any:
        """The class, a subclass of `experiments.worlds.peers.peer.Peer`."""
        module, _, name = self.stack.partition(":")
        return getattr(import_module(module), name)


def peer_entry(
    name: str,
    summary: str,
    options: type,
    stack: str,
    media: frozenset[str],
    *,
    holds: Callable[[Options], float] = lambda options: 0.0,
    elsewhere: bool = False,
    encodes: frozenset[str] = frozenset(),
) -> PeerEntry:
    """An entry; `holds` is as in a TransportEntry, `elsewhere` and `encodes` as in a PeerEntry."""

    def make(config: TransportConfig) -> Transport:
        raise Unsupported(f"{name} is a program of others, which runs in real time only: --live")

    return PeerEntry(
        name,
        summary,
        options,
        make,
        make,
        media,
        holds=holds,
        cannot_lead=lambda options: f"how {name} leads an encoder is its own affair",
        stack=stack,
        elsewhere=elsewhere,
        encodes=encodes,
    )


def _own(name: str, summary: str, options: type, stack: str, media: frozenset[str], **more: Any) -> PeerEntry:
    return peer_entry(name, summary, options, f"glassbench.experiments.worlds.peers.{stack}", media, **more)


def _latency(options: Options) -> float:
    return float(str(options["latency_ms"])) / 1e3


def _behind(options: Options) -> float:
    """How far behind the capture a player may be: it stays there for good once it has stalled."""
    segments = _SEGMENTS_TUNED if options["tuned"] else _SEGMENTS_AS_IT_COMES
    return segments * float(str(options["segment_ms"])) / 1e3 + float(str(options["buffer_ms"])) / 1e3


_OWN = (
    _own("libsrt", "libsrt of this machine, in live mode", LibsrtOptions, "libsrt:Libsrt", ANY_MEDIA, holds=_latency),
    _own(
        "libwebrtc",
        "the engine of Chrome: GCC, TWCC, NACK",
        LibwebrtcOptions,
        "libwebrtc:Libwebrtc",
        ANY_CODEC,
        encodes=_WEBRTC,
    ),
    _own(
        "browser-webrtc",
        "WebRTC from Chromium to Chromium, a page at each end",
        BrowserWebrtcOptions,
        "browser_webrtc:BrowserWebrtc",
        ANY_CODEC,
        encodes=_WEBRTC | _H264,
    ),
    _own(
        "turn", "libwebrtc through a relay, coturn, at the sender", TurnOptions, "turn:Turn", ANY_CODEC, encodes=_WEBRTC
    ),
    _own(
        "sfu", "WebRTC out of Janus, at the sender: a room, or RTP", SfuOptions, "sfu:Sfu", ANY_CODEC, encodes=_WEBRTC
    ),
    _own(
        "aiortc",
        "WebRTC in Python, without pacer and TWCC",
        AiortcOptions,
        "aiortc:Aiortc",
        ANY_CODEC,
        encodes=_H264_VP8,
    ),
    _own("moq", "MoQ by moq-rs, through a relay of its own at the sender", MoqOptions, "moq:Moq", ANY_MEDIA),
    _own("ll-hls", "LL-HLS, origin and plain client of ours", HttpOptions, "ll_hls:LlHls", _H264),
    _own("ll-dash", "LL-DASH, origin and plain client of ours", HttpOptions, "ll_dash:LlDash", _H264),
    _own("hls.js", "LL-HLS, played by hls.js in Chromium", HlsJsOptions, "hls_js:HlsJs", _H264, holds=_behind),
    _own("dash.js", "LL-DASH, played by dash.js in Chromium", PlayerOptions, "dash_js:DashJs", _H264, holds=_behind),
    _own(
        "browser-webtransport",
        "our sender, watched by a page in Chromium",
        BrowserWebTransportOptions,
        "browser_webtransport:BrowserWebTransport",
        frozenset({"h264", "vp8", "vp9", "av1"}),
    ),
    _own(
        "gstreamer",
        "an encoder and RTP of GStreamer, plain or by webrtcbin",
        GstreamerOptions,
        "gstreamer:Gstreamer",
        ANY_CODEC,
        holds=lambda options: _latency(options) if options["sync"] else 0.0,
        encodes=_H264_VP8,
    ),
    _own(
        "ffmpeg",
        "two ffmpeg programs, over RTP, MPEG-TS or SRT",
        FfmpegOptions,
        "ffmpeg:Ffmpeg",
        ANY_CODEC,
        encodes=_H264,
    ),
    _own("mpegts-udp", "MPEG-TS over UDP, by FFmpeg's muxer and demuxer", MpegtsOptions, "mpegts_udp:MpegtsUdp", _H264),
    _own("rist", "librist of this machine", RistOptions, "rist:Rist", ANY_MEDIA, holds=_latency),
    _own("rtmp", "RTMP through nginx-rtmp, at the sender", RtmpOptions, "rtmp:Rtmp", _H264),
    _own(
        "endpoint",
        "endpoints of yours by address: RTMP, SRT, RTP, WHIP",
        EndpointOptions,
        "endpoint:Endpoints",
        ANY_CODEC,
        elsewhere=True,
        encodes=_H264,
    ),
    _own("external", "two programs of yours", ExternalOptions, "external:External", ANY_CODEC),
)


def _plugin(name: str, loaded: object) -> PeerEntry:
    """What a package offers as a peer. Raises ValueError."""
    if not isinstance(loaded, PeerEntry):
        raise ValueError(f"found {loaded!r}, accepted is what glassbench.experiments.scenario.peers.peer_entry gives")
    if loaded.name != name:
        raise ValueError(f"the entry is named {loaded.name!r}; both names must be the same")
    if not is_dataclass(loaded.options):
        raise ValueError(f"its options are {loaded.options!r}, accepted is a frozen dataclass with defaults")
    return loaded


PEERS: PluginTable[PeerEntry] = PluginTable("glassbench.peers", {entry.name: entry for entry in _OWN}, _plugin)
