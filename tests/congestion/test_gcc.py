"""Google Congestion Control in a closed loop: a bottleneck, a peer with a clock of its own, and a report each 50 ms."""

import math
from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glassbench.transport.congestion.flight import Flight
from glassbench.transport.congestion.gcc.controller import GccController

PACKET = 1200
FRAME = 1 / 30
REPORT = 0.05


class Path:
    """A bottleneck of `rate_bps` with a drop-tail queue of `queue` seconds, `rtt` around it. The source is an encoder
    that follows the target up to `most_bps`, 30 frames a second, or it has always more to send."""

    def __init__(
        self,
        rate_bps,
        *,
        rtt=0.05,
        queue=0.3,
        lose=lambda number: False,
        most_bps=math.inf,
        greedy=False,
        pads=True,
        clock=54321.0,
        drift=0.0,
        burst=0.0,
    ):
        self.rate_bps, self.rtt, self.queue, self.lose = rate_bps, rtt, queue, lose
        self.most_bps, self.greedy, self.pads = most_bps, greedy, pads
        self.clock, self.drift = clock, drift  # of the peer
        self.silent = False  # nothing arrives, and nobody says so
        self.controller = GccController(max_datagram_bytes=PACKET)
        self.flight = Flight(self.controller, max_datagram_bytes=PACKET, burst=burst)
        self.now = 1000.0
        self.free_at = 0.0
        self.frame_at = self.report_at = 1000.0
        self.number = 0
        self.waiting = 0.0
        self.due = deque()  # (at, number, sent_at, arrived_at or None)
        self.targets = []  # (at, target), one a report
        self.delays = []
        self.delivered = self.lost = self.padding = 0

    def run(self, seconds):
        """Steps of a millisecond."""
        self.targets, self.delays = [], []
        self.delivered = self.lost = 0
        for _ in range(round(seconds * 1000)):
            self.now += 0.001
            if self.now >= self.report_at:
                self.report_at += REPORT
                self.report()
            self.flight.handle_timer(now=self.now)
            if self.now >= self.frame_at:
                self.frame_at += FRAME
                self.waiting += min(self.target, self.most_bps) * FRAME / 8
            self.send()
        return self

    def send(self):
        for _ in range(self.flight.packets_allowed(now=self.now)):
            if self.greedy or self.waiting >= 1:
                size = PACKET if self.greedy else max(100, min(PACKET, math.ceil(self.waiting)))
                self.waiting = max(0.0, self.waiting - size)
            elif self.pads and self.flight.allowance.padding_bps > 0:
                size = PACKET
                self.padding += PACKET
            else:
                self.flight.on_idle(now=self.now)
                return
            self.carry(size)

    def carry(self, size):
        queued = max(0.0, self.free_at - self.now)
        self.flight.on_sent(self.number, size, now=self.now)
        if self.silent or self.lose(self.number) or queued > self.queue:
            self.due.append((self.now + queued + self.rtt, self.number, self.now, None))
        else:
            self.free_at = max(self.now, self.free_at) + size * 8 / self.rate_bps
            self.due.append((self.free_at + self.rtt, self.number, self.now, self.free_at + self.rtt / 2))
            self.delays.append(self.free_at - self.now)
            self.delivered += size
        self.number += 1

    def report(self):
        if self.silent:
            return
        arrived, lost, rtt = {}, [], None
        while self.due and self.due[0][0] <= self.now:
            at, number, sent_at, arrived_at = self.due.popleft()
            if arrived_at is None:
                lost.append(number)
            else:
                arrived[number] = arrived_at * (1 + self.drift) + self.clock
                rtt = at - sent_at
        self.lost += len(lost)
        self.flight.on_settled(
            list(arrived), lost, rtt=rtt, probe_timeout=3 * self.rtt, received_at=arrived, now=self.now
        )
        self.targets.append(self.target)

    @property
    def target(self):
        return self.flight.allowance.target_bps

    @property
    def mean_target(self):
        return sum(self.targets) / len(self.targets)

    def delay(self, share):
        return sorted(self.delays)[int(share * (len(self.delays) - 1))]


@pytest.mark.parametrize("greedy", [False, True])
@pytest.mark.parametrize("rate_bps", [0.3e6, 1e6, 5e6, 20e6])
def test_it_converges_on_the_rate_of_the_link_with_a_short_queue(rate_bps, greedy):
    path = Path(rate_bps, greedy=greedy).run(6 if rate_bps < 1e6 else 3)
    path.run(3)
    assert 0.8 * rate_bps < path.mean_target < 1.03 * rate_bps
    assert path.delivered * 8 / 3 > 0.8 * rate_bps
    assert path.delay(0.5) < 0.03 + 2 * PACKET * 8 / rate_bps
    assert path.lost == 0


@pytest.mark.parametrize("greedy", [False, True])
def test_after_the_capacity_fell_to_a_fifth_the_queue_is_short_again_within_four_seconds(greedy):
    path = Path(5e6, greedy=greedy).run(3)
    path.rate_bps = 1e6
    path.run(1)
    assert path.target < 1e6
    path.run(3).run(4)
    assert path.delay(0.95) < 0.06
    assert 0.65e6 < path.mean_target < 1.0e6
    assert path.lost == 0


def test_after_the_capacity_rose_the_rate_follows_by_eight_per_cent_a_second():
    path = Path(1e6).run(4)
    path.rate_bps = 2e6
    path.run(10)
    assert path.target > 1.4e6


@pytest.mark.parametrize("every", [50, 20])
def test_two_or_five_per_cent_of_loss_do_not_make_it_collapse(every):
    path = Path(2e6, lose=lambda number: number * 7919 % every == 0).run(4)
    path.run(4)
    assert path.mean_target > 0.8 * 2e6


def test_twenty_per_cent_of_loss_take_the_rate_down():
    path = Path(2e6, lose=lambda number: number * 7919 % 5 == 0).run(10)
    assert path.target < 0.7 * 2e6


def test_an_application_that_sends_little_does_not_drive_the_target_far_beyond_it_without_padding():
    path = Path(10e6, most_bps=0.5e6, pads=False).run(15)
    assert 0.5e6 < path.target < 1.6 * (1.5 * 0.5e6 + 10e3)
    assert path.padding == 0


def test_padding_finds_the_capacity_that_the_application_does_not_use():
    path = Path(10e6, most_bps=0.5e6).run(2)
    assert path.target > 0.8 * 10e6
    assert path.padding < 100_000


@pytest.mark.parametrize("clock", [{"drift": 200e-6}, {"clock": -1e9}])
def test_the_clock_of_the_peer_may_be_any_and_drift(clock):
    one, another = Path(2e6).run(3), Path(2e6, **clock).run(3)
    assert another.run(4).mean_target == pytest.approx(one.run(4).mean_target, rel=0.1)


def test_when_nothing_is_heard_for_three_seconds_sending_ends_and_begins_again():
    path = Path(2e6).run(4)
    window = path.flight.allowance.window_bytes
    path.silent = True
    path.run(2)
    assert path.flight.bytes_in_flight > window - PACKET
    sent = path.number
    assert path.run(1).number == sent
    path.silent = False
    path.run(6).run(1)
    assert path.delivered * 8 > 0.5e6
    assert path.lost == 0


def test_packets_leave_at_two_and_a_half_times_the_target_and_a_backlog_of_a_quarter_second_hardly_faster_than_it():
    path = Path(2e6).run(4)

    def send(seconds):
        path.now += seconds
        path.flight.on_sent(path.number, PACKET, now=path.now)
        path.number += 1
        return path.flight.allowance.pacing_bps / path.target

    path.flight.on_idle(now=path.now)
    assert send(3.0) == pytest.approx(2.5)
    assert [send(0.01) for _ in range(25)] == [pytest.approx(2.5)] * 25
    assert send(0.01) == pytest.approx(1.05)
    path.flight.on_idle(now=path.now)
    assert send(0.01) == pytest.approx(2.5)


def test_acknowledgements_without_times_leave_the_target_alone():
    path = Path(2e6).run(2)
    before = path.target
    numbers = range(path.number, path.number + 40)
    for number in numbers:
        path.flight.on_sent(number, PACKET, now=path.now)
    path.flight.on_settled(numbers, [], rtt=0.05, probe_timeout=0.15, now=path.now + 0.05)
    assert path.target == before


@given(
    st.lists(
        st.tuples(
            st.floats(0, 3),  # seconds until the next report
            st.integers(0, 30),  # packets
            st.floats(0, 1),  # the share of them that is lost
            st.one_of(st.none(), st.floats(-1e12, 1e12)),  # the peer's time of the first, if it says one
            st.floats(-1, 1),  # from one to the next
        ),
        max_size=40,
    )
)
def test_whatever_times_a_peer_reports_the_allowance_makes_sense(reports):
    flight = Flight(GccController(max_datagram_bytes=PACKET), max_datagram_bytes=PACKET)
    now, number = 1000.0, 0
    for pause, count, lost_share, first_at, interval in reports:
        numbers = range(number, number + count)
        number += count
        for packet in numbers:
            flight.on_sent(packet, PACKET, now=now)
        now += pause
        flight.handle_timer(now=now)
        acked = numbers[round(lost_share * count) :]
        times = None if first_at is None else {packet: first_at + interval * packet for packet in acked}
        lost = numbers[: round(lost_share * count)]
        flight.on_settled(acked, lost, rtt=pause, probe_timeout=1.0, received_at=times, now=now)
        allowance = flight.allowance
        assert allowance.window_bytes >= 10 * PACKET
        assert 5e3 <= allowance.target_bps < math.inf
        assert 0 < allowance.pacing_bps < math.inf
        assert 0 < allowance.base_rtt < math.inf


def test_a_pacer_that_may_be_ahead_sends_a_frame_at_once_and_probes_one_by_one():
    even, ahead = (Path(2e6, most_bps=5e6, burst=burst).run(3) for burst in (0.0, 0.04))
    assert ahead.target > 0.7 * even.target  # probes found the rate, whose packets leave one by one
    at_once = [path.flight.packets_allowed(now=path.now + 0.2) for path in (even, ahead)]
    assert at_once[0] <= 2 < at_once[1]
    assert at_once[1] == pytest.approx(0.04 * 2.5 * ahead.target / 8 / PACKET, abs=1)


# What libwebrtc asserts in goog_cc_network_control_unittest.cc, with its links (their queues have no limit).


def test_libwebrtc_the_target_follows_500_800_and_100_kbit_per_second():
    path = Path(500e3, rtt=0.2, queue=10.0, most_bps=1.5e6).run(25)
    assert path.target == pytest.approx(450e3, abs=100e3)
    path.rate_bps = 800e3
    path.run(20)
    assert path.target == pytest.approx(750e3, abs=150e3)
    path.rate_bps, path.rtt = 100e3, 0.4
    path.run(50)
    assert path.target == pytest.approx(90e3, abs=25e3)


def test_libwebrtc_in_the_steady_state_there_are_drops_of_fifteen_per_cent():
    path = Path(500e3, rtt=0.2, queue=10.0).run(30).run(20)
    assert min(path.targets) / max(path.targets) < 0.85


@pytest.mark.parametrize(
    ("rate_bps", "rtt", "seconds", "within"), [(1000e3, 0.05, 0.5, 300e3), (200e3, 0.05, 2.0, 50e3)]
)
def test_libwebrtc_the_start(rate_bps, rtt, seconds, within):
    path = Path(rate_bps, rtt=rtt, queue=10.0).run(seconds)
    assert path.target == pytest.approx(rate_bps, abs=within)


def test_libwebrtc_fifteen_per_cent_of_loss_bring_500_to_300_kbit_per_second_in_20_s():
    path = Path(1e6, rtt=0.2, queue=10.0).run(20)
    assert path.target >= 500e3
    path.lose = lambda number: number * 7919 % 20 < 3
    path.run(20)
    assert path.target <= 300e3


def test_libwebrtc_video_that_stops_leaves_the_target():
    path = Path(2e6, rtt=0.1, queue=10.0).run(1)
    path.most_bps = 0.0
    path.run(4)
    assert path.target > 1e6
