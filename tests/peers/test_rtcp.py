"""Reports and requests between our rtp ends and a session of GStreamer in this process, both ways: each understands
what the other one says of loss, jitter and round trip, and sends a keyframe when it is asked for one."""

import re
import select
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import pytest

from glassbench.experiments.scenario.arm_table import ARMS
from glassbench.experiments.worlds.peers.gst_pipeline import Pipeline, library
from glassbench.experiments.worlds.peers.gstreamer import Gstreamer
from glassbench.experiments.worlds.peers.outlet import Outlet
from glassbench.experiments.worlds.peers.peer import PeerContext, PeerVideo
from glassbench.netem.live.clock import LiveClock, monotonic_ns
from glassbench.netem.live.udp_socket import UdpSocket, open_socket
from glassbench.transport.contract import (
    Event,
    Frame,
    FrameLost,
    FrameReceived,
    KeyframeRequested,
    Track,
    TransportConfig,
    Unsupported,
)
from glassbench.transport.registry import complete_options
from glassbench.transport.rtp import RtpReceiver, RtpSender, rtcp
from glassbench.transport.rtp.packet import CLOCK_RATE

LOCAL = "127.0.0.1"
VIDEO = Track(1, "video", "vp8", 0)
ELEMENTS = ("rtpsession", "rtpssrcdemux", "rtpjitterbuffer", "rtpvp8pay", "rtpvp8depay", "vp8enc", "videotestsrc")
MEDIA = "application/x-rtp,media=video,clock-rate=90000,encoding-name=VP8,payload=96"
# Enough bandwidth for feedback: RFC 4585 makes a receiver with little wait longer.
SESSION = "rtpsession name=session rtp-profile=avpf bandwidth=20000000 rtcp-min-interval=200000000"
SIZE = 400  # bytes of a packet of GStreamer, so that a frame is several
AWAY = 0.06  # seconds that what GStreamer says is under way
PATIENCE = 10.0
EACH = 5  # packets of which one is lost


class Driven:
    """Our end on a socket, which the test drives. RTP goes to the port `rtp` of GStreamer, RTCP to the port above."""

    def __init__(self, make: type[RtpSender] | type[RtpReceiver], rtp: int, codec: str) -> None:
        self.clock = LiveClock(monotonic_ns())
        self._udp = UdpSocket(open_socket(), self.clock)
        self.port = self._udp.address[1]
        self._rtp = rtp
        self._peer = (LOCAL, rtp)
        config = TransportConfig(self._udp.address, self._peer, 1, (replace(VIDEO, media=codec),), 576, {"nack": False})
        self.end = make(config)
        self.events: list[Event] = []
        self.said: list[rtcp.Item] = []  # what GStreamer said
        self.feedback: set[tuple[int, int]] = set()  # types and formats of feedback on the payload in it
        self.loses: Callable[[int], bool] = lambda count: False
        self.passed = self.lost = 0
        self._away: list[tuple[float, bytes]] = []
        self.end.connect(now=self.clock.now())

    def of(self, kind: type) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    def blocks(self) -> list[rtcp.Block]:
        return [item for item in self.said if isinstance(item, rtcp.Block)]

    def run(self, done: Callable[[], object]) -> None:
        until = self.clock.now() + PATIENCE
        while not done():
            assert self.clock.now() < until, f"waited in vain; {self.end.stats()}"
            self._step()

    def rest(self, seconds: float) -> None:
        until = self.clock.now() + seconds
        self.run(lambda: self.clock.now() >= until)

    def close(self) -> None:
        self._udp.close()

    def _step(self) -> None:
        select.select([self._udp], [], [], 0.002)
        for data, _, _, at in self._udp.receive():
            if rtcp.is_rtcp(data):
                self._away.append((at + AWAY, data))
            elif self._passes():
                self.end.receive_datagram(data, self._peer, now=at)
        now = self.clock.now()
        while self._away and self._away[0][0] <= now:
            data = self._away.pop(0)[1]
            self.said += rtcp.parse(data)
            self.feedback |= set(payload_feedback(data))
            self.end.receive_datagram(data, self._peer, now=now)
        self.end.handle_timer(now=now)
        for data, _, ecn in self.end.datagrams_to_send(now=now):
            is_rtcp = rtcp.is_rtcp(data)
            if is_rtcp or self._passes():
                self._udp.send([(data, (LOCAL, self._rtp + is_rtcp), ecn)])
        while (event := self.end.next_event()) is not None:
            self.events.append(event)

    def _passes(self) -> bool:
        """Count a media packet, and say whether the network hands it on."""
        count = self.passed + self.lost
        lost = self.loses(count)
        self.lost += lost
        self.passed += not lost
        return not lost


def payload_feedback(data: bytes) -> Iterator[tuple[int, int]]:
    """Type and format of each packet of a compound one that is feedback on the payload."""
    while data:
        if data[1] == rtcp.PAYLOAD_FEEDBACK:
            yield data[1], data[0] & 0x1F
        data = data[4 + 4 * int.from_bytes(data[2:4], "big") :]


@pytest.fixture
def peer(gstreamer: Callable[..., None]) -> Iterator[Callable[[str], Any]]:
    """peer(description): a pipeline of GStreamer that runs, and what comes out of its sink."""
    gstreamer(*ELEMENTS)
    library()
    with ExitStack() as running:

        def start(description: str) -> Any:
            outlet = Outlet()
            context: Any = SimpleNamespace(outlet=outlet, video=SimpleNamespace(width=320, height=180))
            pipeline = Pipeline(description, context)
            running.callback(pipeline.stop)
            pipeline.play()
            return SimpleNamespace(pipeline=pipeline, outlet=outlet)

        yield start


@pytest.fixture
def session(bench: Any) -> Iterator[Callable[..., Driven]]:
    with ExitStack() as running:

        def make(kind: type[RtpSender] | type[RtpReceiver], codec: str = "vp8") -> tuple[Driven, int]:
            port = bench.free_port()
            one = Driven(kind, port, codec)
            running.callback(one.close)
            return one, port

        yield make


def receiving(port: int, ours: int, feedback: str) -> str:
    return f"""
        {SESSION}
        udpsrc address={LOCAL} port={port} caps="{MEDIA},{feedback}" ! session.recv_rtp_sink
        udpsrc address={LOCAL} port={port + 1} caps=application/x-rtcp ! session.recv_rtcp_sink
        session.send_rtcp_src ! udpsink host={LOCAL} port={ours} sync=false async=false
        session.recv_rtp_src ! rtpssrcdemux ! rtpjitterbuffer latency=20 ! rtpptdemux
        ! rtpvp8depay request-keyframe=true wait-for-keyframe=true ! appsink name=sink sync=false
    """


def sending(port: int, ours: int, payloader: str = "") -> str:
    return f"""
        {SESSION}
        videotestsrc is-live=true pattern=ball ! video/x-raw,width=320,height=180,framerate=60/1
        ! vp8enc deadline=1 keyframe-max-dist=100000 target-bitrate=1000000
        ! rtpvp8pay pt=96 mtu={SIZE} picture-id-mode=2 {payloader}
        ! application/x-rtp,rtcp-fb-nack-pli=true,rtcp-fb-ccm-fir=true ! session.send_rtp_sink
        session.send_rtp_src ! udpsink host={LOCAL} port={ours} sync=false async=false
        session.send_rtcp_src ! udpsink host={LOCAL} port={ours} sync=false async=false
        udpsrc address={LOCAL} port={port + 1} caps=application/x-rtcp ! session.recv_rtcp_sink
    """


def send(ours: Driven, units: list[bytes], numbers: range) -> None:
    """One access unit each 15 ms, the place in the list of each by its number."""
    for number in numbers:
        now = ours.clock.now()
        unit = units[number % len(units)]
        ours.end.send_frame(
            Frame(1, 0, number, round(now * 1e6) / 1e6, number % len(units) in (0, 6), 0, 0, None, unit), now=now
        )
        ours.rest(0.015)


def test_the_reports_of_gstreamer_tell_our_sender_of_loss_jitter_and_round_trip(
    session: Any, peer: Any, access_units: Any
) -> None:
    ours, port = session(RtpSender)
    peer(receiving(port, ours.port, "rtcp-fb-nack-pli=(boolean)true"))
    ours.loses = lambda count: count % EACH == EACH - 1
    send(ours, access_units("vp8"), range(70))
    ours.rest(0.3 + AWAY)
    last = ours.blocks()[-1]
    assert last.lost == pytest.approx(ours.lost, abs=2)
    assert max(block.fraction_lost for block in ours.blocks()) == pytest.approx(256 / EACH, rel=0.4)
    assert last.jitter < 0.02 * CLOCK_RATE
    assert AWAY <= ours.end._round_trip.smoothed < AWAY + 0.1
    assert ours.end.stats()["malformed"] == ours.end.stats()["unknown_ssrc"] == 0


@pytest.mark.parametrize(("feedback", "format"), [("rtcp-fb-nack-pli", 1), ("rtcp-fb-ccm-fir", 4)])
def test_gstreamer_asks_our_sender_for_a_keyframe_and_gets_it(
    session: Any, peer: Any, access_units: Any, feedback: str, format: int
) -> None:
    """It wants to begin, and all that it sees are other frames: PLI (RFC 4585), or FIR (RFC 5104)."""
    units = access_units("vp8")
    ours, port = session(RtpSender)
    theirs = peer(receiving(port, ours.port, f"{feedback}=(boolean)true"))
    send(ours, units, range(1, 6))
    ours.run(lambda: ours.of(KeyframeRequested))
    assert ours.feedback == {(rtcp.PAYLOAD_FEEDBACK, format)}
    assert theirs.outlet.take() == []
    send(ours, units, range(6, 12))
    shown: list[bytes] = []

    def all_shown() -> bool:
        shown.extend(given.data for given in theirs.outlet.take())
        return len(shown) >= 5  # the last one waits for the packet after it

    ours.run(all_shown)
    assert shown == units[6 : 6 + len(shown)]


def test_the_receiver_of_the_arm_gstreamer_asks_for_a_keyframe_after_a_loss(
    session: Any, access_units: Any, bench: Any
) -> None:
    try:
        Gstreamer.version()
    except Unsupported as missing:
        pytest.skip(str(missing))
    ours, port = session(RtpSender, "h264")
    options = complete_options(ARMS["gstreamer"], {"rtx": False})
    video = PeerVideo(320, 180, Fraction(30), "h264", 1_000_000, None)
    nowhere: Any = None
    above = (LOCAL, ours.port - 1)  # it sends RTCP to the port above
    end = Gstreamer.end(PeerContext("receiver", (LOCAL, port), above, options, video, 1, 1.0, bench.folder, nowhere))
    end.start()
    try:
        ours.loses = lambda count: count % 40 == 39
        send(ours, access_units("h264"), range(60))
        ours.run(lambda: ours.of(KeyframeRequested))
    finally:
        end.close()


def test_gstreamer_sends_a_keyframe_when_we_ask_and_understands_our_reports_across_wraps(
    session: Any, peer: Any
) -> None:
    """Its sequence numbers wrap after 36 packets, its timestamps after a second."""
    ours, port = session(RtpReceiver)
    theirs = peer(sending(port, ours.port, f"seqnum-offset=65500 timestamp-offset={2**32 - CLOCK_RATE}"))
    ours.run(lambda: len(ours.of(FrameReceived)) > 30)
    ours.end.request_keyframe(VIDEO.id, now=ours.clock.now())
    ours.run(lambda: len(ours.of(FrameReceived)) > 90)
    received = [event.frame for event in ours.of(FrameReceived)]
    first, asked = [number for number, frame in enumerate(received) if frame.keyframe]
    assert first == 0 and 30 < asked < 60
    assert not ours.of(FrameLost)
    assert [frame.sequence for frame in received] == list(range(len(received)))
    assert received[-1].captured_at - received[0].captured_at == pytest.approx((len(received) - 1) / 60, rel=0.5)

    ours.loses = lambda count: count % EACH == EACH - 1
    ours.rest(1.0)
    known = reports_on_itself(theirs.pipeline.read("session", "stats")["stats"])
    assert known["rb-exthighestseq"] >> 16 == 1, "one cycle"
    assert known["rb-fractionlost"] == pytest.approx(256 / EACH, rel=0.5)
    assert 0 < known["rb-packetslost"] <= ours.lost
    assert known["rb-jitter"] < 0.02 * CLOCK_RATE
    assert AWAY <= known["rb-round-trip"] / 65536 < AWAY + 0.1
    assert known["recv-pli-count"] == 1
    assert ours.end.stats()["malformed"] == 0


def reports_on_itself(stats: str) -> dict[str, int]:
    """What a session of GStreamer that sends knows by the reports of others, and what it was asked for."""
    sources = stats.split("application/x-rtp-source-stats")
    (reporter,) = (source for source in sources if "have-rb=(boolean)true" in source)
    (itself,) = (source for source in sources if "internal=(boolean)true" in source)
    numbers = re.compile(r"([a-z-]+)=\((?:u?int|guint64)\)(-?\d+)")
    named = {name: int(number) for name, number in numbers.findall(reporter) if name.startswith("rb-")}
    return named | {name: int(number) for name, number in numbers.findall(itself) if name == "recv-pli-count"}
