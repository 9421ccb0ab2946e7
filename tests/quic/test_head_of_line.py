"""Who waits for a lost packet: closed forms, swept."""

from math import floor

import pytest

from glassbench.netem.elements.delay import Delay
from glassbench.netem.elements.fixed_rate import FixedRate
from glassbench.netem.queues.drop_tail import DropTail
from glassbench.transport.contract import FrameLost

STOCK_RENO = {"stack": "stock", "control": "reno"}
STOCK_CUBIC = {"stack": "stock", "control": "cubic"}
LOST = 50  # the frame whose only packet is lost
RATE = 20e6


def lose_one(call, drop, video, arm, *, delay, interval, timer_resolution=0.0, **options):
    frames = video(100, 1000, interval=interval)
    lost_after = frames[LOST].captured_at
    dropped = []

    def is_lost(packet):
        if not dropped and packet.sent_at >= lost_after and packet.size_bytes > 900:
            dropped.append(packet.number)
        return packet.number in dropped

    forward = [drop(is_lost), FixedRate(RATE, DropTail(limit_bytes=100_000)), Delay(delay)]
    session = call(arm, options=options, delay=delay, forward=forward, timer_resolution=timer_resolution)
    session.run(frames, until=frames[-1].captured_at + 2.0)
    assert len(dropped) == 1
    return session, frames


def late_after_the_loss(received, usual):
    """Before it, the first round trip of a connection may be short of window."""
    return [n for n, event in received.items() if n >= LOST and event.at - event.frame.captured_at > usual]


@pytest.mark.sampled(4)
@pytest.mark.parametrize("timer_resolution", [0.0, 0.001])
@pytest.mark.parametrize("options", [{}, STOCK_RENO])
@pytest.mark.parametrize("delay", [0.01, 0.03, 0.08])
@pytest.mark.parametrize("interval", [0.011, 0.0333, 0.07])
def test_on_one_stream_a_loss_delays_one_frame_and_all_that_arrive_before_its_repair(
    call, drop, video, interval, delay, options, timer_resolution
):
    session, frames = lose_one(
        call,
        drop,
        video,
        "quic-stream",
        delay=delay,
        interval=interval,
        **options,
        timer_resolution=timer_resolution,
    )
    received = session.received()
    assert len(received) == len(frames)
    usual = received[LOST - 1].at - frames[LOST - 1].captured_at
    repair = received[LOST].at - frames[LOST].captured_at - usual
    assert repair > 2 * delay
    delayed = late_after_the_loss(received, usual + 0.0011)
    assert len(delayed) == 1 + floor(repair / interval)
    for n in delayed[1:]:  # they arrived in time, and waited for the rest of the repair behind the lost one
        assert received[n].complete_at == pytest.approx(frames[n].captured_at + usual, abs=0.0011)
        assert received[n].at - received[n].complete_at == pytest.approx(repair - (n - LOST) * interval, abs=0.0011)


@pytest.mark.parametrize("arm", ["quic-stream-per-frame", "webtransport-stream-per-frame", "quic-datagram"])
@pytest.mark.parametrize("delay", [0.01, 0.08])
@pytest.mark.parametrize("interval", [0.011, 0.0333])
def test_on_a_stream_of_its_own_or_in_datagrams_a_loss_delays_one_frame(call, drop, video, arm, interval, delay):
    session, frames = lose_one(call, drop, video, arm, delay=delay, interval=interval)
    received = session.received()
    usual = received[LOST - 1].at - frames[LOST - 1].captured_at
    delayed = late_after_the_loss(received, usual + 1e-4)
    assert (len(received), delayed) == (len(frames), [LOST])
    assert all(event.at == event.complete_at for event in received.values())


def test_a_group_of_pictures_shields_the_next_one(call, drop, video):
    session, frames = lose_one(call, drop, video, "quic-stream-per-gop", delay=0.08, interval=0.011)
    received = session.received()
    usual = received[LOST - 1].at - frames[LOST - 1].captured_at
    delayed = late_after_the_loss(received, usual + 1e-4)
    assert received[LOST].at - frames[LOST].captured_at - usual > 0.16  # long enough to reach the next group at 60
    assert delayed == list(range(LOST, 60))


@pytest.mark.parametrize("options", [{}, STOCK_CUBIC])
@pytest.mark.parametrize("delay", [0.01, 0.08])
@pytest.mark.parametrize("interval", [0.011, 0.0333])
def test_without_repair_exactly_the_lost_frame_is_lost_and_the_receiver_says_so(
    call, drop, video, interval, delay, options
):
    session, frames = lose_one(
        call, drop, video, "quic-datagram", delay=delay, interval=interval, repair=False, **options
    )
    assert session.received().keys() == set(range(len(frames))) - {LOST}
    (lost,) = session.of(FrameLost)
    assert lost.sequence == LOST
    assert lost.at == pytest.approx(session.received()[LOST + 1].at + 0.02, abs=1e-3)
