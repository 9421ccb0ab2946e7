"""libwebrtc, the engine of Chrome, by the bindings of the package `wrtc` (BSD). It encodes and decodes by itself. The
sender offers.
"""

import asyncio
import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from glassbench.experiments.worlds.peers.descriptions import START_SHARE, agreed_in, starting_at
from glassbench.experiments.worlds.peers.peer import Carries, Peer, PeerContext, PeerEnd
from glassbench.experiments.worlds.peers.webrtc_end import WebrtcEnd
from glassbench.transport.contract import Estimated, Frame

_GATHERING_LOOK = 0.005  # seconds between two looks at whether all candidates are known
_STATS_INTERVAL = 0.1  # seconds
_ZERO_PLAYOUT = "WebRTC-ForceSendPlayoutDelay", "min_ms:0,max_ms:0"
_KEPT = ("outbound-rtp", "inbound-rtp", "remote-inbound-rtp", "transport", "codec")
_COUNTED = {
    "outbound-rtp": ("frames_encoded", "frames_sent", "packets_sent", "retransmitted_packets_sent", "nack_count",
                     "pli_count", "key_frames_encoded", "quality_limitation_resolution_changes"),
    "inbound-rtp": ("frames_received", "frames_decoded", "frames_dropped", "packets_received", "packets_lost",
                    "packets_discarded", "nack_count", "pli_count", "freeze_count", "retransmitted_packets_received"),
}  # fmt: skip


_ENGINES = {"0.1.0": "M152"}  # of Chrome, in the wheel of that version


class Libwebrtc(Peer):
    """Two peer connections: the sender has a track of our pictures, and the receiver gives what it would render."""

    carries: ClassVar[Carries] = "pictures"
    install = "pip install 'glassbench[peers]'"

    @classmethod
    def version(cls) -> str:
        version = Libwebrtc.package("wrtc")
        return f"{_ENGINES.get(version, 'libwebrtc')} (wrtc {version})"

    @classmethod
    def end(cls, context: PeerContext) -> PeerEnd:
        return LibwebrtcSender(context) if context.role == "sender" else LibwebrtcReceiver(context)


class _LibwebrtcEnd(WebrtcEnd):
    """What both ends share: the engine, and its statistics."""

    def __init__(self, context: PeerContext) -> None:
        super().__init__(context)
        self._stats: dict[str, dict[str, Any]] = {}
        self._estimates: list[Estimated] = []
        self._connection: Any = None
        self.webrtc: Any = None

    def start(self) -> None:
        import webrtc

        if self.context.options["playout"] == "zero":
            webrtc.field_trials.update(dict([_ZERO_PLAYOUT]))
        self.webrtc = webrtc
        super().start()

    def counters(self) -> Mapping[str, int]:
        return {
            name: int(each[name])
            for kind, names in _COUNTED.items()
            if (each := self._stats.get(kind))
            for name in names
            if each.get(name) is not None
        }

    def estimates(self) -> Sequence[Estimated]:
        return self._estimates

    def settings(self) -> Mapping[str, object]:
        codec, pair = self._stats.get("codec", {}), self._stats.get("candidate-pair", {})
        return {
            "codec": codec.get("mime_type"),
            **agreed_in(self.local_sdp()),
            "field_trials": "" if self.webrtc is None else str(self.webrtc.field_trials),
            "round_trip_s": pair.get("current_round_trip_time"),
            "stats": self._stats,
        }

    def configuration(self) -> Any:
        """The RTCConfiguration of the connection; None for no server."""
        return None

    def local_sdp(self) -> str:
        """The local description, empty before there is one."""
        described = None if self._connection is None else self._connection.local_description
        return "" if described is None else str(described.sdp)

    async def shut(self) -> None:
        if self._connection is not None:
            self._connection.close()

    def _make_connection(self) -> None:
        self._connection = self.webrtc.RTCPeerConnection(self.configuration())
        self._connection.on("connectionstatechange", lambda event: self.changed(str(self._connection.connection_state)))

    async def gathered(self, connection: Any) -> None:
        """Wait until all candidates are known."""
        while str(connection.ice_gathering_state) != "complete":
            await asyncio.sleep(_GATHERING_LOOK)

    async def say_ours(self, connection: Any) -> None:
        """Tell the other end the local description, once it has all candidates."""
        await self.gathered(connection)
        described = connection.local_description
        await self.say(str(described.type), described.sdp)

    async def _watch(self) -> None:
        """Keep the last statistics of each kind, and what the congestion control of the sender believes."""
        while not self.over.is_set():
            self._stats |= await stats_of(self._connection)
            self._note_estimate()
            await asyncio.sleep(_STATS_INTERVAL)

    def _note_estimate(self) -> None:
        """Nothing, at the receiver."""


class LibwebrtcSender(_LibwebrtcEnd):
    """It has a track of our pictures."""

    async def open(self) -> None:
        self._make_connection()
        self._generator = self.webrtc.MediaStreamTrackGenerator("video")
        self._writer = self._generator.writable.get_writer()
        options, video = self.context.options, self.context.video
        transceiver = self._connection.add_transceiver(
            self._generator, self.webrtc.RTCRtpTransceiverInit(direction="sendonly")
        )
        able = self.webrtc.RTCRtpSender.get_capabilities("video").codecs
        wanted = f"video/{options['codec']}".lower()
        transceiver.set_codec_preferences(
            [codec for codec in able if codec.mime_type.lower() in (wanted, "video/rtx", "video/red", "video/ulpfec")]
        )
        parameters = transceiver.sender.get_parameters()
        parameters.degradation_preference = "maintain-resolution"  # a smaller picture would be another stamp
        for encoding in parameters.encodings:
            encoding.max_bitrate = video.bitrate_bps
            encoding.max_framerate = float(video.fps)
        await transceiver.sender.set_parameters(parameters)

    async def negotiate(self) -> None:
        await self._connection.set_local_description()
        await self.say_ours(self._connection)
        answer = await self.heard()
        await self.take_answer(answer["sdp"])

    async def take_answer(self, sdp: str) -> None:
        """Take the answer to the offer."""
        sdp = starting_at(sdp, self.context.video.bitrate_bps * START_SHARE)
        await self._connection.set_remote_description(self.webrtc.RTCSessionDescriptionInit(type="answer", sdp=sdp))
        self.loop.spawn(self._watch(), "getStats")

    def send(self, data: bytes, frame: Frame) -> bool:
        video = self.context.video
        init = self.webrtc.VideoFrameBufferInit(
            format="I420",
            coded_width=video.width,
            coded_height=video.height,
            timestamp=round(frame.captured_at * 1e6),
        )
        picture = self.webrtc.VideoFrame(data, init)
        self.loop.soon(self._writer.write, picture)
        return True

    def _note_estimate(self) -> None:
        pair = self._stats.get("candidate-pair", {})
        if (available := pair.get("available_outgoing_bitrate")) is not None:
            self._estimates.append(
                Estimated(
                    at=self.context.outlet.now(),
                    target_bps=float(available),
                    pacing_bps=math.nan,
                    window_bytes=None,
                    in_flight_bytes=None,
                    rtt=float(pair.get("current_round_trip_time", math.nan)),
                    queue=math.nan,
                )
            )


class LibwebrtcReceiver(_LibwebrtcEnd):
    """It gives what it would render."""

    async def open(self) -> None:
        self._make_connection()
        self._connection.on("track", self._read)

    async def negotiate(self) -> None:
        await self.answer(self._connection)
        self.loop.spawn(self._watch(), "getStats")

    async def answer(self, connection: Any) -> None:
        """Answer an offer of the other end."""
        offer = await self.heard()
        await connection.set_remote_description(self.webrtc.RTCSessionDescriptionInit(**offer))
        await connection.set_local_description()
        await self.say_ours(connection)

    def _read(self, event: Any) -> None:
        if self.context.options["playout"] == "zero":
            event.receiver.jitter_buffer_target = 0
        init = self.webrtc.MediaStreamTrackProcessorInit(event.track, max_buffer_size=30)
        self.loop.spawn(self._give_all(self.webrtc.MediaStreamTrackProcessor(init)), "read the track")

    async def _give_all(self, processor: Any) -> None:
        async for picture in processor.readable:
            at = self.context.outlet.now()
            buffer = bytearray(picture.allocation_size())
            await picture.copy_to(buffer)
            picture.close()
            self.context.outlet.give(bytes(buffer), at=at)


async def stats_of(connection: Any) -> dict[str, dict[str, Any]]:
    """What getStats says of a connection, by kind; of candidates those that were chosen."""
    report = await connection.get_stats()
    entries = {name: vars(entry) for name, entry in report.items()}
    chosen = [entry for entry in entries.values() if str(entry["type"]) in _KEPT]
    transport: dict[str, Any] = next((entry for entry in chosen if str(entry["type"]) == "transport"), {})
    pair = entries.get(transport.get("selected_candidate_pair_id"), {})
    chosen += [pair, entries.get(pair.get("local_candidate_id"), {})]
    return {
        str(entry["type"]): {name: _plain(value) for name, value in entry.items() if value is not None}
        for entry in chosen
        if entry
    }


def _plain(value: object) -> object:
    return value if isinstance(value, bool | int | float) else str(value)
