"""Our scheduler: strict priorities, deadlines, streams given up safely, no unbounded queue."""

from collections import Counter
from dataclasses import replace

import pytest

from glassbench.netem.elements.delay import Delay
from glassbench.netem.elements.fixed_rate import FixedRate
from glassbench.netem.elements.outage import Outage
from glassbench.netem.queues.drop_tail import DropTail
from glassbench.transport.contract import Closed, Frame, FrameDropped, FrameLost, FrameSent, FrameStarted, Track

MEDIA_AT = 1002.0
STOCK_RENO = {"stack": "stock", "control": "reno"}
STREAMS = ["quic-stream", "quic-stream-per-gop", "quic-stream-per-frame", "webtransport-stream-per-frame"]
ARMS = [*STREAMS, "quic-datagram", "webtransport-datagram"]
both_timer_modes = pytest.mark.parametrize("timer_resolution", [0.0, 0.001])


def message(sequence, at, priority=0):
    return Frame(2, 0, sequence, at, True, 0, priority, None, b"hello" * 20)


@both_timer_modes
@pytest.mark.parametrize("arm", ARMS)
def test_a_message_overtakes_a_queued_keyframe(call, video, arm, timer_resolution):
    keyframe = video(1, 200_000)
    chat = [message(n, MEDIA_AT + 0.3 + n * 0.1) for n in range(5)]
    session = call(arm, rate_bps=2e6, queue_bytes=100_000, timer_resolution=timer_resolution)
    session.run([*keyframe, *chat], until=MEDIA_AT + 5)
    assert session.received()[0].at > MEDIA_AT + 0.8
    delays = [event.at - event.frame.captured_at for event in session.received(2).values()]
    assert len(delays) == 5
    assert max(delays) < 0.02 + 0.06, "behind the packets that were on the link already, and no others"


def test_a_less_important_message_waits_for_the_keyframe(call, video):
    tracks = (Track(1, "video", "h264", 0), Track(2, "log", "data", 5))
    keyframe = [replace(frame, priority=0) for frame in video(1, 200_000)]
    session = call("quic-stream-per-frame", tracks=tracks, rate_bps=2e6)
    session.run([*keyframe, message(0, MEDIA_AT + 0.01, priority=5)], until=MEDIA_AT + 5)
    assert session.received(2)[0].at > session.received(1)[0].at - 0.02


@pytest.mark.sampled(4)
@both_timer_modes
@pytest.mark.parametrize("arm", ["quic-stream-per-frame", "webtransport-datagram", "quic-datagram"])
def test_frames_that_cannot_arrive_in_time_are_given_up_and_the_link_carries_others(call, video, arm, timer_resolution):
    deadline = 0.2
    tracks = (Track(1, "video", "h264", 2, deadline), Track(2, "chat", "data", 0))
    session = call(arm, tracks=tracks, rate_bps=2e6, queue_bytes=100_000, timer_resolution=timer_resolution)
    frames = video(150, 16_000, deadline=deadline)  # twice the capacity
    session.run(frames, until=MEDIA_AT + 8)
    received = session.received()
    in_time = [n for n, event in received.items() if event.at <= event.frame.captured_at + deadline]
    assert len(in_time) > 0.35 * len(frames), "not far from the half that fits"
    dropped = session.of(FrameDropped)
    assert {event.reason for event in dropped} == {"expired"}
    assert max(Counter(event.sequence for event in dropped).values()) == 1
    for event in dropped:
        assert event.at <= frames[event.sequence].expires_at + 0.002
    for event in session.of(FrameStarted):
        assert event.at < frames[event.sequence].expires_at
    assert {e.sequence for e in session.of(FrameSent)}.isdisjoint(e.sequence for e in dropped)
    assert {event.sequence for event in session.of(FrameLost)}.isdisjoint(received)
    assert received.keys() | {event.sequence for event in dropped} >= {e.sequence for e in session.of(FrameSent)}


def test_a_late_frame_is_not_sent_at_all(call, video):
    frames = video(30, 5000, deadline=0.1)
    late = [replace(frame, expires_at=frame.captured_at) for frame in frames]
    session = call("quic-datagram").run(late, until=MEDIA_AT + 2)
    assert session.counts()["FrameStarted"] == 0
    assert session.counts()["FrameDropped"] == 30


@pytest.mark.sampled(4)
@both_timer_modes
@pytest.mark.parametrize("arm", ["quic-stream-per-frame", "webtransport-stream-per-frame"])
def test_the_connection_survives_hundreds_of_resets(call, video, arm, timer_resolution):
    """What was sent into an outage is not acknowledged before its deadline, and given up."""
    tracks = (Track(1, "video", "h264", 2, 0.06), Track(2, "chat", "data", 0))
    outages = [(3 + n * 0.32, 0.1) for n in range(75)]
    forward = [Outage(outages, epoch=1000.0), FixedRate(8e6, DropTail(limit_bytes=60_000)), Delay(0.02)]
    session = call(arm, tracks=tracks, forward=forward, timer_resolution=timer_resolution)
    frames = video(2500, 2_000, interval=0.01, deadline=0.06)
    session.run(frames, until=MEDIA_AT + 27)
    assert session.sender.transport.stats()["resets"] >= 500
    assert not session.of(Closed)
    assert max(session.received()) > 2400, "frames arrive to the end"


@pytest.mark.parametrize("arm", ["quic-stream-per-frame", "webtransport-stream-per-frame"])
def test_more_frames_than_the_peer_allows_streams_wait_or_expire_and_the_connection_survives(call, video, arm):
    tracks = (Track(1, "video", "h264", 2, 1.0), Track(2, "chat", "data", 0))
    session = call(arm, tracks=tracks, backward=[Outage([(2.2, 1.5)], epoch=1000.0), Delay(0.02)])
    frames = video(900, 100, interval=0.005, deadline=1.0)  # 300 while no acknowledgement comes
    session.run(frames, until=MEDIA_AT + 8)
    assert not session.of(Closed)
    assert session.sender.transport.stats()["dropped_expired"] > 20
    assert set(range(500, 900)) <= session.received().keys()


@pytest.mark.sampled(3)
@pytest.mark.parametrize("options", [{}, STOCK_RENO])
@pytest.mark.parametrize("arm", ["quic-stream-per-frame", "quic-stream", "quic-datagram"])
def test_ten_times_the_capacity_for_a_minute_stays_under_the_cap(call, video, arm, options):
    cap = 100_000
    session = call(arm, rate_bps=500e3, options={**options, "queue_bytes": cap}, queue_bytes=25_000)
    frames = video(600, 62_500, interval=0.1)
    session.make(frames)
    held = []
    for second in range(0, 63, 3):
        session.simulator.run(until=MEDIA_AT + second)
        stack = session.sender.transport._stack
        in_streams = sum(len(stream.sender._buffer) for stream in stack._streams.values())
        in_datagrams = sum(map(len, stack._datagrams_pending))
        held.append(session.sender.transport._queue.bytes + in_streams + in_datagrams)
    assert max(held) < 2 * cap + 150_000  # queue, frames in progress, bytes in flight
    gone = {e.sequence for e in session.of(FrameDropped)} | {e.sequence for e in session.of(FrameSent)}
    assert len(gone) >= 595
    assert len(session.received()) >= 20


def test_a_full_queue_drops_the_least_important_first(call, video):
    session = call("quic-stream-per-frame", options={"queue_bytes": 100_000}, forward=[Outage([(2.0, 60)], epoch=1000)])
    chat = [message(n, MEDIA_AT + 0.5 + n * 0.01) for n in range(50)]
    session.run([*video(30, 20_000), *chat], until=MEDIA_AT + 3)
    dropped = Counter(event.track for event in session.of(FrameDropped))
    assert dropped[1] >= 20
    assert dropped[2] == 0
