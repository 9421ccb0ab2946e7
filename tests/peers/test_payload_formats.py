"""Our payload formats against those of FFmpeg and GStreamer, both ways, without sockets and without time: one side
reads the packets of the other, and what comes out is what our encoders gave."""

import subprocess
from fractions import Fraction

import av
import numpy as np
import pytest

from glassbench.receiver.stamp import read_stamp
from glassbench.transport.codecs import CODECS
from glassbench.transport.contract import Frame, FrameLost, FrameReceived, Track, TransportConfig
from glassbench.transport.layers import layer_of
from glassbench.transport.rtp import RtpReceiver, RtpSender, annex_b, sdp
from glassbench.transport.rtp.session import PAYLOAD_FORMATS

SENDER, RECEIVER = ("127.0.0.1", 5000), ("127.0.0.1", 5002)
SIZE = 900  # bytes of a packet
KEYFRAMES = (0, 6)
STREAMS = [("h264", 1), ("hevc", 1), ("vp8", 1), ("vp8", 3), ("vp9", 1), ("vp9", 3), ("av1", 1)]
CODECS_ALONE = [codec for codec, layers in STREAMS if layers == 1]
WRAPPING = f"seqnum-offset=65530 timestamp-offset={2**32 - 9000}"  # after six packets, and after a tenth of a second
DECODERS = {"h264": "avdec_h264", "hevc": "avdec_h265", "vp8": "vp8dec", "vp9": "vp9dec", "av1": "av1dec"}
PARSERS = {"h264": ["h264parse"], "hevc": ["h265parse"], "av1": ["av1parse"]}


class Ours:
    """Our two ends for one video."""

    def __init__(self, codec, layers=1):
        tracks = (Track(1, "video", codec, 1, layers=layers),)
        self._codec, self._layers = codec, layers
        self._sent = TransportConfig(SENDER, RECEIVER, 1, tracks, max_datagram_bytes=SIZE)
        self._received = TransportConfig(RECEIVER, SENDER, 2, tracks)

    @property
    def description(self):
        return sdp(self._sent)

    def send(self, units):
        """The datagrams of these access units."""
        sender = RtpSender(self._sent)
        sender.connect(now=1000.0)
        datagrams = []
        for number, unit in enumerate(units):
            at = 1002 + number / 32
            layer = layer_of(number % KEYFRAMES[1], self._layers)
            sender.send_frame(Frame(1, 0, number, at, number in KEYFRAMES, layer, 1, None, unit), now=at)
            datagrams += [datagram.data for datagram in sender.datagrams_to_send(now=at)]
        return datagrams

    def receive(self, datagrams):
        """The frames in datagrams of somebody else, none of which is lost."""
        receiver = RtpReceiver(self._received)
        receiver.connect(now=1000.0)
        for number, data in enumerate(datagrams):
            receiver.receive_datagram(data, SENDER, now=1002 + number / 1000)
        events = list(iter(receiver.next_event, None))
        assert not [event for event in events if isinstance(event, FrameLost)]
        assert receiver.stats()["malformed"] == 0
        return [event.frame for event in events if isinstance(event, FrameReceived)]


def arriving(codec, units):
    """What a receiver gets of these access units: start codes become four bytes."""
    return [annex_b.normalise(unit) for unit in units] if codec in ("h264", "hevc") else units


def check(frames, codec, units):
    assert [frame.payload for frame in frames] == arriving(codec, units)
    assert [frame.keyframe for frame in frames] == [number in KEYFRAMES for number in range(len(units))]


def mux(file, container_format, codec, units, **options):
    """Have FFmpeg write these access units, 1/30 s apart."""
    with av.open(file, "w", format=container_format, options=options) as container:
        stream = container.add_mux_stream(CODECS[codec].encoder.library, rate=30, width=320, height=180)
        for number, unit in enumerate(units):
            packet = av.Packet(unit)
            packet.stream, packet.time_base = stream, Fraction(1, 30)
            packet.pts = packet.dts = number
            packet.is_keyframe = number in KEYFRAMES
            container.mux(packet)


class Answers:
    """A file for FFmpeg to read or write. Each read gives one of these, each write is one packet."""

    def __init__(self, *answers):
        self._answers = list(answers)
        self.written = []

    def read(self, size):
        return self._answers.pop(0) if self._answers else b""

    def write(self, data):
        self.written.append(bytes(data))
        return len(data)


@pytest.mark.parametrize(("codec", "layers"), [stream for stream in STREAMS if stream != ("vp9", 3)])
def test_ffmpeg_takes_every_frame_out_of_our_packets(access_units, codec, layers):
    """It reads a session description to its end, and then packets from the same file. Of VP9 with layers it knows
    neither P_DIFF nor scalability structures: it takes them for a part of the frame (FFmpeg 8.1)."""
    ours, units = Ours(codec, layers), access_units(codec, layers)
    source = Answers(ours.description.encode(), b"", *ours.send(units))
    with av.open(source, format="sdp", options={"sdp_flags": "custom_io"}) as container:
        taken = [bytes(packet) for packet in container.demux(video=0) if packet.size]
    assert taken == arriving(codec, units)


@pytest.mark.parametrize("codec", CODECS_ALONE)
def test_we_take_every_frame_out_of_the_packets_of_ffmpeg(access_units, codec):
    sink, units = Answers(), access_units(codec)
    mux(sink, "rtp", codec, units, packetsize=str(SIZE), seq="65530", strict="experimental")  # its VP9 is a draft
    check(Ours(codec).receive(sink.written), codec, units)


@pytest.fixture
def launch(tmp_path):
    """launch(elements): run a pipeline of GStreamer to its end, in an empty folder."""

    def run(*elements):
        command = ["gst-launch-1.0", "--quiet", *" ! ".join(elements).split()]
        ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
        assert ended.returncode == 0, ended.stderr

    return run


def caps(codec):
    """RTP as a stream of bytes (RFC 4571), each packet behind its size."""
    encoding = PAYLOAD_FORMATS[codec].ENCODING
    return f"application/x-rtp-stream,media=video,clock-rate=90000,payload=96,encoding-name={encoding}"


def element(codec, what):
    return f"rtp{PAYLOAD_FORMATS[codec].ENCODING.lower()}{what}"


@pytest.mark.parametrize(("codec", "layers"), STREAMS)
def test_gstreamer_decodes_every_picture_of_our_packets(access_units, gstreamer, launch, tmp_path, codec, layers):
    gstreamer("rtpstreamdepay", "videoconvert", element(codec, "depay"), DECODERS[codec])
    units = access_units(codec, layers)
    packets = Ours(codec, layers).send(units)
    (tmp_path / "packets").write_bytes(b"".join(len(packet).to_bytes(2, "big") + packet for packet in packets))
    launch(
        *("filesrc location=packets", caps(codec), "rtpstreamdepay", element(codec, "depay"), DECODERS[codec]),
        *("videoconvert", "video/x-raw,format=I420", "filesink location=pictures"),
    )
    planes = np.fromfile(tmp_path / "pictures", np.uint8).reshape(-1, 270, 320)
    stamps = [read_stamp(av.VideoFrame.from_ndarray(picture, "yuv420p")) for picture in planes]
    assert stamps == [(number, 1002 + number / 32) for number in range(len(units))]


@pytest.mark.parametrize("codec", CODECS_ALONE)
def test_we_take_every_frame_out_of_the_packets_of_gstreamer(access_units, gstreamer, launch, tmp_path, codec):
    parsers = PARSERS.get(codec, [])
    gstreamer("matroskademux", "rtpstreampay", element(codec, "pay"), *parsers)
    units = access_units(codec)
    mux(str(tmp_path / "video"), "matroska", codec, units)
    launch(
        *("filesrc location=video", "matroskademux", *parsers, f"{element(codec, 'pay')} mtu={SIZE} pt=96 {WRAPPING}"),
        *("rtpstreampay", "filesink location=packets"),
    )
    stream, packets = (tmp_path / "packets").read_bytes(), []
    while stream:
        end = 2 + int.from_bytes(stream[:2], "big")
        packets.append(stream[2:end])
        stream = stream[end:]
    check(Ours(codec).receive(packets), codec, units)
