"""TSBPD: a frame is delivered at sending time + network delay at the start + latency, whatever happens in between."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from glassbench.netem.elements.delay import Delay
from glassbench.netem.elements.fixed_rate import FixedRate
from glassbench.netem.elements.random_delay import RandomDelay
from glassbench.netem.elements.random_loss import RandomLoss
from glassbench.netem.elements.scheduled_delay import ScheduledDelay
from glassbench.netem.queues.drop_tail import DropTail
from glassbench.netem.replay import Replay
from glassbench.transport.contract import FrameDropped, FrameReceived, FrameSent, FrameStarted, KeyframeRequested
from glassbench.transport.srt.timing import PeerClock

TIMER_SLACK = 0.001 + 2e-6  # the coarse timer mode, and timestamps of whole microseconds


@pytest.mark.parametrize("latency_ms", [0, 20, 120, 400])
@pytest.mark.parametrize("rtt", [0.0, 0.004, 0.05, 0.3])
def test_the_delay_is_the_initial_network_delay_plus_latency(make_call: Any, latency_ms: int, rtt: float) -> None:
    call = make_call(rtt=rtt, latency_ms=latency_ms)
    call.run(1002.0)
    call.stream(30, 1 / 30, 9000)
    call.run(1005.0)
    expected = rtt / 2 + latency_ms / 1e3
    assert len(call.delays()) == 30
    assert min(call.delays()) >= expected - 2e-6
    assert max(call.delays()) <= expected + TIMER_SLACK
    assert call.lost() == []


@pytest.mark.parametrize("seed", range(3))
def test_jitter_and_repaired_loss_leave_the_delay_constant(make_call: Any, seed: int) -> None:
    # Some of the jitter and of the delay is in the time base, as the conclusion met them.
    late = ScheduledDelay(np.array([0.0, 1.5]), np.array([0.0, 0.005]), 1e9, replay=Replay(1000.0))
    jitter = RandomDelay("uniform", 0.01, 0.005, np.random.default_rng(seed))
    call = make_call(
        there=[RandomLoss(0.05, np.random.default_rng(seed)), Delay(0.025), late, jitter],
        back=[Delay(0.03)],
        latency_ms=450,
    )
    call.run(1002.0)
    call.stream(155, 1 / 30, 9000)
    call.run(1010.0)
    delays = call.delays()
    assert len(delays) >= 150 and call.lost() == []  # a loss in the very last frame goes unnoticed
    assert call.sender.transport.stats()["retransmissions"] > 20
    assert max(delays) - min(delays) <= TIMER_SLACK


def test_what_arrives_after_its_time_is_delivered_at_once_and_in_order(make_call: Any) -> None:
    jump = ScheduledDelay(np.array([0.0, 3.0]), np.array([0.0, 0.3]), 1e9, replay=Replay(1000.0))
    call = make_call(there=[Delay(0.02), jump], latency_ms=100)
    call.run(1002.0)
    call.stream(60, 1 / 30)
    call.run(1006.0)
    delays = call.delays()
    assert delays[:30] == pytest.approx([0.12] * 30, abs=TIMER_SLACK)
    assert delays[31:] == pytest.approx([0.32] * 29, abs=TIMER_SLACK)
    received = call.receiver.of(FrameReceived)
    assert [event.frame.sequence for event in received] == list(range(60))
    assert all(event.at == event.complete_at for event in received[31:])


def test_arrivals_and_delivery_are_told_apart(make_call: Any) -> None:
    rate = 2e6
    call = make_call(there=[FixedRate(rate, DropTail(limit_bytes=10**6)), Delay(0.02)])
    call.run(1002.0)
    call.send(0, 20_000)
    call.run(1003.0)
    (event,) = call.receiver.of(FrameReceived)
    packets = 15
    packet = 20_000 / packets + 24 + 16 + 28
    assert event.first_arrival_at - 1002.0 == pytest.approx(0.02 + packet * 8 / rate, abs=1e-4)
    assert event.complete_at - 1002.0 == pytest.approx(0.02 + packets * packet * 8 / rate, abs=1e-4)
    assert event.at - event.complete_at > 0.03
    assert [e.at for e in call.sender.of(FrameStarted)] == [e.at for e in call.sender.of(FrameSent)] == [1002.0]


def test_tracks_share_the_connection_in_order_of_submission(make_call: Any) -> None:
    call = make_call()
    call.run(1002.0)
    call.send(0, 50_000, track=1)
    call.send(0, 100, track=2)
    call.send(1, 50_000, track=1)
    call.send(1, 100, track=2)
    call.run(1003.0)
    order = [(event.frame.track, event.frame.sequence) for event in call.receiver.of(FrameReceived)]
    assert order == [(1, 0), (2, 0), (1, 1), (2, 1)]


@pytest.mark.parametrize("size", [0, 1, 1411, 1412, 1413, 300_000])
@pytest.mark.parametrize("max_datagram_bytes", [600, 1452, 1472])
def test_frames_of_any_size_arrive_as_they_were_within_the_datagram_limit(
    make_call: Any, size: int, max_datagram_bytes: int
) -> None:
    call = make_call(max_datagram_bytes=max_datagram_bytes)
    call.sender.wire.clear()
    call.run(1002.0)
    call.send(0, size)
    call.run(1004.0)
    (event,) = call.receiver.of(FrameReceived)
    assert len(event.frame.payload) == size and event.frame.keyframe
    assert event.frame.payload[:4] == (7919 * 0 + 1).to_bytes(4, "big")[: min(size // 4 * 4, 4)] or size < 4
    assert max(len(data) for _, data in call.sender.wire) <= max_datagram_bytes


def test_a_keyframe_request_is_there_after_one_network_delay_and_survives_loss(make_call: Any) -> None:
    call = make_call(rtt=0.06, latency_ms=500)
    call.run(1002.0)
    call.request_keyframe()
    call.request_keyframe(2)
    call.run(1004.0)
    assert [(e.track, e.at) for e in call.sender.of(KeyframeRequested)] == [
        (1, pytest.approx(1002.03, abs=TIMER_SLACK)),
        (2, pytest.approx(1002.03, abs=TIMER_SLACK)),
    ]


def test_a_burst_is_paced_at_a_gigabit(make_call: Any) -> None:
    call = make_call()
    call.sender.wire.clear()
    call.run(1002.0)
    call.send(0, 4_000_000)
    call.run(1003.0)
    data = [(at, len(packet) + 28) for at, packet in call.sender.wire if not packet[0] & 0x80]
    total = sum(size for _, size in data)
    assert data[-1][0] - data[0][0] == pytest.approx(total / 125e6, abs=0.002)
    for (before, _), (after, _) in pairwise(data):
        assert sum(size for at, size in data if before < at <= before + 0.01) <= 125e6 * 0.011 + 1500 or after == before
    (sent,) = call.sender.of(FrameSent)
    assert sent.at == data[-1][0]
    assert len(call.receiver.of(FrameReceived)) == 1


def test_the_send_buffer_takes_8192_packets_and_drops_whole_frames_beyond(make_call: Any) -> None:
    call = make_call(latency_ms=2000)
    call.run(1002.0)
    for sequence in range(12):
        call.send(sequence, 1_000_000)  # 709 packets each
    dropped = [event.sequence for event in call.sender.of(FrameDropped)]
    assert dropped == [11]
    assert call.sender.transport.stats()["dropped_full"] == 1
    call.run(1006.0)
    assert [event.frame.sequence for event in call.receiver.of(FrameReceived)] == list(range(11))
    assert call.lost() == []  # nobody tells the receiver before a later frame comes
    call.send(12)
    call.run(1009.0)
    assert call.lost() == [(1, 11)]


def test_frames_before_the_connection_and_expired_ones_are_dropped(make_call: Any) -> None:
    call = make_call(rtt=0.1)
    call.send(0)
    call.run(1002.0)
    call.send(1, expires_at=1001.9)
    assert [(e.sequence, e.reason) for e in call.sender.of(FrameDropped)] == [(0, "dropped"), (1, "expired")]


def test_drift_of_the_peers_clock_is_followed() -> None:
    skew = 200e-6  # the peer's clock is this much slower
    clock = PeerClock(0, 1000.0)
    worst = 0.0
    for second in range(1, 3600):
        for tenth in range(10):
            now = 1000.0 + second + tenth / 10
            clock.add_sample(int((now - 1000.0) * (1 - skew) * 1e6), now, 0.02)
        error = clock.instant(int((now - 1000.0) * (1 - skew) * 1e6), now=now) - now
        worst = max(worst, abs(error))
    # 1000 samples here are 100 s, in which the clocks part by 20 ms, and the base follows by 5 ms each time.
    assert skew * 3600 == pytest.approx(0.72)
    assert worst < 0.05


class Fast:
    """A transport whose host has a clock that is faster than that of the simulator by the share `skew`."""

    def __init__(self, transport: Any, skew: float) -> None:
        self._transport = transport
        self._rate = 1 + skew

    def __getattr__(self, name: str) -> Any:
        verb = getattr(self._transport, name)
        return lambda *arguments, **more: verb(
            *arguments, **{key: 1000 + (at - 1000) * self._rate if key == "now" else at for key, at in more.items()}
        )

    def get_timer(self) -> float | None:
        timer = self._transport.get_timer()
        return None if timer is None else 1000 + (timer - 1000) / self._rate


def test_delivery_keeps_to_the_latency_for_minutes_with_a_sender_whose_clock_is_fast(make_call: Any) -> None:
    skew, seconds, fps = 200e-6, 150, 30
    call = make_call(connect=False)
    call.sender.transport = Fast(call.sender.transport, skew)
    call.connect()
    call.run(1002.0)
    call.stream(seconds * fps, 1 / fps, 400)
    call.run(1002.0 + seconds + 1)
    late = [delay - 0.14 for delay in call.delays()]  # half a round trip, and the latency
    assert len(late) == seconds * fps
    # 1000 acknowledgements, one for each frame, are 33 s, in which the clocks part by 7 ms. Their mean is followed,
    # which is old by half as much.
    assert min(late) > -0.001 and max(late) < 0.011
    assert skew * seconds == pytest.approx(0.03), "where they were at the end"


def test_a_longer_path_in_both_directions_is_not_taken_for_drift() -> None:
    clock = PeerClock(0, 1000.0)
    for sample in range(1, 3001):
        longer = 0.05 if sample > 500 else 0.0
        now = 1000.0 + sample / 100
        clock.add_sample(int((sample / 100) * 1e6), now + longer, 0.02 + 2 * longer)
    assert clock.drift == pytest.approx(0.0, abs=1e-5)


def test_a_queue_in_one_direction_passes_for_drift_by_half_its_delay() -> None:
    clock = PeerClock(0, 1000.0)
    queue = 0.04
    for sample in range(1, 20_001):
        longer = queue if sample > 1000 else 0.0
        clock.add_sample(sample * 10_000, 1000.0 + sample / 100 + longer, 0.02 + longer)
    moved = clock.instant(20_000 * 10_000, now=1200.0) - 1200.0
    assert moved == pytest.approx(queue / 2, abs=1e-6)


def test_without_drift_the_delay_is_the_same_after_thousands_of_samples(make_call: Any) -> None:
    call = make_call(there=[Delay(0.08)], back=[Delay(0.01)])
    call.run(1002.0)
    call.stream(5400, 1 / 90, 400)
    call.run(1064.0)
    assert call.receiver.transport.stats()["datagrams_sent"] > 3000  # as many acknowledgements, as many samples
    assert max(call.delays()) - min(call.delays()) <= TIMER_SLACK
