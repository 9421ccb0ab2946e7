"""MPEG-TS over UDP: access units of ours through the muxer and the demuxer of FFmpeg (as PyAV has it), seven packets of
188 bytes in a datagram, as contribution encoders send it. Nothing repairs it, and nothing goes back.

A demuxer has to see some of a stream before it opens it, so grey pictures are on the air before the first capture.
"""

import socket
import threading
from collections.abc import Mapping
from contextlib import suppress
from fractions import Fraction
from typing import Any, ClassVar

import av
from av.container import Flags

from glassbench.experiments.worlds.peers.peer import Carries, Peer, PeerContext, PeerEnd, PeerError
from glassbench.experiments.worlds.peers.warm_up import WarmUp
from glassbench.transport.contract import Frame

_PACKET_BYTES = 188
_DATAGRAM_BYTES = 7 * _PACKET_BYTES
_CLOCK_RATE = 90_000
_FIRST_TIME = 10  # seconds, the presentation time of the first capture
_PATIENCE = 0.1  # seconds of one wait for a datagram
_BUFFER_BYTES = 2**20  # asked for the receiver's socket
_START_OF_VIDEO = b"\0\0\1\xe0"  # of a PES packet; its length follows
_TUNED_MUXER = {"omit_video_pes_length": "0"}
_TUNED_DEMUXER = {"fflags": "noparse"}


class MpegtsUdp(Peer):
    """A muxer and a demuxer."""

    carries: ClassVar[Carries] = "units"

    @classmethod
    def version(cls) -> str:
        return str(av.ffmpeg_version_info)

    @classmethod
    def end(cls, context: PeerContext) -> PeerEnd:
        return _MpegtsSender(context) if context.role == "sender" else _MpegtsReceiver(context)


class _MpegtsEnd(PeerEnd):
    """What both ends share: a socket, and what can be seen in its datagrams."""

    def __init__(self, context: PeerContext) -> None:
        super().__init__(context)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._counted = {"datagrams": 0, "bytes": 0}
        self._pes_length: int | None = None

    def counters(self) -> Mapping[str, int]:
        return self._counted

    def settings(self) -> Mapping[str, object]:
        """The length in the header of the first PES packet that passed: 0 says that it ends where the next begins."""
        return {"pes_packet_length": self._pes_length}

    def _saw(self, datagram: bytes) -> None:
        self._counted["datagrams"] += 1
        self._counted["bytes"] += len(datagram)
        if self._pes_length is None and (at := datagram.find(_START_OF_VIDEO)) >= 0:
            self._pes_length = int.from_bytes(datagram[at + 4 : at + 6], "big")


class _MpegtsSender(_MpegtsEnd):
    def start(self) -> None:
        video = self.context.video
        self._socket.connect(self.context.peer)
        options = _TUNED_MUXER if self.context.options["tuned"] else {}
        self._muxer = av.open(self, "w", format="mpegts", options=options, buffer_size=_DATAGRAM_BYTES)
        stream: Any = self._muxer.add_stream("h264", rate=video.fps)
        stream.width, stream.height, stream.pix_fmt = video.width, video.height, "yuv420p"
        self._stream = stream
        self._warm_up = WarmUp(self.context, self._mux, lambda at: False)

    def connect(self) -> None:
        self._warm_up.start()

    def send(self, data: bytes, frame: Frame) -> bool:
        self._warm_up.stop()
        self._mux(data, frame.captured_at, frame.keyframe)
        return True

    def close(self) -> None:
        self._warm_up.stop()
        self._socket.close()

    def write(self, data: bytes) -> int:
        """Take a datagram of the muxer."""
        with suppress(OSError):  # nobody listens any more, or there is no room
            self._socket.send(data)
        self._saw(bytes(data))
        return len(data)

    def _mux(self, data: bytes, at: float, keyframe: bool) -> None:
        packet = av.Packet(data)
        packet.stream, packet.time_base = self._stream, Fraction(1, _CLOCK_RATE)
        packet.pts = packet.dts = round((at - self.context.media_start + _FIRST_TIME) * _CLOCK_RATE)
        packet.is_keyframe = keyframe
        try:
            self._muxer.mux(packet)
        except av.FFmpegError as error:
            raise PeerError(f"the muxer failed: {error}") from None


class _MpegtsReceiver(_MpegtsEnd):
    def __init__(self, context: PeerContext) -> None:
        super().__init__(context)
        self._over, self._opened = threading.Event(), threading.Event()
        self._flags = ""
        self._thread = threading.Thread(target=self._demux, daemon=True)

    def start(self) -> None:
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES)
        self._socket.settimeout(_PATIENCE)
        self._socket.bind(self.context.local)
        self._thread.start()

    def connect(self) -> None:
        while not self._opened.wait(_PATIENCE):
            if self._over.is_set():
                raise PeerError("no stream was recognised")

    def close(self) -> None:
        self._over.set()
        self._thread.join(1.0)
        self._socket.close()

    def settings(self) -> Mapping[str, object]:
        return {**super().settings(), "fflags": self._flags}

    def read(self, size: int) -> bytes:
        """Give the demuxer a datagram."""
        while not self._over.is_set():
            with suppress(TimeoutError):
                datagram = self._socket.recv(size)
                self._saw(datagram)
                return datagram
        return b""

    def _demux(self) -> None:
        options = _TUNED_DEMUXER if self.context.options["tuned"] else {}
        try:
            with av.open(self, "r", format="mpegts", options=options, buffer_size=_DATAGRAM_BYTES) as demuxer:
                self._flags = str(Flags(demuxer.flags).name).lower()
                self._opened.set()
                for packet in demuxer.demux(video=0):
                    if (
                        packet.pts is not None and packet.pts >= _FIRST_TIME * _CLOCK_RATE
                    ):  # not before the first capture
                        self.context.outlet.give(bytes(packet))
        except av.FFmpegError as error:
            if not self._over.is_set():
                self.context.outlet.fail(f"the demuxer failed: {error}")
