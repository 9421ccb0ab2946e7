"""Lost datagrams are sent again while that can help, and losses never stop the media for long."""

import numpy as np
import pytest

from glassbench.netem.elements.delay import Delay
from glassbench.netem.elements.outage import Outage
from glassbench.netem.elements.random_loss import RandomLoss
from glassbench.netem.elements.scheduled_delay import ScheduledDelay
from glassbench.netem.replay import Replay
from glassbench.transport.contract import FrameDropped, FrameLost, Track
from glassbench.transport.framing import RECORD_HEADER_BYTES

STOCK_RENO = {"stack": "stock", "control": "reno"}
MEDIA_AT = 1002.0
both_timer_modes = pytest.mark.parametrize("timer_resolution", [0.0, 0.001])


def lossy(call, video, arm, loss, deadline, *, delay=0.02, count=600, seed=4, timer_resolution=0.0, **options):
    tracks = (Track(1, "video", "h264", 2, deadline), Track(2, "chat", "data", 0))
    forward = [RandomLoss(loss, np.random.default_rng(seed)), Delay(delay)]
    session = call(arm, options=options, tracks=tracks, forward=forward, delay=delay, timer_resolution=timer_resolution)
    return session.run(video(count, 1000, interval=0.01, deadline=deadline), until=MEDIA_AT + count * 0.01 + 2)


@pytest.mark.sampled(3)
@pytest.mark.parametrize("loss", [pytest.param(0.05, marks=pytest.mark.long), 0.2])
@pytest.mark.parametrize(("deadline", "repeats"), [(0.05, 0), (0.11, 1), (0.16, 2)])
def test_what_is_lost_in_the_end_falls_with_the_repeats_that_fit_the_deadline(call, video, loss, deadline, repeats):
    """Residual loss p^(n+1).

    A loss is seen by the ACK of the next packet, 10 + 40 ms later, which is past the 9/8 round trips of RFC 9002 6.1.2.
    So repeats arrive 70, 120 and 170 ms after the frame was sent, or 10 ms later when the next packet is lost too.
    """
    count = 2000
    session = lossy(call, video, "quic-datagram", loss, deadline, count=count)
    expected = loss ** (repeats + 1)
    late = {n for n, event in session.received().items() if event.at > event.frame.captured_at + deadline}
    missing = count - len(session.received()) + len(late)
    spread = 4 * (count * expected * (1 - expected)) ** 0.5 + 1
    assert missing == pytest.approx(count * expected, abs=spread)


@both_timer_modes
@pytest.mark.parametrize("arm", ["quic-datagram", "webtransport-datagram"])
def test_nothing_is_repeated_when_it_cannot_arrive_before_its_deadline(call, video, arm, timer_resolution):
    session = lossy(call, video, arm, 0.1, 0.055, timer_resolution=timer_resolution)
    assert session.sender.transport.stats()["repaired"] == 0
    assert session.sender.transport.stats()["lost_packets"] > 30
    assert 30 < 600 - len(session.received()) < 90


@pytest.mark.parametrize("arm", ["quic-datagram", "quic-stream-per-gop", "quic-stream-per-frame"])
def test_the_receiver_delivers_what_comes_after_its_deadline(call, video, arm):
    """Others refer to it."""
    tracks = (Track(1, "video", "h264", 2, 0.075), Track(2, "chat", "data", 0))
    forward = [ScheduledDelay([0.0, 3.0, 3.2], [0.02, 0.12, 0.02], 100.0, replay=Replay(1000.0))]
    session = call(arm, tracks=tracks, forward=forward).run(video(200, 1000, interval=0.01, deadline=0.075), until=1005)
    late = [n for n, event in session.received().items() if event.at > event.frame.captured_at + 0.075]
    assert len(session.received()) > 190
    assert len(late) > 10
    assert not session.of(FrameLost)


@pytest.mark.parametrize("arm", ["quic-stream", "quic-stream-per-frame", "webtransport-stream-per-frame"])
def test_streams_without_a_deadline_lose_nothing(call, video, arm):
    session = lossy(call, video, arm, 0.1, None)
    assert len(session.received()) == 600
    assert not session.of(FrameLost)


@pytest.mark.sampled(8)
@both_timer_modes
@pytest.mark.parametrize("outage", [0.3, 1.0, 4.0, 12.0])
@pytest.mark.parametrize("arm", ["quic-stream", "quic-stream-per-frame", "quic-datagram", "webtransport-datagram"])
def test_media_flows_soon_after_an_outage_however_long_it_was(call, video, arm, outage, timer_resolution):
    tracks = (Track(1, "video", "h264", 2, 0.3), Track(2, "chat", "data", 0))
    window = [(4.0, outage)]
    delay = 0.03
    session = call(
        arm,
        tracks=tracks,
        delay=delay,
        forward=[Outage(window, epoch=1000.0), Delay(delay)],
        backward=[Outage(window, epoch=1000.0), Delay(delay)],
        timer_resolution=timer_resolution,
    )
    back_at = 1004.0 + outage
    session.run(video(int((outage + 4) * 30), 12_000, deadline=0.3), until=back_at + 2)
    first = min(event.at for event in session.received().values() if event.at > 1004.0 + delay)
    assert first - back_at < 0.1 + 4 * delay + 0.1, "a probe each 100 ms, then a round trip, then the newest frame"
    prompt = [e for e in session.received().values() if e.frame.captured_at > back_at + 0.5]
    assert len(prompt) >= 40
    assert max(event.at - event.frame.captured_at for event in prompt) < 2 * delay


@pytest.mark.parametrize("loss", [0.01, 0.05])
def test_random_loss_does_not_slow_the_sender_down(call, video, loss):
    forward = [RandomLoss(loss, np.random.default_rng(1)), Delay(0.02)]
    session = call("quic-datagram", forward=forward)
    session.run(video(300, 16_600), until=MEDIA_AT + 12)
    assert len(session.received()) == 300
    delays = sorted(event.at - event.frame.captured_at for event in session.received().values())
    assert delays[150] < 0.07
    assert delays[-1] < 0.25


@pytest.mark.parametrize("arm", ["quic-stream", "quic-stream-per-frame"])
@pytest.mark.parametrize("options", [{}, STOCK_RENO])
def test_bytes_of_a_stream_that_are_repeated_are_repair_and_no_media(call, video, arm, options):
    lossy = [RandomLoss(0.1, np.random.default_rng(3)), Delay(0.02)]
    session = call(arm, delay=0.02, forward=lossy, options=options)
    session.run(video(40, 8000), until=MEDIA_AT + 6)
    stats = session.sender.transport.stats()
    assert len(session.received()) == 40
    assert stats["media_bytes"] == 40 * (8000 + RECORD_HEADER_BYTES)
    assert stats["repair_bytes"] > 0.05 * stats["media_bytes"]


@pytest.mark.parametrize(
    ("arm", "options"),
    [
        ("quic-stream", {}),
        ("quic-stream-per-gop", STOCK_RENO),
        ("quic-stream-per-frame", {}),
        ("webtransport-stream-per-frame", STOCK_RENO),
        ("quic-datagram", {}),
    ],
)
def test_without_a_deadline_the_receiver_waits_for_no_frame_that_the_sender_had_no_room_for(call, video, arm, options):
    options = {**options, "queue_bytes": 40_000}
    tracks = (Track(1, "video", "h264", 2, None), Track(2, "chat", "data", 0))
    gone = [Outage([(3.0, 1.5)], epoch=1000.0), Delay(0.02)]
    session = call(arm, delay=0.02, forward=gone, options=options, tracks=tracks)
    session.run(video(120, 6000, deadline=None), until=MEDIA_AT + 8)
    dropped = {event.sequence for event in session.of(FrameDropped)}
    lost = {event.sequence for event in session.of(FrameLost)}
    assert len(dropped) > 10
    assert dropped <= lost
    assert lost | session.received().keys() == set(range(120))
    assert not lost & session.received().keys()
