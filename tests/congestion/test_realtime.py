"""Our congestion control on its own: a fluid link, a queue, and what the window and the rate become."""

from collections import deque

import pytest

from glassbench.transport.congestion.flight import Flight
from glassbench.transport.congestion.pacer import Pacer
from glassbench.transport.congestion.realtime import RealtimeController

PACKET = 1452


class Path:
    """A bottleneck of `rate` bytes/s with a drop-tail queue, `rtt` around it; each packet is acknowledged by itself."""

    def __init__(self, rate, rtt, *, queue_bytes=10**9, lose=lambda number: False):
        self.rate, self.rtt, self.queue_bytes, self.lose = rate, rtt, queue_bytes, lose
        self.controller = RealtimeController(max_datagram_bytes=PACKET)
        self.flight = Flight(self.controller, max_datagram_bytes=PACKET)
        self.now = 1000.0
        self.free_at = 0.0
        self.due = deque()  # (at, number, sent_at, lost)
        self.number = 0
        self.delays = []
        self.acked_bytes = 0
        self.lost = 0

    def run(self, seconds, backlog=None, frames=()):
        """Send from an endless backlog, or frames: (at, bytes). One step a millisecond."""
        frames, waiting = deque(frames), 0
        end = self.now + seconds
        while self.now < end:
            self.now += 0.001
            while self.due and self.due[0][0] <= self.now:
                at, number, sent_at, lost = self.due.popleft()
                if lost:
                    self._settle([], [number], None)
                    self.lost += 1
                else:
                    self._settle([number], [], at - sent_at)
                    self.delays.append(at - sent_at - self.rtt)
                    self.acked_bytes += PACKET
            while frames and frames[0][0] <= self.now:
                waiting += frames.popleft()[1]
            for _ in range(self.flight.packets_allowed(now=self.now)):
                if backlog is None and waiting <= 0:
                    break
                waiting -= PACKET
                self._send()
            if backlog is None and waiting <= 0:
                self.flight.on_idle(now=self.now)
        return self

    def _send(self):
        queued = max(0.0, self.free_at - self.now) * self.rate
        lost = self.lose(self.number) or queued > self.queue_bytes
        if not lost:
            self.free_at = max(self.now, self.free_at) + PACKET / self.rate
        at = (self.free_at if not lost else self.now + queued / self.rate) + self.rtt
        self.flight.on_sent(self.number, PACKET, now=self.now)
        self.due.append((at, self.number, self.now, lost))
        self.number += 1

    def _settle(self, acked, lost, rtt):
        self.flight.on_settled(acked, lost, rtt=rtt, probe_timeout=3 * self.rtt, now=self.now)

    def since(self):
        self.delays.clear()
        self.acked_bytes = self.lost = 0
        return self


def video(count, size, *, at=1000.0, interval=1 / 30):
    return [(at + n * interval, size) for n in range(count)]


@pytest.mark.sampled(3)
@pytest.mark.parametrize("rtt", [0.02, 0.05, 0.15])
@pytest.mark.parametrize("rate_bps", [1e6, 5e6, 20e6])
def test_a_backlog_fills_the_link_and_holds_the_queue_near_the_target(rate_bps, rtt):
    path = Path(rate_bps / 8, rtt).run(4, backlog=True).since().run(5, backlog=True)
    assert path.acked_bytes * 8 / 5 > 0.85 * rate_bps
    delays = sorted(path.delays)
    least = 6 * PACKET / path.rate  # the smallest windows are worth more than the target on a slow link
    assert delays[int(len(delays) * 0.95)] < 0.05 + 0.01 + least


@pytest.mark.parametrize("rtt", [0.02, 0.1])
def test_video_below_capacity_meets_no_queue_but_its_own_train(rtt):
    path = Path(20e6 / 8, rtt).run(2, frames=video(60, 12 * PACKET))
    path.since().run(3, frames=video(90, 12 * PACKET, at=path.now))
    assert max(path.delays) < 13 * PACKET / path.rate
    assert path.controller.rate > 10e6 / 8
    assert path.flight.packets_allowed(now=path.now + 0.01) >= 2


@pytest.mark.parametrize("rtt", [0.02, 0.1])
def test_random_loss_is_not_congestion(rtt):
    path = Path(10e6 / 8, rtt, lose=lambda number: number * 7919 % 20 == 0)  # 5 %
    path.run(3, backlog=True).since().run(3, backlog=True)
    assert path.acked_bytes * 8 / 3 > 0.7 * 10e6


def test_a_short_queue_that_overflows_is_congestion():
    path = Path(4e6 / 8, 0.05, queue_bytes=6 * PACKET).run(3, backlog=True).since().run(3, backlog=True)
    assert path.acked_bytes * 8 / 3 > 0.6 * 4e6
    assert path.lost * PACKET < 0.25 * path.acked_bytes


@pytest.mark.parametrize("fall", [2, 5, 10])
def test_after_the_rate_falls_the_queue_is_short_again_within_a_second(fall):
    path = Path(10e6 / 8, 0.04).run(3, frames=video(90, 12 * PACKET))
    path.rate /= fall
    path.run(1, frames=video(30, 12 * PACKET, at=path.now))
    path.since().run(1, frames=video(30, 12 * PACKET, at=path.now))
    assert max(path.delays) < 0.05 + 0.02 + 6 * PACKET / path.rate


def test_after_the_rate_rises_the_window_follows_within_a_second():
    path = Path(1e6 / 8, 0.04).run(3, backlog=True)
    path.rate *= 10
    path.run(1, backlog=True).since().run(1, backlog=True)
    assert path.acked_bytes * 8 > 0.8 * 10e6


def test_a_longer_path_is_learnt():
    """A handover: the base round trip triples. It is no queue, as the controller finds by letting it drain."""
    path = Path(10e6 / 8, 0.03).run(3, backlog=True)
    path.rtt = 0.09
    path.run(6, backlog=True).since().run(3, backlog=True)
    assert path.controller.base_rtt == pytest.approx(0.09, abs=0.01)
    assert path.acked_bytes * 8 / 3 > 0.7 * 10e6


def test_silence_neither_inflates_nor_collapses_the_window():
    path = Path(20e6 / 8, 0.05).run(2, frames=video(60, 12 * PACKET))
    before = path.controller.window
    path.run(5, frames=video(50, 300, at=path.now, interval=0.1))
    assert 0.5 * before <= path.controller.window <= 2 * before


def test_a_lost_flight_frees_the_window():
    flight = Flight(RealtimeController(max_datagram_bytes=PACKET), max_datagram_bytes=PACKET)
    for number in range(10):
        flight.on_sent(number, PACKET, now=1000.0)
    assert flight.packets_allowed(now=1000.5) == 0
    flight.on_settled([], range(10), rtt=None, probe_timeout=0.3, now=1000.5)
    assert flight.bytes_in_flight == 0
    assert flight.packets_allowed(now=1001.0) > 0


@pytest.mark.parametrize("late", [0.0, 0.001])
@pytest.mark.parametrize("rate", [20_000, 300_000, 5_000_000])
def test_the_pacer_reaches_its_rate_with_late_timers_and_never_bursts(rate, late):
    pacer = Pacer(max_datagram_bytes=PACKET)
    now, sent, burst = 1000.0, 0, 0
    while now < 1003.0:
        packets = pacer.packets(rate, 2 * PACKET, now=now)
        pacer.spend(packets * PACKET)
        sent += packets * PACKET
        burst = max(burst, packets)
        at = pacer.next_at(rate)
        assert at > now
        now = at + late
    assert sent / 3 == pytest.approx(rate, rel=0.05, abs=3 * PACKET)
    assert burst * PACKET <= max(2 * PACKET, rate * 0.002)
