"""GStreamer of this machine: pictures through an encoder of its own and RTP. Either the parts of rtpbin (session,
jitter buffer, RTX) linked by hand, since no application is there to answer its signals, or webrtcbin."""

from collections.abc import Mapping
from typing import ClassVar

from glassbench.experiments.worlds.peers.gst_coding import CODINGS
from glassbench.experiments.worlds.peers.gst_pipeline import library
from glassbench.experiments.worlds.peers.gst_rtp import GstRtpReceiver, GstRtpSender
from glassbench.experiments.worlds.peers.gst_webrtc import GstWebrtcReceiver, GstWebrtcSender
from glassbench.experiments.worlds.peers.peer import Carries, Peer, PeerContext, PeerEnd, PeerVideo
from glassbench.transport.contract import Unsupported

_PLUGINS = {
    "gstreamer1.0-plugins-base": ("appsrc", "appsink", "videoconvert"),
    "gstreamer1.0-plugins-good": ("rtpsession", "rtpjitterbuffer", "rtprtxsend", "udpsrc"),
}
_WEBRTC_PLUGINS = {
    "gstreamer1.0-plugins-bad": ("webrtcbin", "dtlssrtpenc", "srtpenc"),
    "gstreamer1.0-nice": ("nicesrc",),
}


class Gstreamer(Peer):
    """A sending and a receiving pipeline."""

    carries: ClassVar[Carries] = "pictures"
    install = f"apt install {' '.join({**_PLUGINS, **CODINGS['h264'].plugins, **_WEBRTC_PLUGINS})}"

    @classmethod
    def version(cls) -> str:
        try:
            gst = library()
        except (OSError, AttributeError):
            raise cls.missing("GStreamer") from None
        _need(_PLUGINS)
        return gst.version()

    @classmethod
    def check(cls, options: Mapping[str, object], video: PeerVideo) -> None:
        super().check(options, video)
        _need(CODINGS[str(options["codec"])].plugins)
        if options["element"] == "webrtcbin":
            _need(_WEBRTC_PLUGINS)
        if video.width % 2 or video.height % 2:
            raise Unsupported(f"GStreamer's encoders take pictures of even sizes, got {video.width}x{video.height}")

    @classmethod
    def end(cls, context: PeerContext) -> PeerEnd:
        if context.options["element"] == "webrtcbin":
            return GstWebrtcSender(context) if context.role == "sender" else GstWebrtcReceiver(context)
        return GstRtpSender(context) if context.role == "sender" else GstRtpReceiver(context)


def _need(plugins: Mapping[str, tuple[str, ...]]) -> None:
    """Raises Unsupported if an element of these packages is not there."""
    for package, elements in plugins.items():
        for element in elements:
            if not library().has(element):
                raise Unsupported(f"GStreamer has no {element} here: apt install {package}")
