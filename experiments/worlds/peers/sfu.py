"""libwebrtc through a video room of Janus (GPL-3, a program of its own), on the host of the sender.

So the link is the last mile, from the SFU to a viewer. The sender's end keeps the SFU, and tells the viewer its offer.
"""

from collections.abc import Mapping
from typing import Any

from glassbench.experiments.worlds.peers.janus import Janus
from glassbench.experiments.worlds.peers.libwebrtc import Libwebrtc, LibwebrtcReceiver, LibwebrtcSender
from glassbench.experiments.worlds.peers.peer import PeerContext, PeerEnd

_PLUGIN = "janus.plugin.videoroom"
_ROOM, _FEED = 1, 1


class Sfu(Libwebrtc):
    """A publisher and a subscriber of one room."""

    install = "apt install janus"

    @classmethod
    def version(cls) -> str:
        number = cls.told_by("janus", "--version").partition("(")[2].partition(")")[0]
        return f"Janus {number}, {super().version()}"

    @classmethod
    def end(cls, context: PeerContext) -> PeerEnd:
        return _SfuSender(context) if context.role == "sender" else LibwebrtcReceiver(context)


class _SfuSender(LibwebrtcSender):
    """The publisher, and the SFU beside it."""

    def __init__(self, context: PeerContext) -> None:
        super().__init__(context)
        self._janus: Janus | None = None
        self._room: Mapping[str, Any] = {}

    def start(self) -> None:
        self._janus = Janus(Sfu.program("janus"), self.context, _PLUGIN)
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
        publisher, viewer = await janus.attach(_PLUGIN), await janus.attach(_PLUGIN)
        codec, bitrate_bps = self.context.options["codec"], self.context.video.bitrate_bps
        room = {"room": _ROOM, "publishers": 1, "bitrate": bitrate_bps, "videocodec": codec}
        await publisher.ask({"request": "create", **room})
        rooms = (await publisher.ask({"request": "list"})).data["list"]
        self._room = next(each for each in rooms if each["room"] == _ROOM)
        await self._connection.set_local_description()
        await self.gathered()
        join = {"request": "joinandconfigure", "ptype": "publisher", "room": _ROOM, "id": _FEED}
        joined = await publisher.ask(join, {"type": "offer", "sdp": self.local_sdp()})
        await self.take_answer(joined.jsep["sdp"])
        await publisher.is_up.wait()
        watch = {"request": "join", "ptype": "subscriber", "room": _ROOM, "streams": [{"feed": _FEED}]}
        offer = await viewer.ask(watch)
        await self.say(offer.jsep["type"], offer.jsep["sdp"])
        await viewer.ask({"request": "start"}, await self.heard())
