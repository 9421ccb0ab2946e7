"""aiortc (BSD), WebRTC in Python: it encodes and decodes by FFmpeg's libraries, and has no pacer and no TWCC. The
sender offers."""

import asyncio
import re
from collections.abc import Mapping
from contextlib import suppress
from fractions import Fraction
from importlib import import_module
from typing import Any, ClassVar

from glassbench.experiments.worlds.peers.peer import Carries, Peer, PeerContext, PeerEnd
from glassbench.experiments.worlds.peers.raw_pictures import picture_of
from glassbench.experiments.worlds.peers.webrtc_end import WebrtcEnd
from glassbench.transport.contract import Frame

_CLOCK_RATE = 90_000
_CODECS = {"vp8": "vpx", "h264": "h264"}  # the module of aiortc.codecs
_MOST_WAITING = 4  # pictures that the encoder has not taken
_COUNTED = ("packetsSent", "bytesSent", "packetsReceived", "packetsLost")


class Aiortc(Peer):
    """Two of its peer connections."""

    carries: ClassVar[Carries] = "pictures"
    install = "pip install 'glassbench[peers]'"

    @classmethod
    def version(cls) -> str:
        return cls.package("aiortc")

    @classmethod
    def end(cls, context: PeerContext) -> PeerEnd:
        return AiortcSender(context) if context.role == "sender" else AiortcReceiver(context)


class _AiortcEnd(WebrtcEnd):
    """What both ends share."""

    def __init__(self, context: PeerContext) -> None:
        super().__init__(context)
        self._counted: dict[str, int] = {}
        self._limits: dict[str, int] = {}
        self.connection: Any = None

    def start(self) -> None:
        self._aiortc = import_module("aiortc")
        codec = str(self.context.options["codec"])
        encoder = import_module(f"aiortc.codecs.{_CODECS[codec]}")
        for name in ("DEFAULT_BITRATE", "MAX_BITRATE"):  # its ceilings of 1.5 and 3 Mbit/s are constants
            setattr(encoder, name, self.context.video.bitrate_bps)
        self._limits = {name: getattr(encoder, name) for name in ("DEFAULT_BITRATE", "MIN_BITRATE", "MAX_BITRATE")}
        super().start()

    def counters(self) -> Mapping[str, int]:
        return self._counted

    def settings(self) -> Mapping[str, object]:
        described = self._described()
        return {
            "codec": re.findall(r"a=rtpmap:\d+ (\S+)", described),
            "feedback": sorted(set(re.findall(r"a=rtcp-fb:\S+ (.+?)\r", described))),
            **self._limits,
        }

    async def shut(self) -> None:
        if self.connection is not None:
            await self.connection.close()

    def _described(self) -> str:
        """Its own description, empty before there is one."""
        described = None if self.connection is None else self.connection.localDescription
        return "" if described is None else str(described.sdp)

    def _make_connection(self) -> None:
        # It would ask a STUN server of Google's.
        self.connection = self._aiortc.RTCPeerConnection(self._aiortc.RTCConfiguration(iceServers=[]))
        self.connection.on("connectionstatechange", lambda: self.changed(self.connection.connectionState))

    async def _say_ours(self) -> None:
        described = self.connection.localDescription
        await self.say(described.type, described.sdp)

    async def _hear_theirs(self) -> None:
        await self._take(**await self.heard())

    async def take_answer(self, sdp: str) -> None:
        """Take the answer to our offer."""
        await self._take("answer", sdp)

    async def _take(self, type: str, sdp: str) -> None:
        await self.connection.setRemoteDescription(self._aiortc.RTCSessionDescription(sdp, type))
        self.loop.spawn(self._count(), "getStats")

    async def _count(self) -> None:
        while not self.over.is_set():
            report = await self.connection.getStats()
            for entry in report.values():
                if entry.type in ("outbound-rtp", "inbound-rtp"):
                    self._counted |= {name: int(getattr(entry, name)) for name in _COUNTED if hasattr(entry, name)}
            await asyncio.sleep(0.25)


class AiortcSender(_AiortcEnd):
    async def open(self) -> None:
        self._make_connection()
        pictures: asyncio.Queue[Any] = asyncio.Queue(_MOST_WAITING)
        self._pictures = pictures

        class PictureTrack(self._aiortc.MediaStreamTrack):  # type: ignore[misc, name-defined]
            kind = "video"

            async def recv(self) -> Any:
                return await pictures.get()

        transceiver = self.connection.addTransceiver(PictureTrack(), direction="sendonly")
        able = self._aiortc.RTCRtpSender.getCapabilities("video").codecs
        wanted = f"video/{self.context.options['codec']}".lower()
        transceiver.setCodecPreferences([codec for codec in able if codec.mimeType.lower() in (wanted, "video/rtx")])

    async def negotiate(self) -> None:
        await self.connection.setLocalDescription(await self.connection.createOffer())
        await self._say_ours()
        await self._hear_theirs()

    def send(self, data: bytes, frame: Frame) -> bool:
        if self._pictures.full():
            return False
        picture = picture_of(data, self.context.video.width, self.context.video.height)
        picture.pts, picture.time_base = round(frame.captured_at * _CLOCK_RATE), Fraction(1, _CLOCK_RATE)
        self.loop.soon(self._put, picture)
        return True

    def _put(self, picture: Any) -> None:
        if not self._pictures.full():
            self._pictures.put_nowait(picture)


class AiortcReceiver(_AiortcEnd):
    async def open(self) -> None:
        if self.context.options["release"] == "marker":
            _release_at_the_marker()
        self._make_connection()
        self.connection.on("track", self._read)

    async def negotiate(self) -> None:
        await self._hear_theirs()
        await self.connection.setLocalDescription(await self.connection.createAnswer())
        await self._say_ours()

    def _read(self, track: Any) -> None:
        self.loop.spawn(self._give_all(track), "read the track")

    async def _give_all(self, track: Any) -> None:
        with suppress(import_module("aiortc.mediastreams").MediaStreamError):  # the sender has ended the track
            while True:
                self.give(await track.recv())

    def give(self, picture: Any) -> None:
        """Let the outlet have a picture."""
        at = self.context.outlet.now()
        self.context.outlet.give(picture.to_ndarray(format="yuv420p").tobytes(), at=at)


def _release_at_the_marker() -> None:
    """Let its jitter buffer give a frame when the packet with the marker bit is there; by itself it waits for the first
    packet of the next one."""
    module = import_module("aiortc.rtcrtpreceiver")
    buffers = import_module("aiortc.jitterbuffer")

    class MarkerBuffer(buffers.JitterBuffer):  # type: ignore[misc, name-defined]
        def _remove_frame(self, sequence_number: int) -> Any:
            packets: list[Any] = []
            for count in range(self.capacity):
                packet = self._packets[(self._origin + count) % self._capacity]
                if packet is None or (packets and packet.timestamp != packets[0].timestamp):
                    break
                packets.append(packet)
                if packet.marker:
                    self.remove(count + 1)
                    data = b"".join(each._data for each in packets)
                    return buffers.JitterFrame(data=data, timestamp=packet.timestamp)
            return super()._remove_frame(sequence_number)

    module.JitterBuffer = MarkerBuffer  # type: ignore[attr-defined]
