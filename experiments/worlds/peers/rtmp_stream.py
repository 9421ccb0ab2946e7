"""A stream of RTMP by FFmpeg's libraries, as PyAV has them: access units of H.264 go to a server, and come from one.

FLV has them without start codes, and their parameter sets apart; both are put back here.
"""

import io
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from fractions import Fraction
from typing import Any

import av
from av.bitstream import BitStreamFilterContext

from glassbench.experiments.worlds.peers.peer import PeerError
from glassbench.experiments.worlds.peers.streams import TimedUnit
from glassbench.experiments.worlds.peers.tcp import towards
from glassbench.transport.contract import Address

_CLOCK_RATE = 1000
_CONNECT_PATIENCE = 3.0  # seconds
_OPEN_PATIENCE = 20.0  # seconds until a stream is on the air
# A demuxer looks at five seconds of a stream before it opens it, unless it is told not to.
_AT_ONCE = {"probesize": "32", "analyzeduration": "0"}


class _RtmpConnection:
    """What the kernel knows of the connection to a server: FFmpeg's libraries make it, and do not show it."""

    def __init__(self, url: str, server: Address) -> None:
        self._url = url
        self._server = server
        self._reached = server
        self._congestion = ""

    def settings(self) -> Mapping[str, object]:
        return {"tcp_congestion": self._congestion}

    def counters(self) -> Mapping[str, int]:
        congestion, counted = towards(self._reached)
        self._congestion = congestion or self._congestion  # once it has ended, it is what it was
        return counted

    def _reach(self) -> None:
        """See whether somebody answers there by TCP, since FFmpeg would wait for minutes. Raises PeerError."""
        try:
            with socket.create_connection(self._server, timeout=_CONNECT_PATIENCE) as one:
                self._reached = one.getpeername()[:2]
        except OSError as error:
            host, port = self._server
            raise PeerError(f"{host} port {port} does not answer: {error.strerror or error}") from None


class RtmpPublisher(_RtmpConnection):
    """A `streams.Publisher` to a server."""

    def __init__(self, url: str, server: Address) -> None:
        super().__init__(url, server)
        self._muxer: Any = None
        self._stream: Any = None

    def connect(self) -> None:
        self._reach()

    def publish(self, unit: bytes, at: float, *, keyframe: bool) -> None:
        try:
            if self._muxer is None:
                self._open(unit)
            packet = av.Packet(unit)
            packet.stream, packet.time_base = self._stream, Fraction(1, _CLOCK_RATE)
            packet.pts = packet.dts = round(at * _CLOCK_RATE)
            packet.is_keyframe = keyframe
            self._muxer.mux(packet)
        except (av.FFmpegError, OSError) as error:
            raise PeerError(f"the server took no stream: {error.strerror}") from None

    def close(self) -> None:
        if self._muxer is not None:
            with suppress(av.FFmpegError, OSError):  # the server has gone
                self._muxer.close()

    def _open(self, unit: bytes) -> None:
        self._muxer = av.open(
            self._url, "w", format="flv", options={"flush_packets": "1", "flvflags": "no_duration_filesize"}
        )
        with av.open(io.BytesIO(unit), "r", format="h264") as demuxer:  # it knows the parameter sets
            self._stream = self._muxer.add_stream_from_template(demuxer.streams.video[0])


class RtmpPlayer(_RtmpConnection):
    """A `streams.Player` from a server. With `at_once` it is there with the first keyframe; without, FFmpeg looks at as
    much of the stream as it does by itself."""

    def __init__(self, url: str, server: Address, *, at_once: bool = True) -> None:
        super().__init__(url, server)
        self._options = _AT_ONCE if at_once else {}
        self._of_stream: Mapping[str, object] = {}
        self._is_stopped = False

    def listen(self) -> None:
        """Nothing: it calls."""

    def play(self, joined: Callable[[], None], give: Callable[[TimedUnit], None]) -> None:
        self._reach()
        try:
            with av.open(
                self._url, "r", format="flv", options=dict(self._options), timeout=(_OPEN_PATIENCE, None)
            ) as demuxer:
                (stream,) = demuxer.streams.video[:1] or [None]
                if stream is None or stream.codec_context.name != "h264":
                    raise PeerError("the stream of the server has no H.264")
                self._of_stream = _settings(stream.codec_context)
                joined()
                with_start_codes = BitStreamFilterContext("h264_mp4toannexb", stream)
                for packet in demuxer.demux(stream):
                    if self._is_stopped:
                        return
                    if packet.pts is not None:
                        at = float(packet.pts * packet.time_base)
                        data = b"".join(bytes(each) for each in with_start_codes.filter(packet))
                        give(TimedUnit(data, at, "h264"))
        except (av.FFmpegError, OSError) as error:
            raise PeerError(f"the server gave no stream: {error.strerror}") from None

    def stop(self) -> None:
        self._is_stopped = True  # it may wait in the network: then it ends with its process

    def settings(self) -> Mapping[str, object]:
        return {**super().settings(), **self._of_stream}


def _settings(codec: Any) -> Mapping[str, object]:
    return {"codec": codec.name, "profile": codec.profile, "size": f"{codec.width}x{codec.height}"}
