"""The probes of Google Congestion Control: clusters, what they show, and when there is one."""

import math

import pytest

from glassbench.transport.congestion.controller import Feedback, PacketResult, SentPacket
from glassbench.transport.congestion.gcc.controller import GccController
from glassbench.transport.congestion.gcc.limited import ApplicationLimit
from glassbench.transport.congestion.gcc.overuse import Usage
from glassbench.transport.congestion.gcc.probing import ProbeCluster, Prober

PACKET = 1200
CLOCK = 54321.0
RTT = 0.05


class Sender:
    """Sends as the pacer would, with padding, over a path of `capacity_bps`, and hears of each packet by itself."""

    def __init__(self, capacity_bps=math.inf):
        self.controller = GccController(max_datagram_bytes=PACKET)
        self.capacity_bps = capacity_bps
        self.now = 1000.0
        self.free_at = 0.0
        self.number = 0
        self.in_flight = []
        self.pacings = []

    def send(self, packets, *, interval=None):
        """Each packet follows the one before at the pacing rate, or after `interval` seconds."""
        for _ in range(packets):
            pacing = self.controller.allowance.pacing_bps
            packet = SentPacket(self.number, PACKET, self.now, PACKET, self.now, self.now, 0)
            self.controller.on_sent(packet)
            self.pacings.append(pacing)
            self.free_at = max(self.free_at, self.now) + PACKET * 8 / self.capacity_bps
            self.in_flight.append((self.free_at + RTT / 2, packet))
            self.number += 1
            self.now += PACKET * 8 / pacing if interval is None else interval

    def hear(self):
        """Of all that is in flight, one packet after another."""
        for arrived_at, packet in self.in_flight:
            self.now = max(self.now, arrived_at + RTT / 2)
            result = PacketResult(packet, False, arrived_at + CLOCK, False)
            rtt = arrived_at + RTT / 2 - packet.at
            self.controller.on_feedback(Feedback(self.now, (result,), rtt, 0, 0, True))
        self.in_flight = []

    @property
    def target_bps(self):
        return self.controller.allowance.target_bps


def test_at_the_start_two_clusters_of_five_packets_leave_at_three_and_six_times_300_kbit_per_second():
    sender = Sender()
    assert sender.target_bps == 300e3
    sender.send(11)
    assert sender.pacings == [pytest.approx(0.9e6)] * 5 + [pytest.approx(1.8e6)] * 5 + [pytest.approx(0.75e6)]


def test_padding_is_asked_for_from_the_first_packet_of_a_cluster_to_its_last():
    sender = Sender()
    asked = []
    for _ in range(11):
        asked.append(sender.controller.allowance.padding_bps)
        sender.send(1)
    assert asked == [0.0] + [pytest.approx(0.9e6)] * 4 + [0.0] + [pytest.approx(1.8e6)] * 4 + [0.0]


def test_a_free_path_is_probed_further_at_twice_the_result():
    sender = Sender()
    sender.send(10)
    sender.hear()
    assert sender.target_bps == pytest.approx(1.8e6, rel=0.01)
    assert sender.controller.allowance.pacing_bps == pytest.approx(3.6e6, rel=0.01)


def test_a_cluster_that_meets_the_capacity_gives_95_per_cent_of_it_and_ends_the_probing():
    sender = Sender(capacity_bps=1e6)
    sender.send(10)
    sender.hear()
    assert sender.target_bps == pytest.approx(0.95e6, rel=0.01)
    assert sender.controller.allowance.pacing_bps == pytest.approx(2.5 * sender.target_bps)


def test_a_cluster_that_shows_more_than_70_per_cent_of_its_rate_is_followed_by_one_of_twice_that():
    sender = Sender(capacity_bps=1.5e6)
    sender.send(10)
    sender.hear()
    assert sender.target_bps == pytest.approx(0.95 * 1.5e6, rel=0.01)
    assert sender.controller.allowance.pacing_bps == pytest.approx(2 * sender.target_bps, rel=0.01)


def test_the_clusters_of_the_start_wait_until_the_application_sends_enough_at_once():
    sender = Sender()
    sender.send(60, interval=1 / 30)
    sender.hear()
    assert 270e3 < sender.target_bps < 600e3
    assert sender.controller.allowance.pacing_bps == pytest.approx(0.9e6)
    sender.now += 1
    sender.send(10)
    sender.hear()
    assert sender.target_bps == pytest.approx(1.8e6, rel=0.01)


def test_a_later_cluster_is_given_up_after_a_second():
    sender = Sender()
    sender.send(10)
    sender.hear()
    assert sender.controller.allowance.pacing_bps == pytest.approx(3.6e6, rel=0.01)
    sender.send(40, interval=1 / 30)
    assert sender.controller.allowance.padding_bps == 0
    assert sender.controller.allowance.pacing_bps == pytest.approx(2.5 * sender.target_bps)


def cluster_result(rate_bps, *, packets=20, lose=(), sent_in=None, received_in=None):
    """What the last packet of a cluster shows."""
    interval = PACKET * 8 / rate_bps
    cluster = ProbeCluster(rate_bps)
    shown = None
    for number in range(packets):
        if cluster.complete:
            break
        at = number * (sent_in or interval)
        cluster.on_sent(PACKET, at=at)
        if number not in lose:
            received_at = CLOCK + number * (received_in or interval)
            shown = cluster.on_received(PACKET, sent_at=at, received_at=received_at)
    return shown


def test_a_cluster_is_15_ms_of_its_rate():
    cluster = ProbeCluster(20e6)
    packets = 0
    while not cluster.complete:
        cluster.on_sent(PACKET, at=packets * PACKET * 8 / 20e6)
        packets += 1
    assert packets == math.ceil(20e6 * 0.015 / 8 / PACKET)


def test_a_cluster_shows_the_lower_of_both_rates_and_less_where_the_path_was_the_limit():
    interval = PACKET * 8 / 5e6
    assert cluster_result(5e6) == pytest.approx(5e6)
    assert cluster_result(5e6, received_in=interval / 1.5) == pytest.approx(5e6)
    assert cluster_result(5e6, received_in=interval / 0.95) == pytest.approx(0.95 * 5e6)
    assert cluster_result(5e6, received_in=interval * 2) == pytest.approx(0.95 * 2.5e6)


def test_a_cluster_that_arrives_more_than_twice_as_fast_as_it_left_shows_nothing():
    assert cluster_result(5e6, received_in=PACKET * 8 / 5e6 / 2.1) is None


def test_four_of_five_packets_are_enough():
    assert cluster_result(1e6, lose={2}) is not None
    assert cluster_result(1e6, lose={1, 2}) is None


@pytest.mark.parametrize("interval", [1e-12, 0.4])
def test_a_cluster_that_arrives_at_once_or_over_a_second_shows_nothing(interval):
    assert cluster_result(1e6, received_in=interval) is None


def limited(rate_bps, *, target_bps=1e6, seconds=3.0, limit=None, at=0.0):
    limit = limit or ApplicationLimit()
    for number in range(int(seconds * 100)):
        limit.on_sent(round(rate_bps / 800), target_bps, at=at + number / 100)
    return limit


def test_an_application_that_uses_less_than_65_per_cent_of_the_target_is_limited():
    assert limited(0.7e6).since is None
    limit = limited(0.4e6)
    assert limit.since is not None
    assert limit.since > 0.4 * 0.5  # the budget fills to 80 % of half a second first
    limited(1e6, limit=limit, at=3.0)
    assert limit.since is None
    assert 3.0 < limit.ended_at < 4.0


def test_the_region_ends_when_half_of_the_budget_is_spent():
    limit = limited(0.1e6)
    full = 0.65 * 1e6 / 8 * 0.5  # bytes of half a second
    limit.on_sent(round(0.3 * full), 1e6, at=3.0)
    assert limit.since is not None
    limit.on_sent(round(0.3 * full), 1e6, at=3.001)
    assert limit.since is None


def test_a_limited_application_is_probed_at_twice_the_target_each_five_seconds():
    sender = Sender(capacity_bps=4e6)
    sender.send(10)
    sender.hear()
    sender.send(60)
    sender.hear()
    starts = []
    while sender.now < 1015.0:
        if (at := sender.controller.get_timer()) is not None and at <= sender.now:
            sender.controller.handle_timer(now=sender.now)
            if sender.controller.allowance.pacing_bps == pytest.approx(2 * sender.target_bps):
                starts.append(sender.now)
        sender.send(1, interval=0.0)
        while sender.controller.allowance.padding_bps > 0:
            sender.send(1)
        sender.hear()  # a packet a round trip: 0.2 Mbit/s
    assert len(starts) == 2
    assert starts[1] - starts[0] == pytest.approx(5.0, abs=0.3)
    assert sender.target_bps == pytest.approx(0.95 * 4e6, rel=0.05)


def dropped(limit, *, to_bps, for_seconds):
    """What is probed after the target fell from 4 Mbit/s and the queue is empty again, or None."""
    prober = Prober(300e3)
    for number in range(10):  # the clusters of the start
        prober.on_sent(PACKET, at=1000.0 + number * 0.005)
    prober.on_target(4e6, Usage.OVERUSE, now=1002.0)
    prober.on_target(to_bps, Usage.OVERUSE, now=1010.0)
    prober.on_recovered(limit, now=1010.0 + for_seconds)
    return prober.cluster and prober.cluster.rate_bps


def test_after_a_fall_by_a_third_a_limited_application_is_probed_at_85_per_cent_of_the_rate_before():
    limit = limited(0.4e6, at=1007.0)
    assert limit.since is not None
    assert dropped(limit, to_bps=2e6, for_seconds=4.9) == pytest.approx(0.85 * 4e6)
    assert dropped(limit, to_bps=2e6, for_seconds=5.1) is None
    assert dropped(limit, to_bps=2.7e6, for_seconds=1.0) is None
    assert dropped(ApplicationLimit(), to_bps=2e6, for_seconds=1.0) is None
    limit.since, limit.ended_at = None, 1008.5
    assert dropped(limit, to_bps=2e6, for_seconds=1.0) == pytest.approx(0.85 * 4e6)
    assert dropped(limit, to_bps=2e6, for_seconds=2.0) is None


def test_while_the_queue_grows_there_is_no_new_probe():
    prober = Prober(300e3)
    prober.on_sent(PACKET, at=1000.0)
    for usage, further in ((Usage.OVERUSE, False), (Usage.UNDERUSE, False), (Usage.NORMAL, True)):
        prober.on_target(1.8e6, usage, now=1000.1)
        assert (prober.cluster.rate_bps == pytest.approx(3.6e6)) is further
