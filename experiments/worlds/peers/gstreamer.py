"""GStreamer of this machine: pictures through x264enc and RTP, with the parts of rtpbin (session, jitter buffer, RTX)
linked by hand, since no application is there to answer its signals. RTCP has the port above that of RTP."""

from collections.abc import Mapping
from typing import ClassVar

from glassbench.experiments.worlds.peers.gst_pipeline import Pipeline, library, with_padding
from glassbench.experiments.worlds.peers.peer import Carries, Peer, PeerContext, PeerEnd, PeerVideo
from glassbench.transport.contract import Frame, Unsupported

_PLUGINS = {
    "gstreamer1.0-plugins-base": ("appsrc", "appsink", "videoconvert"),
    "gstreamer1.0-plugins-good": ("rtpsession", "rtpjitterbuffer", "rtprtxsend", "rtph264pay", "udpsrc"),
    "gstreamer1.0-plugins-ugly": ("x264enc",),
    "gstreamer1.0-libav": ("avdec_h264",),
}
_MEDIA_TYPE, _RTX_TYPE = 96, 97  # payload types
_PACKET_BYTES = 1200
_HISTORY_MS = 1000  # for how long packets can be sent again
_BUFFER_MS = 200  # of the encoder's rate control, as with our own
_NO_KEYFRAMES = 2**31 - 1
_MOST_WAITING = 4  # pictures that the encoder has not begun
# Enough bandwidth for feedback: RFC 4585 makes a receiver with little wait longer than its jitter buffer does.
_SESSION = "rtpsession name=session rtp-profile=avpf bandwidth=20000000"
_FEEDBACK = "rtcp-min-interval=10000000"


class Gstreamer(Peer):
    """A sending and a receiving pipeline."""

    carries: ClassVar[Carries] = "pictures"
    install = f"apt install {' '.join(_PLUGINS)}"

    @classmethod
    def version(cls) -> str:
        try:
            gst = library()
        except (OSError, AttributeError):
            raise cls.missing("GStreamer") from None
        for plugins, elements in _PLUGINS.items():
            for element in elements:
                if not gst.has(element):
                    raise Unsupported(f"GStreamer has no {element} here: apt install {plugins}")
        return gst.version()

    @classmethod
    def check(cls, options: Mapping[str, object], video: PeerVideo) -> None:
        super().check(options, video)
        if video.width % 2 or video.height % 2:
            raise Unsupported(f"x264enc takes pictures of even sizes, got {video.width}x{video.height}")

    @classmethod
    def end(cls, context: PeerContext) -> PeerEnd:
        return _GstreamerSender(context) if context.role == "sender" else _GstreamerReceiver(context)


class _GstreamerEnd(PeerEnd):
    """A pipeline, what it is, and which of its properties tell how it is set and what it counted."""

    SET: ClassVar[Mapping[str, tuple[str, ...]]]
    COUNTED: ClassVar[Mapping[str, tuple[str, ...]]]

    def __init__(self, context: PeerContext) -> None:
        super().__init__(context)
        self._pipeline: Pipeline | None = None

    def description(self) -> str:
        """The pipeline, as gst-launch-1.0 reads it."""
        raise NotImplementedError

    def start(self) -> None:
        self._pipeline = Pipeline(self.description(), self.context)
        self._pipeline.play()

    def connect(self) -> None:
        """Nothing: RTP is sent to whoever listens."""

    def close(self) -> None:
        if self._pipeline is not None:
            self._pipeline.stop()

    def counters(self) -> Mapping[str, int]:
        if self._pipeline is None:
            return {}
        return {
            key: count
            for name, properties in self.COUNTED.items()
            for key, count in self._pipeline.counts(name, *properties).items()
        }

    def settings(self) -> Mapping[str, object]:
        if self._pipeline is None:
            return {}
        return {name: self._pipeline.read(name, *properties) for name, properties in self.SET.items()}


class _GstreamerSender(_GstreamerEnd):
    SET: ClassVar = {
        "encoder": ("bitrate", "speed-preset", "tune", "key-int-max", "vbv-buf-capacity", "threads", "option-string"),
        "payloader": ("mtu", "aggregate-mode", "config-interval"),
        "session": ("rtp-profile", "bandwidth", "rtcp-min-interval"),
        "repeater": ("max-size-time",),
    }
    COUNTED: ClassVar = {"session": ("stats",), "repeater": ("num-rtx-requests", "num-rtx-packets")}

    def description(self) -> str:
        video, (_, port), (host, peer_port) = self.context.video, self.context.local, self.context.peer
        types = f"application/x-rtp-pt-map,{_MEDIA_TYPE}=(uint){_RTX_TYPE}"
        repeater = f'! rtprtxsend name=repeater max-size-time={_HISTORY_MS} payload-type-map="{types}"'
        return f"""
            {_SESSION}
            appsrc name=source is-live=true do-timestamp=true format=time
                caps=video/x-raw,format=I420,width={video.width},height={video.height},framerate={video.fps.numerator}/{
            video.fps.denominator
        }
            ! x264enc name=encoder tune=zerolatency speed-preset=ultrafast threads=1 bitrate={video.bitrate_bps // 1000}
                vbv-buf-capacity={_BUFFER_MS} key-int-max={video.keyframe_interval or _NO_KEYFRAMES}
                option-string=scenecut=0
            ! rtph264pay name=payloader pt={_MEDIA_TYPE} mtu={_PACKET_BYTES} aggregate-mode=zero-latency
                config-interval=-1
            ! application/x-rtp,rtcp-fb-nack-pli=true,rtcp-fb-nack=true
            {repeater if self.context.options["rtx"] else ""} ! session.send_rtp_sink
            session.send_rtp_src ! udpsink host={host} port={peer_port} sync=false async=false
            session.send_rtcp_src ! udpsink host={host} port={peer_port + 1} sync=false async=false
            udpsrc port={port + 1} caps=application/x-rtcp ! session.recv_rtcp_sink
        """

    def send(self, data: bytes, frame: Frame) -> bool:
        assert self._pipeline is not None
        if self._pipeline.waiting() >= _MOST_WAITING:
            return False
        return self._pipeline.push(with_padding(data, self.context))


class _GstreamerReceiver(_GstreamerEnd):
    SET: ClassVar = {
        "buffer": ("latency", "do-retransmission", "do-lost", "mode", "faststart-min-packets", "rtx-next-seqnum"),
        "depayloader": ("request-keyframe", "wait-for-keyframe"),
        "decoder": ("max-threads", "output-corrupt"),
        "session": ("rtp-profile", "bandwidth", "rtcp-min-interval"),
        "sink": ("sync",),
    }
    COUNTED: ClassVar = {
        "session": ("stats",),
        "receiver": ("num-rtx-requests", "num-rtx-packets"),
        "buffer": ("stats",),
    }

    def description(self) -> str:
        options, (_, port), (host, peer_port) = self.context.options, self.context.local, self.context.peer
        rtx = "true" if options["rtx"] else "false"
        types = f"application/x-rtp-pt-map,{_MEDIA_TYPE}=(uint){_RTX_TYPE}"
        receiver = f'rtprtxreceive name=receiver payload-type-map="{types}" !'
        return f"""
            {_SESSION} {_FEEDBACK}
            udpsrc port={port} buffer-size=1000000 caps="application/x-rtp,media=video,clock-rate=90000,
                encoding-name=H264,payload={_MEDIA_TYPE},rtcp-fb-nack=(boolean){rtx},rtcp-fb-nack-pli=(boolean)true"
            ! session.recv_rtp_sink
            udpsrc port={port + 1} caps=application/x-rtcp ! session.recv_rtcp_sink
            session.send_rtcp_src ! udpsink host={host} port={peer_port + 1} sync=false async=false
            session.recv_rtp_src ! {receiver if options["rtx"] else ""} rtpssrcdemux
            ! rtpjitterbuffer name=buffer latency={options["latency_ms"]} do-lost=true do-retransmission={rtx}
                faststart-min-packets=2 rtx-next-seqnum=false
            ! rtph264depay name=depayloader request-keyframe=true wait-for-keyframe=false
            ! avdec_h264 name=decoder max-threads=1 output-corrupt=false
            ! video/x-raw,format=I420
            ! appsink name=sink sync={"true" if options["sync"] else "false"}
        """
