"""The controllers over QUIC and the simulator: what they make of a link that they fill, and of video that does not."""

from itertools import pairwise
from math import ceil, log2

import pytest

from glassbench.netem.elements.delay import Delay
from glassbench.netem.elements.outage import Outage
from glassbench.transport.contract import RateChanged

MEDIA_AT = 1002.0
LOSS_BASED = ["reno", "cubic"]
KEPT = {"reno": 0.5, "cubic": 0.7}

every_controller = pytest.mark.parametrize("control", LOSS_BASED)


def flight(session):
    return session.sender.transport._stack.control.flight


def windows(session, seconds, *, every=0.01, since=MEDIA_AT):
    """(at, window in bytes), as time passes."""
    story = []
    for step in range(1, round(seconds / every) + 1):
        session.simulator.run(until=since + step * every)
        story.append((since + step * every, flight(session).allowance.window_bytes))
    return story


@pytest.mark.sampled(3)
@pytest.mark.parametrize("delay", [0.02, 0.1])
@pytest.mark.parametrize("size", [40_000, 90_000, 400_000])
@every_controller
def test_slow_start_doubles_each_round_until_the_frame_has_left(call, video, control, size, delay):
    """A frame of S bytes needs n = ceil(log2(S/W + 1)) windows W, 2W, 4W ..., one each round trip."""
    session = call("quic-stream", options={"control": control}, delay=delay, forward=[Delay(delay)])
    session.make(video(1, size))
    session.simulator.run(until=MEDIA_AT - 0.001)
    window = flight(session).allowance.window_bytes
    assert 12_000 <= window < 16_000
    session.simulator.run(until=MEDIA_AT + 5)
    least, most = (ceil(log2(bytes_sent / window + 1)) for bytes_sent in (size, 1.06 * size))  # with headers
    took = session.received()[0].complete_at - MEDIA_AT - delay
    assert least - 1.5 <= took / (2 * delay) <= most + 0.1


@pytest.mark.sampled(2)
@every_controller
def test_a_backlog_fills_the_link_and_each_loss_takes_its_share_of_the_window(call, video, control):
    rate, delay = 5e6, 0.02
    bdp = round(rate / 8 * 2 * delay)
    options = {"control": control, "queue_bytes": 10**7}
    session = call("quic-stream", options=options, delay=delay, rate_bps=rate, queue_bytes=bdp)
    session.make(video(400, 30_000, interval=0.04))  # 6 Mbit/s
    story = windows(session, 16)
    values = [window for _, window in story]
    cuts = [(before, after) for before, after in pairwise(values[200:]) if after < 0.9 * before]
    assert len(cuts) >= 3
    for before, after in cuts:
        assert after / before == pytest.approx(KEPT[control], rel=0.03)
    delivered = sum(len(event.frame.payload) for event in session.received().values() if event.at > MEDIA_AT + 2)
    assert delivered * 8 / 14 > 0.9 * rate
    assert max(values[200:]) < 2.4 * bdp


@every_controller
def test_video_below_the_capacity_does_not_make_the_window_grow_for_ever(call, video, control):
    session = call("quic-datagram", options={"control": control}, rate_bps=50e6)
    session.make(video(300, 16_000, interval=1 / 30))
    story = windows(session, 10)
    assert max(window for _, window in story) < 5 * 16_000
    assert len(session.received()) == 300


@every_controller
def test_after_an_outage_of_many_probe_timeouts_the_window_is_the_least_and_grows_again(call, video, control):
    forward = [Outage([(4.0, 2.0)], epoch=1000.0), Delay(0.02)]
    session = call("quic-stream-per-frame", options={"control": control}, forward=forward)
    session.make(video(240, 8_000, deadline=None))
    story = windows(session, 9)
    packet = session.sender.transport._stack.datagram_bytes
    assert min(window for at, window in story if at < 1005.9) >= 10 * 0.5 * packet
    assert min(window for at, window in story if 1005.9 < at < 1006.5) <= 3 * packet
    assert story[-1][1] > 8_000
    assert len(session.received()) == 240


@pytest.mark.sampled(3)
@pytest.mark.parametrize("control", ["realtime", *LOSS_BASED])
def test_the_sender_says_what_the_link_delivers_within_a_second_of_its_first_limit(call, video, control):
    options = {"control": control, "queue_bytes": 10**7}
    session = call("quic-datagram", options=options, rate_bps=5e6, queue_bytes=50_000)
    session.run(video(200, 40_000, interval=0.04), until=MEDIA_AT + 8)
    said = [event for event in session.sender.events if isinstance(event, RateChanged)]
    assert all(after.at - before.at >= 0.1 for before, after in pairwise(said))
    assert all(abs(after.target_bps / before.target_bps - 1) >= 0.05 for before, after in pairwise(said))
    steady = [event.target_bps for event in said if event.at > said[0].at + 1] or [said[-1].target_bps]
    assert 2.4e6 < min(steady) <= max(steady) < 9e6  # half of the window, over a round trip with a full queue


@pytest.mark.long
def test_bbr_fills_a_link_without_filling_its_queue(call, video):
    rate, delay = 20e6, 0.02
    bdp = round(rate / 8 * 2 * delay)
    options = {"control": "bbr", "queue_bytes": 10**7}
    session = call("quic-stream", options=options, delay=delay, rate_bps=rate, queue_bytes=bdp)
    session.make(video(200, 100_000, interval=0.04))  # what fills the link
    in_flight = []
    for step in range(1, 701):
        session.simulator.run(until=MEDIA_AT + 0.01 * step)
        in_flight.append(flight(session).bytes_in_flight)
    delivered = sum(len(event.frame.payload) for event in session.received().values() if event.at > MEDIA_AT + 1)
    assert delivered * 8 / 6 > 0.9 * rate
    assert sorted(in_flight[100:])[300] < 1.25 * bdp  # one BDP is in flight with an empty queue, two with a full one


def test_bbr_does_not_hold_back_video_that_meets_no_limit(call, video):
    session = call("quic-datagram", options={"control": "bbr"}, rate_bps=20e6)
    session.run(video(300, 18_750, interval=1 / 30), until=MEDIA_AT + 10.5)  # 4.5 Mbit/s
    assert flight(session).allowance.probe
    waits = sorted(event.at - event.frame.captured_at for event in session.received().values())
    assert len(waits) == 300
    assert waits[150] < 0.02 + 18_750 * 8 / 20e6 + 0.005
    assert waits[285] < 0.06
    assert waits[-1] < 0.2
