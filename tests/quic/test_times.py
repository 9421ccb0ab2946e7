"""The instants in the events: when bytes left, arrived, and were handed over."""

import pytest

from glassbench.netem.elements.delay import Delay
from glassbench.transport.contract import FrameReceived, FrameSent, FrameStarted, KeyframeRequested

MEDIA_AT = 1002.0
ARMS = [
    "quic-stream",
    "quic-stream-per-gop",
    "quic-stream-per-frame",
    "quic-datagram",
    "webtransport-datagram",
    "webtransport-stream-per-frame",
]
STOCK_RENO = {"stack": "stock", "control": "reno"}
both_timer_modes = pytest.mark.parametrize("timer_resolution", [0.0, 0.001])
every_arm = pytest.mark.parametrize("arm", ARMS)
every_stack = pytest.mark.parametrize("options", [{}, STOCK_RENO])


@pytest.mark.sampled(4)
@every_arm
@every_stack
def test_bytes_arrive_a_delay_after_they_were_sent(call, video, arm, options):
    rate, delay = 10e6, 0.03
    session = call(arm, options=options, rate_bps=rate, delay=delay)
    session.run(video(60, lambda n: 40_000 if n % 30 == 0 else 8_000), until=MEDIA_AT + 4)
    started = {event.sequence: event.at for event in session.of(FrameStarted)}
    sent = {event.sequence: event.at for event in session.of(FrameSent)}
    received = session.received()
    assert started.keys() == sent.keys() == received.keys() == set(range(60))
    packet = (1480 if not options else 1228) * 8 / rate  # aioquic as it is stays at 1200 bytes
    for n, event in received.items():
        assert event.frame.captured_at <= started[n] <= sent[n] <= event.complete_at
        assert event.first_arrival_at <= event.complete_at <= event.at
        if n > 5 and n % 30 > 3:  # nothing else is on the link
            assert event.first_arrival_at - started[n] == pytest.approx(delay + packet, abs=2e-4)
            assert event.complete_at - sent[n] >= delay


@pytest.mark.sampled(4)
@every_arm
@both_timer_modes
def test_pacing_costs_little_where_there_is_capacity(call, video, arm, timer_resolution):
    """A 4 Mbit/s video over 20 Mbit/s, after the first second: as soon as if it were all handed to the link at once."""
    session = call(arm, timer_resolution=timer_resolution).run(video(120, 16_600), until=MEDIA_AT + 6)
    floor = call("udp").run(video(120, 16_600), until=MEDIA_AT + 6)
    for n in range(30, 120):
        delay = session.received()[n].at - floor.received()[n].at
        assert delay < 0.0005 + 2 * timer_resolution


@pytest.mark.sampled(2)
@every_arm
@both_timer_modes
def test_the_first_keyframe_leaves_within_three_round_trips(call, video, arm, timer_resolution):
    session = call(arm, delay=0.04, timer_resolution=timer_resolution).run(video(1, 50_000), until=MEDIA_AT + 2)
    assert session.received()[0].at - MEDIA_AT < 0.04 + 2 * 0.08


@pytest.mark.sampled(2)
@every_arm
@both_timer_modes
def test_a_keyframe_request_takes_one_way(call, video, arm, timer_resolution):
    session = call(arm, delay=0.03, timer_resolution=timer_resolution)
    session.run(video(60, 10_000), until=MEDIA_AT + 3, requests=[(1002.5, 1), (1003.0, 1)])
    requests = session.of(KeyframeRequested)
    assert [event.at for event in requests] == pytest.approx([1002.53, 1003.03], abs=2e-3)
    assert len([event for event in session.receiver.events if isinstance(event, FrameReceived)]) == 60


@pytest.mark.parametrize("arm", ["quic-datagram", "webtransport-stream-per-frame"])
@both_timer_modes
def test_a_lost_keyframe_request_is_repeated(call, drop, video, arm, timer_resolution):
    lost = drop(lambda packet: 1002.5 <= packet.sent_at < 1002.52)
    session = call(arm, backward=[lost, Delay(0.02)], timer_resolution=timer_resolution)
    session.run(video(60, 10_000), until=MEDIA_AT + 3, requests=[(1002.501, 1)])
    (request,) = session.of(KeyframeRequested)
    assert request.at < 1002.75
