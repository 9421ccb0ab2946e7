"""The options of stacks of others, by the stack. A name that the stack itself has keeps its unit and its meaning."""

from dataclasses import dataclass
from typing import Literal

from glassbench.experiments.scenario.endpoint_url import check_scheme

_MOST_LATENCY_MS = 60_000
_LEAST_PASSPHRASE, _MOST_PASSPHRASE = 10, 79  # characters, of libsrt
_LEAST_SEGMENT_MS, _MOST_SEGMENT_MS = 200, 10_000
_MOST_CHUNK_FRAMES = 1000
_MOST_PLAYED_MS = 4000  # of which players find whole ones in what was on the air before
_MOST_BUFFER_MS = 10_000
_LEAST_RIST_MS, _MOST_RIST_MS = 20, 30_000
_MOST_VIEWERS = 8
_MOST_STREAM_ID = 512  # characters, of libsrt

ExternalMedia = Literal["units", "pictures", "messages"]
"""What a program of the user takes and gives: access units, pictures, or messages that it need not understand."""


@dataclass(frozen=True, slots=True)
class LibsrtOptions:
    """Socket options of libsrt (SRTO_LATENCY, SRTO_TLPKTDROP, SRTO_PASSPHRASE, SRTO_STREAMID, SRTO_PACKETFILTER).

    `reader`: "poll" asks for messages every 0.2 ms; "block" waits in srt_recvmsg, which wakes up on a timer of 10 ms.
    `fec`: columns and rows of the packet filter, as in "10x5"; empty for none.
    """

    latency_ms: int = 120
    tlpktdrop: bool = True
    reader: Literal["poll", "block"] = "poll"
    fec: str = ""
    passphrase: str = ""
    streamid: str = ""

    def __post_init__(self) -> None:
        _check_latency(self.latency_ms)
        if self.passphrase and not _LEAST_PASSPHRASE <= len(self.passphrase) <= _MOST_PASSPHRASE:
            raise ValueError(
                f"passphrase has {_LEAST_PASSPHRASE} to {_MOST_PASSPHRASE} characters, got {len(self.passphrase)}"
            )
        if len(self.streamid) > _MOST_STREAM_ID:
            raise ValueError(f"streamid has at most {_MOST_STREAM_ID} characters, got {len(self.streamid)}")
        if self.fec and not _is_matrix(self.fec):
            raise ValueError(f"fec is columns and rows of 1 to 100 such as '10x5', got {self.fec!r}")


@dataclass(frozen=True, slots=True)
class BrowserWebTransportOptions:
    """`send`: "server" is our sender, watched by the page; "page" is the page's encoder, received by us. `mapping`:
    what a frame travels in. `control`: the congestion controller of our sender; those that need to know when packets
    arrive are not for pages."""

    send: Literal["server", "page"] = "server"
    mapping: Literal["datagram", "stream-per-frame", "stream-per-gop", "stream"] = "datagram"
    control: Literal["realtime", "adaptive", "scream", "bbr", "cubic", "reno"] = "realtime"


@dataclass(frozen=True, slots=True)
class LibwebrtcOptions:
    """`playout`: "zero" asks for a playout delay of 0 (field trial WebRTC-ForceSendPlayoutDelay, and jitterBufferTarget
    0 at the receiver); "stock" leaves libwebrtc as it is. The ceiling of its encoder is the bitrate of the video."""

    codec: Literal["vp8", "vp9", "av1"] = "vp8"
    playout: Literal["zero", "stock"] = "zero"


@dataclass(frozen=True, slots=True)
class BrowserWebrtcOptions:
    """`playout`: "zero" asks for a playout delay of 0 (field trial WebRTC-ForceSendPlayoutDelay, and jitterBufferTarget
    0 at the receiver); "stock" leaves Chromium as it is. The ceiling of its encoder is the bitrate of the video."""

    codec: Literal["vp8", "vp9", "av1", "h264"] = "vp8"
    playout: Literal["zero", "stock"] = "zero"


@dataclass(frozen=True, slots=True)
class TurnOptions(LibwebrtcOptions):
    """`access`: how the sender reaches its relay, over UDP or TCP."""

    access: Literal["udp", "tcp"] = "udp"


@dataclass(frozen=True, slots=True)
class SfuOptions(LibwebrtcOptions):
    """`mode`: "room" is libwebrtc as the publisher of a video room; "rtp" is RTP of GStreamer into a mountpoint.
    `viewers`: how many watch at the receiver's host; the frames are those of the first one."""

    mode: Literal["room", "rtp"] = "room"
    viewers: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.viewers <= _MOST_VIEWERS:
            raise ValueError(f"viewers must be 1 to {_MOST_VIEWERS}, got {self.viewers}")
        if self.mode == "rtp" and self.codec != "vp8":
            raise ValueError(f"mode=rtp encodes vp8 only, got codec={self.codec}")


@dataclass(frozen=True, slots=True)
class AiortcOptions:
    """`release`: "marker" lets its jitter buffer give a frame with the packet that has the marker bit; "stock" leaves
    it as it is, waiting for the frame after it. The ceiling of its encoder is the bitrate of the video."""

    codec: Literal["vp8", "h264"] = "h264"
    release: Literal["marker", "stock"] = "marker"


@dataclass(frozen=True, slots=True)
class MoqOptions:
    """`delivery`: "groups" gives each group of pictures a stream of QUIC; "datagrams" cuts frames into messages that
    nothing repairs. `max_age_ms`: for how long a group that is not the newest is still of use (the "max age" of
    publisher and subscriber)."""

    delivery: Literal["groups", "datagrams"] = "groups"
    max_age_ms: int = 1000

    def __post_init__(self) -> None:
        if not 0 <= self.max_age_ms <= _MOST_LATENCY_MS:
            raise ValueError(f"max_age_ms must be 0 to {_MOST_LATENCY_MS}, got {self.max_age_ms}")


@dataclass(frozen=True, slots=True)
class HttpOptions:
    """A chunked origin. `segment_ms`: from keyframe to keyframe, which our encoder is asked for. `chunk_frames`: how
    many frames a chunk has, 0 for a whole segment. `tcp`: the congestion controller of the origin's sockets."""

    segment_ms: int = 1000
    chunk_frames: int = 1
    tcp: str = "cubic"

    def __post_init__(self) -> None:
        if not _LEAST_SEGMENT_MS <= self.segment_ms <= _MOST_SEGMENT_MS:
            raise ValueError(f"segment_ms must be {_LEAST_SEGMENT_MS} to {_MOST_SEGMENT_MS}, got {self.segment_ms}")
        if not 0 <= self.chunk_frames <= _MOST_CHUNK_FRAMES:
            raise ValueError(f"chunk_frames must be 0 to {_MOST_CHUNK_FRAMES}, got {self.chunk_frames}")
        _check_tcp(self.tcp)


@dataclass(frozen=True, slots=True)
class PlayerOptions(HttpOptions):
    """A chunked origin, and a player that people use. `tuned`: it aims at the latency of a chunk and `buffer_ms`, and
    catches up when it is behind; without it, it is as it comes, and no manifest proposes a latency to it."""

    tuned: bool = True
    buffer_ms: int = 200

    def __post_init__(self) -> None:
        HttpOptions.__post_init__(self)
        if self.segment_ms > _MOST_PLAYED_MS:
            raise ValueError(f"segment_ms must be at most {_MOST_PLAYED_MS} for a player, got {self.segment_ms}")
        if not 0 <= self.buffer_ms <= _MOST_BUFFER_MS:
            raise ValueError(f"buffer_ms must be 0 to {_MOST_BUFFER_MS}, got {self.buffer_ms}")


@dataclass(frozen=True, slots=True)
class HlsJsOptions(PlayerOptions):
    """hls.js asks for a part after the other, so a chunk has to last for a round trip at least."""

    chunk_frames: int = 6


@dataclass(frozen=True, slots=True)
class GstreamerOptions:
    """`element`: "rtp" is plain RTP by the parts of rtpbin, "webrtcbin" is WebRTC. `codec`: that of x264enc or vp8enc.
    `rtx`: what is lost is asked for and sent again (RFC 4588). `latency_ms`: for how long the jitter buffer waits for a
    packet. `sync`: a picture is shown when it is due, that latency after it came, as sinks of GStreamer do by
    themselves; without it, as soon as it is decoded. `tuned`: requests for what is lost leave at once, only for what is
    lost, and a stream begins with its first packets; without it session and jitter buffer are as they come."""

    element: Literal["rtp", "webrtcbin"] = "rtp"
    codec: Literal["h264", "vp8"] = "h264"
    rtx: bool = True
    latency_ms: int = 200
    sync: bool = False
    tuned: bool = True

    def __post_init__(self) -> None:
        _check_latency(self.latency_ms)


@dataclass(frozen=True, slots=True)
class FfmpegOptions:
    """`carrier`: RTP, MPEG-TS over UDP, or MPEG-TS over SRT, for which `latency_ms` is. `tuned`: the flags that people
    give it for low latency; without them it is as it comes."""

    carrier: Literal["rtp", "mpegts", "srt"] = "rtp"
    tuned: bool = True
    latency_ms: int = 120

    def __post_init__(self) -> None:
        _check_latency(self.latency_ms)


@dataclass(frozen=True, slots=True)
class MpegtsOptions:
    """`tuned`: the muxer tells the length of each picture, and the demuxer does not parse, so that a picture is known
    to be whole when it is; without it both are as they come, and wait for the next one."""

    tuned: bool = True


@dataclass(frozen=True, slots=True)
class RistOptions:
    """`latency_ms`: the buffer of the receiver (`buffer` of its URL), in which what is lost is asked for again.
    `tuned`: it asks after 5 ms, and again after a round trip; without it after 25 ms, and again not before 50 ms."""

    latency_ms: int = 120
    tuned: bool = True

    def __post_init__(self) -> None:
        if not _LEAST_RIST_MS <= self.latency_ms <= _MOST_RIST_MS:
            raise ValueError(
                f"latency_ms must be {_LEAST_RIST_MS} to {_MOST_RIST_MS}, got {self.latency_ms}; librist shows nothing "
                "with less than 10"
            )


@dataclass(frozen=True, slots=True)
class RtmpOptions:
    """`tuned`: nginx sends pictures in one piece and at once (TCP_NODELAY), and the player joins at a keyframe without
    a look at more of the stream; without it both are as they come. `tcp`: the congestion controller of the server.
    `keyframe_ms`: our encoder is asked for a keyframe so often, since nobody can ask for one over RTMP."""

    tuned: bool = True
    tcp: str = "cubic"
    keyframe_ms: int = 1000

    def __post_init__(self) -> None:
        _check_tcp(self.tcp)
        _check_keyframe_ms(self.keyframe_ms)


@dataclass(frozen=True, slots=True)
class ExternalOptions:
    """Programs of the user: `send` and `receive` are their commands, as a shell reads words. What they take and give is
    `media`; docs/peers.md has the protocol. `label` stands in tables."""

    send: str = ""
    receive: str = ""
    media: ExternalMedia = "units"

    def __post_init__(self) -> None:
        for name in ("send", "receive"):
            if not getattr(self, name).strip():
                raise ValueError(f"{name} is the command of that end, such as './{name}.pl', and is not given")


@dataclass(frozen=True, slots=True)
class EndpointOptions:
    """Addresses of the user: `send` is to where we publish, `receive` from where we play, or where it is sent to us.
    Each is a URL (docs/peers.md); $NAME in it stands for the value of that environment variable. Our encoder gives a
    keyframe each `keyframe_ms`, so that others can join."""

    send: str = ""
    receive: str = ""
    keyframe_ms: int = 1000

    def __post_init__(self) -> None:
        for name in ("send", "receive"):
            url = getattr(self, name)
            if not url:
                raise ValueError(f"{name} is the address of an endpoint, such as 'rtmp://host/live/key', not given")
            try:
                check_scheme(url)
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from None
        _check_keyframe_ms(self.keyframe_ms)


def _check_latency(latency_ms: int) -> None:
    """Raises ValueError."""
    if not 0 <= latency_ms <= _MOST_LATENCY_MS:
        raise ValueError(f"latency_ms must be 0 to {_MOST_LATENCY_MS}, got {latency_ms}")


def _check_keyframe_ms(keyframe_ms: int) -> None:
    """Raises ValueError."""
    if not _LEAST_SEGMENT_MS <= keyframe_ms <= _MOST_SEGMENT_MS:
        raise ValueError(f"keyframe_ms must be {_LEAST_SEGMENT_MS} to {_MOST_SEGMENT_MS}, got {keyframe_ms}")


def _check_tcp(tcp: str) -> None:
    """Raises ValueError."""
    if not tcp.isidentifier():
        raise ValueError(f"tcp is the name of a congestion controller such as 'cubic', got {tcp!r}")


def _is_matrix(text: str) -> bool:
    sides = text.split("x")
    return len(sides) == 2 and all(side.isdecimal() and 1 <= int(side) <= 100 for side in sides)
