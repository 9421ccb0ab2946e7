"""The ends of GStreamer over WebRTC: webrtcbin, as it comes with gstreamer1.0-plugins-bad. The sender offers.

Of the candidates only those of the host's own address over UDP go to the other end, so that the media crosses the link
as it does for others.
"""

import re
from collections.abc import Mapping
from typing import Literal

from glassbench.experiments.worlds.peers import gst_tuning
from glassbench.experiments.worlds.peers.descriptions import PATIENCE, agreed_in, heard, only_of, say
from glassbench.experiments.worlds.peers.gst_coding import CLOCK_RATE, MEDIA_TYPE
from glassbench.experiments.worlds.peers.gst_end import GstEnd, Properties
from glassbench.experiments.worlds.peers.gst_webrtcbin import WebrtcBin
from glassbench.experiments.worlds.peers.peer import PeerContext

# It is known before media flows: a webrtcbin that sees no SSRC in an offer does not ask for what is lost.
_SSRC = 2**24 + 1


class _GstWebrtcEnd(GstEnd):
    """What both ends share. What webrtcbin tells it tells while it runs, so that is read before the end."""

    def __init__(self, context: PeerContext) -> None:
        super().__init__(context)
        self._webrtcbin: WebrtcBin | None = None
        self._negotiated = ""
        self._is_connected = False
        self._counters: Mapping[str, int] = {}
        self._settings: Mapping[str, object] = {}

    @property
    def webrtcbin(self) -> WebrtcBin:
        """The element, once the pipeline is there."""
        assert self._webrtcbin is not None
        return self._webrtcbin

    @property
    def caps(self) -> str:
        """What its packets are."""
        name = self.coding.rtp_name
        return f"application/x-rtp,media=video,encoding-name={name},payload={MEDIA_TYPE},clock-rate={CLOCK_RATE}"

    def element(self) -> str:
        """The element in a description of a pipeline."""
        return f"webrtcbin name=rtc bundle-policy=max-bundle latency={self.context.options['latency_ms']}"

    def prepare(self) -> None:
        self._webrtcbin = WebrtcBin(self.pipeline, gst_tuning.jitter_buffer(self.context.options))

    def connect(self) -> None:
        self._negotiated = self.negotiate()
        if (session := self.pipeline.element("rtpsession0")) is not None:
            self.webrtcbin.set(session, gst_tuning.session(self.context.options, self.context.role))
        self.webrtcbin.wait("connection-state", "connected", PATIENCE)
        self._is_connected = True

    def negotiate(self) -> str:
        """Exchange descriptions with the other end. Returns the answer."""
        raise NotImplementedError

    def tell(self, kind: Literal["offer", "answer"]) -> str:
        """Tell the other end our description, and return it."""
        sdp = self.webrtcbin.describe(kind, PATIENCE)
        say(self.context, kind, only_of(self.context.local[0], sdp))
        return sdp

    def take(self) -> str:
        """Take the description of the other end, and return it."""
        described = heard(self.context)
        self.webrtcbin.take(described["type"], described["sdp"])
        return described["sdp"]

    def close(self) -> None:
        if self._is_connected and not self.pipeline.is_over:
            self._counters, self._settings = self.counters(), self.settings()
        super().close()

    def counters(self) -> Mapping[str, int]:
        if not self._is_connected or self.pipeline.is_over:
            return self._counters
        return {**self.webrtcbin.counts(), **super().counters()}

    def settings(self) -> Mapping[str, object]:
        if not self._is_connected or self.pipeline.is_over:
            return self._settings
        return {
            **super().settings(),
            "transceiver": {
                name: self.pipeline.property_of(self.webrtcbin.transceiver(), name)
                for name in ("do-nack", "fec-type", "current-direction")
            },
            "codecs": re.findall(r"a=rtpmap:\d+ (\S+)", self._negotiated),
            **agreed_in(self._negotiated),
            **self.webrtcbin.candidates(),
        }


class GstWebrtcSender(_GstWebrtcEnd):
    """Encoder, payloader, webrtcbin. It has no congestion control: GStreamer 1.22 brings no element for it."""

    def set(self) -> Properties:
        return {
            "encoder": self.coding.encoder_settings,
            "payloader": ("mtu",),
            "rtc": ("bundle-policy",),
            "rtpsession0": gst_tuning.SESSION_SETTINGS,
        }

    def counted(self) -> Properties:
        return {"rtprtxsend0": ("num-rtx-requests", "num-rtx-packets")}

    def description(self) -> str:
        return f"""
            {self.element()}
            {self.coding.encoding(self.context.video)} ! {self.caps},ssrc=(uint){_SSRC} ! rtc.
        """

    def negotiate(self) -> str:
        nack = "true" if self.context.options["rtx"] else "false"
        self.webrtcbin.set(self.webrtcbin.transceiver(), {"do-nack": nack, "direction": "sendonly"})
        self.tell("offer")
        return self.take()


class GstWebrtcReceiver(_GstWebrtcEnd):
    """webrtcbin, depayloader, decoder."""

    def set(self) -> Properties:
        return {
            "rtc": ("bundle-policy", "latency"),
            "rtpsession0": gst_tuning.SESSION_SETTINGS,
            "rtpjitterbuffer0": gst_tuning.BUFFER_SETTINGS,
            "depayloader": ("request-keyframe", "wait-for-keyframe"),
            "decoder": self.coding.decoder_settings,
            "sink": ("sync",),
        }

    def counted(self) -> Properties:
        return {"rtprtxreceive0": ("num-rtx-requests", "num-rtx-packets"), "rtpjitterbuffer0": ("stats",)}

    def description(self) -> str:
        return f"{self.element()} rtc. ! {self.coding.decoding(sync=bool(self.context.options['sync']))}"

    def prepare(self) -> None:
        super().prepare()
        nack = "true" if self.context.options["rtx"] else "false"
        self.webrtcbin.set(self.webrtcbin.add_receiver(self.caps), {"do-nack": nack})

    def negotiate(self) -> str:
        self.take()
        return self.tell("answer")
