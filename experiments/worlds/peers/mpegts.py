"""The muxer and the demuxer of MPEG-TS, of FFmpeg as PyAV has it: seven packets of 188 bytes in a datagram."""

from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

import av
from av.container import Flags

from glassbench.experiments.worlds.peers.peer import PeerError, PeerVideo
from glassbench.experiments.worlds.peers.streams import TimedUnit

DATAGRAM_BYTES = 7 * 188

_CLOCK_RATE = 90_000
_TUNED_MUXER = {"omit_video_pes_length": "0"}
_TUNED_DEMUXER = {"fflags": "noparse", "analyzeduration": "100000"}


class TsMuxer:
    """Access units of H.264 to datagrams, which `write` takes. Tuned, it tells the length of each picture. Raises
    PeerError."""

    def __init__(self, video: PeerVideo, write: Callable[[bytes], object], *, tuned: bool) -> None:
        self._write = write
        options = _TUNED_MUXER if tuned else {}
        self._muxer = av.open(self, "w", format="mpegts", options=options, buffer_size=DATAGRAM_BYTES)
        stream: Any = self._muxer.add_stream("h264", rate=video.fps)
        stream.width, stream.height, stream.pix_fmt = video.width, video.height, "yuv420p"
        self._stream = stream

    def mux(self, unit: bytes, at: float, *, keyframe: bool) -> None:
        """Take an access unit with its presentation time in seconds."""
        packet = av.Packet(unit)
        packet.stream, packet.time_base = self._stream, Fraction(1, _CLOCK_RATE)
        packet.pts = packet.dts = round(at * _CLOCK_RATE)
        packet.is_keyframe = keyframe
        try:
            self._muxer.mux(packet)
        except av.FFmpegError as error:
            raise PeerError(f"the muxer failed: {error}") from None

    def write(self, data: bytes) -> int:
        """Take a datagram of the muxer."""
        self._write(bytes(data))
        return len(data)


class TsDemuxer:
    """Datagrams to access units. `next_datagram` waits for one; an empty one ends the stream. Tuned, a picture is given
    when its last byte is there, and not with those that follow."""

    def __init__(self, next_datagram: Callable[[], bytes], *, tuned: bool) -> None:
        self._next_datagram = next_datagram
        self._options = _TUNED_DEMUXER if tuned else {}
        self._rest = b""
        self.flags = ""

    def units(self, opened: Callable[[], None]) -> Iterator[TimedUnit]:
        """What comes, once the stream is `opened`. Raises PeerError."""
        try:
            with av.open(
                self, "r", format="mpegts", options=dict(self._options), buffer_size=DATAGRAM_BYTES
            ) as demuxer:
                self.flags = str(Flags(demuxer.flags).name).lower()
                opened()
                (stream,) = demuxer.streams.video[:1] or [None]
                if stream is None:
                    raise PeerError("there is no video in the stream")
                for packet in demuxer.demux(stream):
                    if packet.pts is not None:
                        at = float(packet.pts * packet.time_base)
                        yield TimedUnit(bytes(packet), at, stream.codec_context.name)
        except av.FFmpegError as error:
            raise PeerError(f"the demuxer failed: {error}") from None

    def read(self, size: int) -> bytes:
        """Give the demuxer a datagram, or as much of it as it has room for."""
        data = self._rest or self._next_datagram()
        self._rest = data[size:]
        return data[:size]
