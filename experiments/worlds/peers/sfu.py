"""WebRTC out of Janus (GPL-3, a program of its own), on the host of the sender, to viewers of libwebrtc.

So the link is the last mile, from the SFU to its viewers. The sender's end keeps the SFU, and tells viewers its offers.
"""

from collections.abc import Mapping
from typing import Any

from glassbench.experiments.worlds.peers.gstreamer import Gstreamer
from glassbench.experiments.worlds.peers.http_player import HttpStack
from glassbench.experiments.worlds.peers.janus import Janus, offer_to
from glassbench.experiments.worlds.peers.libwebrtc import Libwebrtc, LibwebrtcReceiver, LibwebrtcSender, stats_of
from glassbench.experiments.worlds.peers.peer import PeerContext, PeerEnd, PeerVideo
from glassbench.experiments.worlds.peers.sfu_gateway import GatewaySender

_PLUGIN = "janus.plugin.videoroom"
_ROOM, _FEED = 1, 1


class Sfu(Libwebrtc):
    """A publisher, by WebRTC or by RTP, and viewers."""

    install = "apt install janus"

    @classmethod
    def version(cls) -> str:
        number = cls.told_by("janus", "--version").partition("(")[2].partition(")")[0]
        HttpStack.version()  # its interface is HTTP
        return f"Janus {number}, {Libwebrtc.version()}"

    @classmethod
    def check(cls, options: Mapping[str, object], video: PeerVideo) -> None:
        super().check(options, video)
        if options["mode"] == "rtp":
            Gstreamer.check({"codec": options["codec"], "element": "rtp"}, video)

    @classmethod
    def end(cls, context: PeerContext) -> PeerEnd:
        if context.role == "receiver":
            return _Viewers(context)
        path = cls.program("janus")
        return GatewaySender(context, path) if context.options["mode"] == "rtp" else _RoomPublisher(context, path)


class _RoomPublisher(LibwebrtcSender):
    """The publisher of a room, and the SFU beside it."""

    def __init__(self, context: PeerContext, path: str) -> None:
        super().__init__(context)
        self._path = path
        self._janus: Janus | None = None
        self._room: Mapping[str, Any] = {}

    def start(self) -> None:
        self._janus = Janus(self._path, self.context, _PLUGIN)
        super().start()

    def close(self) -> None:
        super().close()
        if self._janus is not None:
            self._janus.stop()

    async def shut(self) -> None:
        await super().shut()
        if self._janus is not None:
            await self._janus.leave()

    def settings(self) -> Mapping[str, object]:
        return {**super().settings(), "room": dict(self._room)}

    async def negotiate(self) -> None:
        janus = self._janus
        assert janus is not None
        await janus.connect()
        self.loop.spawn(janus.listen(), "Janus")
        await janus.create()
        publisher = await janus.attach(_PLUGIN)
        codec, bitrate_bps = self.context.options["codec"], self.context.video.bitrate_bps
        room = {"room": _ROOM, "publishers": 1, "bitrate": bitrate_bps, "videocodec": codec}
        await publisher.ask({"request": "create", **room})
        rooms = (await publisher.ask({"request": "list"})).data["list"]
        self._room = next(each for each in rooms if each["room"] == _ROOM)
        await self._connection.set_local_description()
        await self.gathered(self._connection)
        join = {"request": "joinandconfigure", "ptype": "publisher", "room": _ROOM, "id": _FEED}
        joined = await publisher.ask(join, {"type": "offer", "sdp": self.local_sdp()})
        await self.take_answer(joined.jsep["sdp"])
        await publisher.is_up.wait()
        watch = {"request": "join", "ptype": "subscriber", "room": _ROOM, "streams": [{"feed": _FEED}]}
        for _ in range(int(str(self.context.options["viewers"]))):
            await offer_to(self, await janus.attach(_PLUGIN), watch)


class _Viewers(LibwebrtcReceiver):
    """All viewers. The frames are those of the first one; the others only take them."""

    def __init__(self, context: PeerContext) -> None:
        super().__init__(context)
        self._others: list[Any] = []
        self._other_stats: list[Mapping[str, Any]] = []

    async def open(self) -> None:
        await super().open()
        count = int(str(self.context.options["viewers"]))
        self._others = [self.webrtc.RTCPeerConnection(self.configuration()) for _ in range(count - 1)]

    async def negotiate(self) -> None:
        await super().negotiate()
        for connection in self._others:
            await self.answer(connection)

    async def shut(self) -> None:
        self._other_stats = [(await stats_of(connection)).get("inbound-rtp", {}) for connection in self._others]
        await super().shut()
        for connection in self._others:
            connection.close()

    def settings(self) -> Mapping[str, object]:
        return {**super().settings(), "other_viewers": self._other_stats}
