"""MPEG-TS over UDP: access units of ours through the muxer and the demuxer of FFmpeg (as PyAV has it), as contribution
encoders send it. Nothing repairs it, and nothing goes back.

A demuxer has to see some of a stream before it opens it, so grey pictures are on the air before the first capture.
"""

import socket
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import ClassVar

import av

from glassbench.experiments.worlds.peers.mpegts import DATAGRAM_BYTES, TsDemuxer, TsMuxer
from glassbench.experiments.worlds.peers.peer import Carries, Peer, PeerContext, PeerEnd, PeerError
from glassbench.experiments.worlds.peers.warm_up import WarmUp
from glassbench.transport.contract import Frame

_FIRST_TIME = 10  # seconds, the presentation time of the first capture
_PATIENCE = 0.1  # seconds of one wait for a datagram
_BUFFER_BYTES = 2**20  # asked for the receiver's socket
_START_OF_VIDEO = b"\0\0\1\xe0"  # of a PES packet; its length follows


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
        self._tuned = bool(context.options["tuned"])
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
        self._socket.connect(self.context.peer)
        self._muxer = TsMuxer(self.context.video, self._write, tuned=self._tuned)
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

    def _write(self, datagram: bytes) -> None:
        with suppress(OSError):  # nobody listens any more, or there is no room
            self._socket.send(datagram)
        self._saw(datagram)

    def _mux(self, data: bytes, at: float, keyframe: bool) -> None:
        self._muxer.mux(data, at - self.context.media_start + _FIRST_TIME, keyframe=keyframe)


class _MpegtsReceiver(_MpegtsEnd):
    def __init__(self, context: PeerContext) -> None:
        super().__init__(context)
        self._over, self._opened = threading.Event(), threading.Event()
        self._demuxer = TsDemuxer(self._next_datagram, tuned=self._tuned)
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
        return {**super().settings(), "fflags": self._demuxer.flags}

    def _next_datagram(self) -> bytes:
        while not self._over.is_set():
            with suppress(TimeoutError):
                datagram = self._socket.recv(DATAGRAM_BYTES)
                self._saw(datagram)
                return datagram
        return b""

    def _demux(self) -> None:
        try:
            for unit in self._demuxer.units(self._opened.set):
                if unit.at >= _FIRST_TIME:  # not before the first capture
                    self.context.outlet.give(unit.data)
        except PeerError as error:
            if not self._over.is_set():
                self.context.outlet.fail(str(error))
