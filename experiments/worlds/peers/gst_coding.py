"""What a codec is in a pipeline of GStreamer: an encoder for low latency, its RTP payload format, a decoder.

The elements are named "encoder", "payloader", "depayloader" and "decoder".
"""

from collections.abc import Mapping
from dataclasses import dataclass

from glassbench.experiments.worlds.peers.peer import PeerVideo

MEDIA_TYPE, RTX_TYPE = 96, 97  # RTP payload types
CLOCK_RATE = 90_000
PACKET_BYTES = 1200
_BUFFER_MS = 200  # of the encoder's rate control, as with our own
_NO_KEYFRAMES = 2**31 - 1


@dataclass(frozen=True, slots=True)
class GstCoding:
    """`rtp_name` is its encoding name in SDP. `plugins`: packages of Debian, each with elements of it that are needed.
    `encoder_settings` and `decoder_settings` are the properties that decide how they work."""

    rtp_name: str
    encoder: str
    payloader: str
    depayloader: str
    decoder: str
    plugins: Mapping[str, tuple[str, ...]]
    encoder_settings: tuple[str, ...]
    decoder_settings: tuple[str, ...]

    def encoding(self, video: PeerVideo) -> str:
        """From pictures at the appsrc "source" to RTP packets, for gst_parse_launch."""
        numbers = {
            "bps": video.bitrate_bps,
            "kbps": video.bitrate_bps // 1000,
            "buffer_ms": _BUFFER_MS,
            "interval": video.keyframe_interval or _NO_KEYFRAMES,
        }
        return f"""
            appsrc name=source is-live=true do-timestamp=true format=time
                caps=video/x-raw,format=I420,width={video.width},height={video.height},framerate={video.fps.numerator}/{
            video.fps.denominator
        }
            ! {self.encoder.format(**numbers)}
            ! {self.payloader} name=payloader pt={MEDIA_TYPE} mtu={PACKET_BYTES}
        """

    def decoding(self, *, sync: bool) -> str:
        """From RTP packets to pictures at the appsink "sink"."""
        return f"""
            {self.depayloader} name=depayloader request-keyframe=true wait-for-keyframe=false
            ! {self.decoder} ! video/x-raw,format=I420 ! appsink name=sink sync={"true" if sync else "false"}
        """


CODINGS: Mapping[str, GstCoding] = {
    "h264": GstCoding(
        rtp_name="H264",
        encoder="x264enc name=encoder tune=zerolatency speed-preset=ultrafast threads=1 bitrate={kbps} "
        "vbv-buf-capacity={buffer_ms} key-int-max={interval} option-string=scenecut=0",
        payloader="rtph264pay aggregate-mode=zero-latency config-interval=-1",
        depayloader="rtph264depay",
        decoder="avdec_h264 name=decoder max-threads=1 output-corrupt=false",
        plugins={
            "gstreamer1.0-plugins-good": ("rtph264pay",),
            "gstreamer1.0-plugins-ugly": ("x264enc",),
            "gstreamer1.0-libav": ("avdec_h264",),
        },
        encoder_settings=(
            *("bitrate", "speed-preset", "tune", "key-int-max", "vbv-buf-capacity", "threads", "option-string"),
        ),
        decoder_settings=("max-threads", "output-corrupt"),
    ),
    "vp8": GstCoding(
        rtp_name="VP8",
        encoder="vp8enc name=encoder deadline=1 cpu-used=8 lag-in-frames=0 threads=1 end-usage=cbr "
        "target-bitrate={bps} buffer-size={buffer_ms} buffer-initial-size={buffer_ms} buffer-optimal-size={buffer_ms} "
        "undershoot=95 keyframe-max-dist={interval}",
        payloader="rtpvp8pay picture-id-mode=15-bit",
        depayloader="rtpvp8depay",
        decoder="vp8dec name=decoder threads=1",
        plugins={"gstreamer1.0-plugins-good": ("vp8enc", "vp8dec", "rtpvp8pay")},
        encoder_settings=(
            *("target-bitrate", "end-usage", "deadline", "cpu-used", "lag-in-frames", "keyframe-max-dist"),
            *("buffer-size", "buffer-initial-size", "buffer-optimal-size", "threads", "dropframe-threshold"),
        ),
        decoder_settings=("threads",),
    ),
}
"""By the names of the codecs."""
