"""The sender of a gateway from RTP to WebRTC: an encoder of GStreamer sends RTP into a mountpoint of Janus, beside it
on its host, which serves it to viewers.

Janus answers requests for what is lost by itself, and asks the encoder for keyframes. Nothing follows the last mile.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from glassbench.experiments.worlds.peers.gst_coding import MEDIA_TYPE
from glassbench.experiments.worlds.peers.gst_rtp import GstRtpSender
from glassbench.experiments.worlds.peers.janus import Janus, offer_to
from glassbench.experiments.worlds.peers.peer import PeerContext
from glassbench.experiments.worlds.peers.webrtc_end import WebrtcEnd
from glassbench.transport.contract import Frame

_PLUGIN = "janus.plugin.streaming"
_MOUNTPOINT = 1
_LOCAL = "127.0.0.1"
_PORT, _ENCODER_PORT = 5004, 5104  # of RTP; RTCP has the next one


class GatewaySender(WebrtcEnd):
    """Encoder and SFU. It offers each viewer the mountpoint."""

    def __init__(self, context: PeerContext, path: str) -> None:
        super().__init__(context)
        self._path = path
        options = {"codec": context.options["codec"], "rtx": False, "tuned": True}
        self._encoder = GstRtpSender(
            replace(context, local=(_LOCAL, _ENCODER_PORT), peer=(_LOCAL, _PORT), options=options)
        )
        self._janus: Janus | None = None
        self._mountpoint: Mapping[str, Any] = {}

    def start(self) -> None:
        self._janus = Janus(self._path, self.context, _PLUGIN)
        super().start()

    async def open(self) -> None:
        """Nothing: the encoder starts when the mountpoint is there."""

    async def negotiate(self) -> None:
        janus, options = self._janus, self.context.options
        assert janus is not None
        await janus.connect()
        self.loop.spawn(janus.listen(), "Janus")
        await janus.create()
        owner = await janus.attach(_PLUGIN)
        video = {"type": "video", "mid": "video", "codec": options["codec"], "pt": MEDIA_TYPE}
        ports = {"iface": _LOCAL, "port": _PORT, "rtcpport": _PORT + 1}
        is_zero = options["playout"] == "zero"
        mountpoint = {"type": "rtp", "id": _MOUNTPOINT, "media": [{**video, **ports}], "playoutdelay_ext": is_zero}
        await owner.ask({"request": "create", **mountpoint})
        self._encoder.start()
        for _ in range(int(str(options["viewers"]))):
            viewer = await janus.attach(_PLUGIN)
            await offer_to(self, viewer, {"request": "watch", "id": _MOUNTPOINT})
            await viewer.is_up.wait()
            if is_zero:
                await viewer.ask({"request": "configure", "min_delay": 0, "max_delay": 0})
        self._mountpoint = (await owner.ask({"request": "info", "id": _MOUNTPOINT})).data["info"]
        self.changed("connected")

    def send(self, data: bytes, frame: Frame) -> bool:
        return self._encoder.send(data, frame)

    def close(self) -> None:
        super().close()
        self._encoder.close()
        if self._janus is not None:
            self._janus.stop()

    async def shut(self) -> None:
        if self._janus is not None:
            await self._janus.leave()

    def counters(self) -> Mapping[str, int]:
        return self._encoder.counters()

    def settings(self) -> Mapping[str, object]:
        return {**self._encoder.settings(), "mountpoint": self._mountpoint}
