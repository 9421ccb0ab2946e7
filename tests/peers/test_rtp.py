"""Our rtp sender and receivers of other makes: what they decode carries the stamps of the pictures that we sent."""

import shutil
import time

import av
import numpy as np
import pytest

from glassbench.experiments.worlds.ends import Place
from glassbench.netem.live.clock import LiveClock, monotonic_ns
from glassbench.receiver.stamp import read_stamp
from glassbench.transport.rtp import sdp
from glassbench.transport.rtp.packet import TRANSPORT_SEQUENCE_ID, TRANSPORT_SEQUENCE_URI, rtp_time
from glassbench.transport.rtp.session import PAYLOAD_FORMATS

HELD = 1.0  # seconds in which a receiver shows what it holds back, before we say goodbye
DECODERS = {"h264": "avdec_h264", "hevc": "avdec_h265", "vp8": "vp8dec", "vp9": "vp9dec"}


@pytest.fixture
def ffmpeg():
    if shutil.which("ffmpeg") is None:
        pytest.skip("needs ffmpeg: apt-get install -y ffmpeg")


class Session:
    """Our sender, with `bench.seconds` of video for the port of a peer, directly or over a link. Its sequence numbers
    wrap early, those of retransmissions too, and its timestamps in the middle.

    RTCP of a peer that has a port of its own for it comes over the link: from another address it is not believed.
    """

    def __init__(self, bench, port, link=None, arm="rtp", codec="h264"):
        ends = bench.ends(arm, codec)
        self.encoding = PAYLOAD_FORMATS[codec].ENCODING
        self.elements = [f"rtp{self.encoding.lower()}depay", DECODERS[codec]]
        self._bench = bench
        self._socket = bench.socket()
        self.port = self._socket.getsockname()[1]
        peer = ("127.0.0.1", port) if link is None else link.address
        config = ends.config("sender", Place(self._socket.getsockname(), peer))
        self.description = bench.folder / "session.sdp"
        self.description.write_text(sdp(config), newline="")
        self.pictures = bench.folder / "pictures.yuv"
        self._transport = ends.transport("sender", config)
        (source,) = self._transport._sources
        source._sequence, source._rtx_sequence = 2**16 - 100, 2**16 - 3
        source._offset = -rtp_time(ends.start_at + bench.seconds / 2) % 2**32
        self._ends = ends
        self._links = [] if link is None else [link]

    def send(self):
        """All the video, and then some time. What is returned ends the session with a goodbye."""
        clock = LiveClock(monotonic_ns())
        self._pipeline, _ = self._bench.sender(self._ends, self._transport, clock)
        running = self._bench.run(self._pipeline, self._socket, clock)
        self._bench.lose(self._links, self._pipeline, clock)
        time.sleep(HELD)
        return running.stop

    @property
    def stats(self):
        return self._pipeline.stats()

    @property
    def flight(self):
        """What congestion control knows."""
        return self._transport._flight

    def check(self, peer):
        """The peer decoded every picture of ours once, in order. Returns our counters."""
        width, height = self._bench.width, self._bench.height
        planes = np.fromfile(self.pictures, np.uint8).reshape(-1, height * 3 // 2, width)
        stamps = [read_stamp(av.VideoFrame.from_ndarray(one, "yuv420p")) for one in planes]
        records = [record for record in self._pipeline.captured if record.given_up is None]
        sent = [(record.sequence, record.captured_at) for record in records]
        stats = self._pipeline.stats()
        print(f"\n{peer.name}: {len(stamps)} pictures decoded of {len(sent)} sent, {stats}")
        assert len(sent) > 0.9 * self._bench.frames  # an encoder that is kept from its work skips pictures
        assert stamps == sent, peer.said
        assert stats["malformed"] == 0
        return stats


def to_pictures(session):
    """The end of a pipeline of GStreamer: from RTP packets to a file of pictures."""
    depacketize, decode = session.elements
    raw = "videoconvert ! video/x-raw,format=I420"
    return f"{depacketize} ! {decode} ! {raw} ! filesink location={session.pictures}".split()


@pytest.mark.quiet  # it decodes in real time, and every picture must come
def test_ffmpeg_decodes_every_picture_from_our_session_description(bench, ffmpeg):
    port = bench.free_port()
    session = Session(bench, port)
    peer = bench.start(
        *("ffmpeg", "-nostdin", "-nostats", "-protocol_whitelist", "file,udp,rtp", "-i", str(session.description)),
        *("-fps_mode", "passthrough", "-pix_fmt", "yuv420p", "-f", "rawvideo", str(session.pictures)),
    )
    peer.wait_for_port(port)
    say_goodbye = session.send()
    say_goodbye()
    assert peer.wait() == 0
    session.check(peer)


@pytest.mark.quiet  # it decodes in real time, and every picture must come
def test_gstreamer_decodes_every_picture_from_our_session_description(bench, gstreamer):
    port = bench.free_port()
    session = Session(bench, port)
    gstreamer("udpsrc", "sdpdemux", "videoconvert", *session.elements)
    source = f"filesrc location={session.description} ! sdpdemux !".split()
    peer = bench.start("gst-launch-1.0", *source, *to_pictures(session))
    peer.wait_for_port(port)
    say_goodbye = session.send()
    say_goodbye()
    assert peer.wait() == 0
    session.check(peer)


@pytest.mark.parametrize(
    "codec", ["h264", *(pytest.param(codec, marks=pytest.mark.long) for codec in ("hevc", "vp8", "vp9"))]
)
def test_gstreamer_asks_for_what_is_lost_and_gets_it_from_us(bench, gstreamer, codec):
    """Generic NACK (RFC 4585) and RTX (RFC 4588). sdpdemux has neither, so the pipeline is built by hand."""
    port = bench.free_port()
    link = bench.link(("127.0.0.1", port))
    session = Session(bench, port, link, codec=codec)
    gstreamer("udpsrc", "rtpjitterbuffer", "rtprtxreceive", "videoconvert", *session.elements)
    media = f"application/x-rtp,media=video,clock-rate=90000,encoding-name={session.encoding},payload=96"
    # Enough bandwidth for feedback: RFC 4585 makes a receiver with little wait longer than its jitter buffer does.
    pipeline = f"""
        rtpsession name=session rtp-profile=avpf bandwidth=20000000 rtcp-min-interval=10000000
        udpsrc address=127.0.0.1 port={port} caps={media},rtcp-fb-nack=true ! session.recv_rtp_sink
        session.send_rtcp_src ! udpsink host=127.0.0.1 port={link.exit[1]} sync=false async=false
        session.recv_rtp_src ! rtprtxreceive payload-type-map=application/x-rtp-pt-map,96=(uint)97
        ! rtpssrcdemux ! rtpjitterbuffer do-retransmission=true latency=500 !
    """
    peer = bench.start("gst-launch-1.0", "-e", *pipeline.split(), *to_pictures(session))
    peer.wait_for_port(port)
    session.send()
    peer.interrupt()
    assert peer.wait() == 0
    stats = session.check(peer)
    print(f"seed {bench.seed}: lost {link.lost} of {link.lost + link.passed} datagrams")
    assert link.lost > 0
    assert stats["nacks_received"] > 0 and stats["retransmissions"] > 0


def test_the_transport_wide_feedback_of_gstreamer_tells_our_sender_what_came(bench, gstreamer):
    """A controller that does not probe: GStreamer 1.22 says a long run of losses twice, and is refused then."""
    port = bench.free_port()
    link = bench.link(("127.0.0.1", port))
    session = Session(bench, port, link, "rtp:control=scream,feedback=twcc,encoder=fixed")
    gstreamer("rtpsession", "udpsrc")
    media = "application/x-rtp,media=video,clock-rate=90000,encoding-name=H264,payload=96,rtcp-fb-transport-cc=true"
    pipeline = f"""
        rtpsession name=session rtp-profile=avpf bandwidth=20000000 rtcp-min-interval=10000000
        udpsrc address=127.0.0.1 port={port} caps={media},extmap-{TRANSPORT_SEQUENCE_ID}={TRANSPORT_SEQUENCE_URI}
        ! session.recv_rtp_sink
        session.send_rtcp_src ! udpsink host=127.0.0.1 port={link.exit[1]} sync=false async=false
        session.recv_rtp_src ! fakesink sync=false async=false
    """
    peer = bench.start("gst-launch-1.0", "-e", *pipeline.split())
    peer.wait_for_port(port)
    session.send()
    peer.interrupt()
    assert peer.wait() == 0, peer.said
    print(f"seed {bench.seed}: {session.flight.feedbacks} reports, {session.stats}")
    assert session.stats["malformed"] == 0
    assert session.flight.feedbacks > 5 * bench.seconds
    assert 0 < session.stats["lost_packets"] < 0.15 * session.stats["datagrams_sent"]  # each way loses 2 %
