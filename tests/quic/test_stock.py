"""aioquic as it is: the baseline behaves as its papers say, and its queue is bounded."""

from math import ceil, log2

import pytest

from glassbench.netem.elements.delay import Delay
from glassbench.transport.contract import FrameDropped

STOCK_RENO = {"stack": "stock", "control": "reno"}
STOCK_CUBIC = {"stack": "stock", "control": "cubic"}
MEDIA_AT = 1002.0


@pytest.mark.sampled(3)
@pytest.mark.parametrize("arm", ["quic-stream", "quic-datagram"])
@pytest.mark.parametrize("delay", [0.02, 0.1])
@pytest.mark.parametrize("size", [40_000, 90_000, 200_000, 400_000])
def test_slow_start_doubles_each_round_until_the_frame_has_left(call, video, arm, size, delay):
    """A frame of S bytes needs n = ceil(log2(S/W + 1)) windows W, 2W, 4W ..., one each round trip.

    aioquic paces a window over about one round trip, so the last byte leaves between the start and the end of the last.
    """
    session = call(arm, options=STOCK_RENO, delay=delay, forward=[Delay(delay)])
    session.make(video(1, size))
    session.simulator.run(until=MEDIA_AT - 0.001)
    window = session.sender.transport._stack._loss.congestion_window
    assert 10 * 1200 <= window < 15 * 1200
    session.simulator.run(until=MEDIA_AT + 5)
    frame = session.received()[0]
    least, most = (ceil(log2(bytes_sent / window + 1)) for bytes_sent in (size, 1.06 * size))  # with headers
    took = frame.complete_at - MEDIA_AT - delay
    assert least - 1 <= took / (2 * delay) <= most + 0.1


@pytest.mark.sampled(4)
@pytest.mark.parametrize("arm", ["quic-stream", "quic-stream-per-frame", "quic-datagram", "webtransport-datagram"])
@pytest.mark.parametrize("options", [STOCK_RENO, STOCK_CUBIC])
def test_what_aioquic_has_not_sent_is_capped(call, video, arm, options):
    cap = 100_000
    session = call(arm, options={**options, "queue_bytes": cap}, rate_bps=1e6, queue_bytes=30_000)
    session.make(video(300, 16_000))
    unsent = []
    for tenth in range(100):
        session.simulator.run(until=MEDIA_AT + tenth / 10)
        unsent.append(session.sender.transport._carrier.unsent_bytes(99))
    assert cap / 2 < max(unsent) <= cap + 16_000
    dropped = session.of(FrameDropped)
    assert len(dropped) > 100
    assert {event.reason for event in dropped} == {"dropped"}


def test_frames_offered_before_the_connection_wait_for_it(call, video):
    session = call("quic-stream-per-frame", options=STOCK_RENO)
    session.run(video(5, 5000, at=1000.0, interval=0.001), until=1001.0)
    assert session.received().keys() == set(range(5))
