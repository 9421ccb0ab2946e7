"""BBRv3 against draft-ietf-ccwg-bbr: its constants, its worked examples, and the test cases of its appendix."""

import math
from itertools import pairwise
from statistics import median

import numpy as np
import pytest

from glassbench.transport.congestion.bbr import BbrController, BbrState
from glassbench.transport.congestion.bbr_bounds import LongTerm, ShortTerm, in_flight_at_loss
from glassbench.transport.congestion.bbr_path import FullPipe, MinRttFilter, WindowedMax
from glassbench.transport.congestion.bbr_wait import ProbeWait, spread
from glassbench.transport.congestion.controller import SentPacket

PACKET = 1200
RATE = 20e6 / 8  # bytes per second
RTT = 0.04
BDP = RATE * RTT
PROBE_BW = [BbrState.DOWN, BbrState.CRUISE, BbrState.REFILL, BbrState.UP]


class Story:
    """One flow at a bottleneck, and when it was in which state: (since, state, window, rate)."""

    def __init__(self, bottleneck, **fields):
        self.path = bottleneck(["bbr"], watch=self._see, **fields)
        self.flight = self.path.flights[0]
        self.bbr = self.flight.controller
        self.states = [(0.0, BbrState.STARTUP)]
        self.seen = []

    def run(self, until):
        self.path.run(until)
        return self

    def run_to(self, *states, within=15.0):
        """Until it is in one of the states."""
        limit = self.path.now + within
        while self.bbr.state not in states:
            assert self.path.now < limit, f"never in {states}, but in {self.states[-3:]}"
            self.path.run(self.path.now + 0.001)
        return self

    def _see(self, now, flow):
        if self.bbr.state is not self.states[-1][1]:
            self.states.append((now, self.bbr.state))
        self.seen.append((now, self.bbr.path.rounds, self.bbr.path.max_rate, self.flight.bytes_in_flight))


@pytest.fixture
def story(bottleneck):
    return lambda **fields: Story(bottleneck, **fields)


@pytest.fixture(scope="module")
def long_story(bottleneck):
    """20 s of one greedy flow, for those who only look at it."""
    return Story(bottleneck).run(20.0)


def order(story):
    return [state for _, state in story.states]


def spans(story, wanted):
    """From when until when it was in a state."""
    return [(since, until) for (since, state), (until, _) in pairwise(story.states) if state is wanted]


@pytest.mark.parametrize(
    ("state", "pacing", "window"),
    [
        (BbrState.STARTUP, 2.77, 2.0),
        (BbrState.DRAIN, 0.5, 2.0),
        (BbrState.DOWN, 0.9, 2.0),
        (BbrState.CRUISE, 1.0, 2.0),
        (BbrState.REFILL, 1.0, 2.0),
        (BbrState.UP, 1.25, 2.25),
        (BbrState.PROBE_RTT, 1.0, 0.5),
    ],
)
def test_in_each_state_the_pace_is_the_rate_times_its_gain_less_a_per_cent(story, state, pacing, window):
    path = story().run(0.2).run_to(state)
    assert (state.pacing_gain, state.window_gain) == (pacing, window)
    path.run(path.path.now + 0.01)  # the next acknowledgement
    if path.bbr.state is state:
        assert path.flight.allowance.pacing_bps == pytest.approx(pacing * 0.99 * path.bbr.rate * 8, rel=1e-6)


def test_the_first_round_trip_replaces_the_pace_that_was_guessed_without_one(rounds):
    """Else a flow that its application limits would never be paced (n0-computer/noq, issue 800)."""
    path = rounds("bbr", rtt=RTT)
    assert path.flight.allowance.pacing_bps == pytest.approx(2.77 * 10 * PACKET * 8 / 0.001)
    path.send(1)
    path.now += RTT
    path.settle([0], rtt=RTT)
    assert path.flight.allowance.pacing_bps == pytest.approx(2.77 * 10 * PACKET * 8 / RTT)
    assert path.flight.allowance.probe


def test_startup_doubles_the_delivery_rate_each_round_until_the_pipe_is_full(story):
    path = story(rate_bps=200e6).run_to(BbrState.DRAIN)
    rates = {}
    for _, count, rate, _ in path.seen:
        rates.setdefault(count, rate)
    growth = [after / before for before, after in pairwise(rates.values()) if after < 0.9 * 200e6 / 8][1:]
    assert len(growth) >= 4  # after the first round, which only ten packets had
    assert all(1.5 < factor < 2.2 for factor in growth), growth
    assert median(growth) == pytest.approx(2, rel=0.1)


def test_startup_ends_three_rounds_after_the_rate_has_ceased_to_grow(story):
    path = story().run_to(BbrState.DRAIN)
    assert path.bbr.path.max_rate == pytest.approx(RATE, rel=0.02)
    full_at = next(count for _, count, rate, _ in path.seen if rate > 0.99 * RATE)
    assert full_at + 2 <= path.bbr.path.rounds <= full_at + 4
    assert not path.flight.allowance.probe


@pytest.mark.parametrize(
    ("rates", "full"),
    [
        ([100, 124, 124, 124], True),  # three rounds with less than a quarter more than 100
        ([100, 124, 124], False),
        ([100, 125, 156, 195], False),  # a quarter more each time
        ([100, 110, 120, 130, 130, 130], False),  # 130 is a quarter more than 100
        ([100, 110, 120, 130, 130, 130, 130], True),
    ],
)
def test_the_pipe_is_full_after_three_rounds_without_a_quarter_more(rates, full):
    pipe = FullPipe()
    for rate in rates:
        pipe.on_round(rate)
    assert pipe.now is full


def limited_rounds(path, count, *, packets=20, lose=()):
    """Rounds of an application that pauses before each one."""
    for _ in range(count):
        path.flight.on_idle(now=path.now)
        path.now += 0.001
        numbers = path.send(packets)
        path.now += path.rtt
        lost = [number for step, number in enumerate(numbers) if step in lose]
        path.settle([number for number in numbers if number not in lost], lost, rtt=path.rtt)


@pytest.mark.parametrize(
    ("first", "second", "left"),
    [
        ({1, 3, 5, 7, 9}, {4}, True),  # six ranges in a round trip from the first loss on
        ({1, 3, 5, 7}, {4}, False),
        ({1, 2, 3, 4, 5, 6}, {4}, False),  # one burst, and a packet
        ({1, 3, 5, 7, 9, 11}, {}, False),  # nothing of what was sent after the first loss
    ],
)
def test_startup_ends_by_loss_in_six_places_even_if_the_application_is_the_limit(rounds, first, second, left):
    path = rounds("bbr")
    limited_rounds(path, 8)
    assert path.controller.state is BbrState.STARTUP
    limited_rounds(path, 1, lose=first)
    assert path.controller.state is BbrState.STARTUP
    limited_rounds(path, 1, lose=second)
    assert path.flight.allowance.probe is not left
    assert math.isfinite(path.controller.long_term.in_flight) is left


def test_without_loss_an_application_that_is_the_limit_never_leaves_startup(rounds):
    path = rounds("bbr")
    limited_rounds(path, 40)
    assert path.controller.state is BbrState.STARTUP
    assert path.flight.allowance.probe


def test_drain_ends_when_no_more_than_a_bdp_is_in_flight(story):
    path = story().run_to(BbrState.DRAIN)
    assert path.flight.bytes_in_flight > 1.8 * BDP
    path.run_to(BbrState.DOWN, BbrState.CRUISE)
    assert path.flight.bytes_in_flight <= BDP * 1.02
    assert len(order(path)) == 3


def test_drain_ends_after_three_rounds_at_the_latest(story):
    path = story(queue_bytes=10 * BDP).run_to(BbrState.DRAIN)
    path.path.rate /= 4
    count = path.bbr.path.rounds
    path.run_to(*PROBE_BW)
    assert path.flight.bytes_in_flight > 1.1 * path.path.rate * RTT
    assert path.bbr.path.rounds == count + 4


def test_probe_bw_goes_down_cruises_refills_and_goes_up_in_turn(long_story):
    cycle = [state for state in order(long_story)[2:] if state is not BbrState.PROBE_RTT]
    follows = dict(zip(PROBE_BW, PROBE_BW[1:] + PROBE_BW[:1], strict=True))
    steps = {(before, after) for before, after in pairwise(cycle) if before is not after}
    assert steps == {*follows.items()}
    assert all(after - before > 2 for before, after in pairwise(s for s, _ in spans(long_story, BbrState.UP)))


def test_refill_lasts_a_round_and_up_puts_a_quarter_more_than_the_bdp_into_flight(long_story):
    for since, until in spans(long_story, BbrState.REFILL):
        assert RTT <= until - since <= RTT + 0.01
    for since, until in spans(long_story, BbrState.UP):
        assert max(in_flight for at, _, _, in_flight in long_story.seen if since <= at <= until) > 1.25 * BDP


def test_a_probe_waits_two_to_three_seconds_or_as_many_rounds_as_the_bdp_has_packets(story):
    path = story(rate_bps=1e6, rtt=0.1).run(12.0)  # ten packets
    waits = [after - before for (before, _), (after, _) in pairwise(spans(path, BbrState.REFILL))]
    assert waits and max(waits) < 2.5


def test_a_wait_is_over_after_two_to_three_seconds_or_a_round_for_each_packet_of_the_bdp_up_to_63():
    wait = ProbeWait()
    for packets in range(50):
        wait.start(delivered=packets * PACKET, rounds=100, now=10.0)
        assert not wait.is_over(packets=math.inf, rounds=161, now=12.0)
        assert wait.is_over(packets=math.inf, rounds=101, now=13.0)
        assert wait.is_over(packets=math.inf, rounds=163, now=10.1)
        assert wait.is_over(packets=7, rounds=107, now=10.1)
        assert not wait.is_over(packets=7, rounds=105, now=10.1)


def test_probes_are_spread_evenly_without_dice():
    draws = [spread(PACKET * packets) for packets in range(1000)]
    for tenth in range(10):
        assert sum(tenth <= 10 * draw < tenth + 1 for draw in draws) == pytest.approx(100, abs=15)


def test_after_a_round_with_losses_the_short_bounds_fall_to_what_was_delivered_by_seven_tenths_at_most():
    for delivered, bound in ((0.9, 0.9), (0.7, 0.7), (0.2, 0.7)):
        short = ShortTerm()
        short.latest_rate, short.latest_delivered = 1000 * delivered, 500 * delivered
        short.adapt(1000, 500)
        assert math.isinf(short.rate)  # no loss
        short.on_loss(0)
        short.adapt(1000, 500)
        assert (short.rate, short.in_flight) == pytest.approx((1000 * bound, 500 * bound))
    short.adapt(9999, 9999)
    assert short.rate == pytest.approx(0.49 * 1000)


def test_losses_in_cruise_lower_the_rate_until_the_next_probe(story):
    lossy = [False]
    path = story(lose=lambda number: lossy[0] and number % 3 == 0).run_to(BbrState.CRUISE)
    lossy[0] = True
    path.run(path.path.now + 0.5)
    assert path.bbr.state is BbrState.CRUISE
    assert path.bbr.rate < 0.7 * path.bbr.path.max_rate
    path.run_to(BbrState.REFILL)
    assert path.bbr.rate == path.bbr.path.max_rate


def test_the_amount_at_which_losses_passed_two_per_cent():
    """100 packets were in flight with this one, and three were lost: (0.02 x 99 - 2) / 0.98 of a packet is too much."""
    packet = SentPacket(7, PACKET, 0.0, 100 * PACKET, 0.0, 0.0, 0)
    assert in_flight_at_loss(packet, 3 * PACKET) / PACKET == pytest.approx(99 + (0.02 * 99 - 2) / 0.98)


def test_too_much_loss_ends_the_probe_and_bounds_what_is_in_flight_by_seven_tenths_at_least(story):
    lossy = [False]
    path = story(lose=lambda number: lossy[0] and number % 10 == 0).run_to(BbrState.UP)
    assert math.isinf(path.bbr.long_term.in_flight)
    lossy[0] = True
    path.run_to(BbrState.DOWN, within=0.3)
    assert 0.7 * BDP * 0.98 <= path.bbr.long_term.in_flight < 1.8 * BDP


def test_cruise_leaves_fifteen_per_cent_of_the_bound_to_others(rounds, story):
    long = LongTerm()
    assert math.isinf(long.with_headroom(PACKET))
    long.in_flight = 100 * PACKET
    assert long.with_headroom(PACKET) == 85 * PACKET
    long.in_flight = 4 * PACKET
    assert long.with_headroom(PACKET) == 3 * PACKET
    path = story().run_to(BbrState.CRUISE)
    path.bbr.long_term.in_flight = 60 * PACKET
    path.run(path.path.now + 0.2)
    bound = path.bbr.long_term.with_headroom(PACKET)
    assert path.bbr.state is BbrState.CRUISE
    assert path.flight.allowance.window_bytes == int(bound)


def test_a_probe_raises_the_bound_by_one_two_four_packets_a_round():
    long = LongTerm()
    long.in_flight = 64 * PACKET
    long.begin()
    bounds = []
    for _ in range(4):
        long.steepen(64 * PACKET, PACKET)
        for _ in range(64):
            long.grow(PACKET, PACKET)
        bounds.append(long.in_flight / PACKET - 64)
    assert bounds == [1, 3, 7, 15]


def test_probe_rtt_comes_every_five_seconds_and_holds_half_the_bdp_for_200_ms(long_story):
    probes = spans(long_story, BbrState.PROBE_RTT)
    assert len(probes) == 3
    for since, until in probes:
        assert 0.2 <= until - since < 0.2 + 2 * RTT
        held = [in_flight for at, _, _, in_flight in long_story.seen if since + RTT < at < until]
        assert max(held) <= 0.52 * BDP
    starts = [since for since, _ in probes]
    assert all(5 < after - before < 5.5 for before, after in pairwise([0.0, *starts]))
    assert all(state is BbrState.CRUISE for at, state in long_story.states if at in [until for _, until in probes])


def test_probe_rtt_before_any_limit_returns_to_startup(rounds):
    path = rounds("bbr")
    states = set()
    number = path.send(1)[0]
    for _ in range(600):  # never without a packet in flight, so it is not idle
        path.flight.on_idle(now=path.now)
        path.now += 0.01
        after = path.send(1)[0]
        path.settle([number], rtt=path.rtt)
        number = after
        states.add(path.controller.state)
    assert states == {BbrState.STARTUP, BbrState.PROBE_RTT}
    assert path.controller.state is BbrState.STARTUP


def test_a_flow_that_restarts_from_idle_is_spared_probe_rtt_and_sends_at_its_rate(bottleneck):
    bursts = [(0.0, 3000), (9.0, 100)]
    path = Story(bottleneck, bursts=bursts).run(8.99)
    assert path.flight.bytes_in_flight == 0 and path.bbr.state in PROBE_BW
    path.run(9.0001)
    assert path.flight.allowance.pacing_bps == pytest.approx(0.99 * path.bbr.rate * 8)
    path.run(9.3)
    assert all(state is not BbrState.PROBE_RTT for at, state in path.states if at > 8.9)


def test_the_least_round_trip_is_of_ten_seconds_and_probe_rtt_is_due_after_five():
    least = MinRttFilter()
    assert not least.update(None, now=0.0) and math.isinf(least.value)
    assert not least.update(0.04, now=0.0)
    assert not least.update(0.05, now=4.0)
    assert least.value == 0.04
    assert least.update(0.05, now=5.1)
    assert least.value == 0.04  # half of the window only
    least.probed(now=5.3)
    assert not least.update(0.06, now=10.0)
    assert least.value == 0.04
    least.update(0.06, now=10.1)
    assert least.value == 0.05


def test_a_maximum_is_remembered_for_its_window_and_the_youngest_for_ever():
    largest = WindowedMax()
    for time, value, maximum in ((0, 5, 5), (0, 3, 5), (1, 4, 5), (2, 1, 4), (3, 2, 2), (9, 1, 1)):
        largest.update(value, time=time, window=2)
        assert largest.value == maximum


def test_what_the_application_limits_may_raise_the_bandwidth_and_never_lowers_it(bottleneck):
    bursts = [(0.0, 2000), *((3.0 + n / 30, 4) for n in range(300))]
    path = Story(bottleneck, bursts=bursts).run(2.9)
    before = path.bbr.path.max_rate
    assert before == pytest.approx(RATE, rel=0.02)
    path.run(12.0)
    assert path.bbr.path.max_rate >= before


def test_a_faster_path_is_learnt_by_the_next_probes_and_a_slower_one_when_the_cycles_are_over(story):
    path = story().run_to(BbrState.CRUISE)
    path.path.rate *= 10
    path.run(path.path.now + 9)
    assert path.bbr.path.max_rate > 0.9 * 10 * RATE
    path.path.rate /= 10
    path.run(path.path.now + 9)
    assert path.bbr.path.max_rate < 1.1 * RATE


def test_four_packets_are_allowed_however_small_the_bdp_is(story):
    path = story(rate_bps=200e3, rtt=0.01, queue_bytes=20 * PACKET).run(10.0)
    assert path.flight.allowance.window_bytes >= 4 * PACKET
    assert path.path.delivered[0] > 0.85 * 200e3 / 8 * 10


def test_a_mark_of_a_queue_counts_as_the_loss_of_a_packet(rounds):
    marked, lossless = rounds("bbr"), rounds("bbr")
    for path, marks in ((marked, 6), (lossless, 0)):
        limited_rounds(path, 8)
        for _ in range(2):
            numbers = path.send(20)
            path.now += path.rtt
            path.flight.on_settled(numbers, [], rtt=path.rtt, probe_timeout=1.0, ce_packets=marks, now=path.now)
    assert lossless.controller.state is BbrState.STARTUP
    assert marked.controller.state is not BbrState.STARTUP


def test_losses_that_were_none_bring_back_startup_and_the_bounds(rounds):
    path = rounds("bbr")
    limited_rounds(path, 8)
    before = path.window
    lost_since = path.now
    limited_rounds(path, 2, lose={1, 3, 5, 7, 9, 11})
    assert not path.flight.allowance.probe
    path.flight.undo_losses(since=lost_since, now=path.now)
    assert path.controller.state is BbrState.STARTUP
    assert path.flight.allowance.probe and path.window >= before
    assert math.isinf(path.controller.long_term.in_flight)


def test_losses_that_were_none_bring_back_the_probe_that_they_ended(story):
    lossy = [False]
    path = story(lose=lambda number: lossy[0] and number % 10 == 0).run_to(BbrState.UP)
    since = path.path.now
    lossy[0] = True
    path.run_to(BbrState.DOWN, within=0.3)
    path.flight.undo_losses(since=since, now=path.path.now)
    assert path.bbr.state is BbrState.REFILL
    assert math.isinf(path.bbr.long_term.in_flight)


def test_after_persistent_congestion_four_packets_leave_and_the_window_returns_with_an_acknowledgement(rounds):
    path = rounds("bbr")
    path.run(6)
    before = path.window
    numbers = path.send(int(before))
    path.now += 2.0
    path.send(1)
    path.settle(lost=[*numbers, numbers[-1] + 1])
    assert path.window == 4
    path.now += 0.1
    number = path.send(1)[0]
    path.now += path.rtt
    path.settle([number], rtt=path.rtt)
    assert path.window >= before


def test_a_controller_is_made_for_packets_of_a_size():
    assert BbrController(max_datagram_bytes=PACKET).allowance.window_bytes == 10 * PACKET


def random_loss(share, seed):
    dice = np.random.default_rng(seed)
    return lambda number: dice.random() < share


def test_a_greedy_flow_has_the_link_and_leaves_the_queue_empty_most_of_the_time(bottleneck):
    path = bottleneck(["bbr"]).run(12.0)
    assert path.delivered[0] > 0.93 * RATE * 12
    waits = np.sort(path.waits)
    assert np.quantile(waits, 0.5) < 0.1 * RTT  # a full queue is one RTT
    assert np.quantile(waits, 0.95) < RTT


@pytest.mark.sampled(3)
@pytest.mark.parametrize(("share", "used"), [(0.001, 0.8), (0.01, 0.6)])
def test_random_loss_costs_it_what_the_draft_says_and_cubic_much_more(bottleneck, share, used):
    """A round with a share p lost takes p from the rate, for up to 63 rounds between two probes ("Design Considerations
    for Choosing Constant Parameters"): at 1 % the rate falls to 0.99 ** 63 = 0.53 before each probe."""
    shares = []
    for seed in (1, 2, 3):
        path = bottleneck(["bbr"], lose=random_loss(share, seed)).run(10.0)
        shares.append(path.delivered[0] / RATE / 10)
    cubic = bottleneck(["cubic"], lose=random_loss(share, 1)).run(10.0).delivered[0] / RATE / 10
    assert min(shares) > used, shares
    assert median(shares) > 1.5 * cubic


@pytest.mark.lengthy
def test_two_flows_share_a_link_that_neither_leaves_idle(bottleneck):
    fair, used = [], []
    for start in (1.0, 2.6, 3.7):
        path = bottleneck(["bbr", "bbr"], [0.0, start]).run(16.0)
        total = sum(path.delivered)
        fair.append(total**2 / (2 * sum(each**2 for each in path.delivered)))  # Jain's index
        used.append(total / path.rate / (16 - start))
    assert median(fair) > 0.85, fair
    assert min(used) > 0.93, used


def test_video_below_the_capacity_arrives_at_once_and_never_leaves_startup(bottleneck):
    frames = [(n / 30, 16) for n in range(300)]  # 4.6 Mbit/s
    path = Story(bottleneck, bursts=frames).run(10.5)
    assert {*order(path)} <= {BbrState.STARTUP, BbrState.PROBE_RTT}
    assert path.flight.allowance.probe
    assert path.flight.bytes_in_flight == 0
    assert path.path.delivered[0] > 299 * 16 * PACKET
    assert max(path.path.waits) < 16 * PACKET / RATE
