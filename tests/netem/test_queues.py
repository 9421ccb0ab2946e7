"""Drop-tail limits, and CoDel at a link of constant rate."""

import numpy as np
import pytest

from glassbench.netem.elements.fixed_rate import FixedRate
from glassbench.netem.queues.codel import CoDel
from glassbench.netem.queues.drop_tail import DropTail

T0 = 1000.0
SIZE, RATE = 1250, 1e7  # 1 ms a packet


def pushed(queue, stream):
    for packet in stream:
        queue.push(packet)
    return queue


@pytest.mark.parametrize(
    ("limits", "fit"),
    [
        ({"limit_packets": 3}, 3),
        ({"limit_bytes": 3750}, 3),
        ({"limit_bytes": 4999}, 3),
        ({"limit_bytes": 5000}, 4),
        ({"limit_bytes": 10_000, "limit_packets": 2}, 2),
        ({"limit_bytes": 2500, "limit_packets": 9}, 2),
    ],
)
def test_drop_tail_keeps_what_fits_and_counts_the_rest(limits, fit, packets):
    queue = pushed(DropTail(**limits), packets([T0] * 10, SIZE))
    assert (len(queue), queue.bytes, queue.dropped) == (fit, fit * SIZE, 10 - fit)
    assert [queue.pop(T0).number for _ in range(fit)] == list(range(fit))
    assert queue.pop(T0) is None
    assert (len(queue), queue.bytes) == (0, 0)


def test_drop_tail_in_bytes_still_takes_a_small_packet(packets):
    queue = pushed(DropTail(limit_bytes=2000), packets([T0] * 3, [1500, 1000, 500]))
    assert [queue.pop(T0).number, queue.pop(T0).number] == [0, 2]


def sojourns(popped, size=SIZE, rate=RATE):
    """Times in the queue, without serialisation."""
    return np.array([packet.at - packet.sent_at for packet in popped]) - size * 8 / rate


@pytest.mark.parametrize("load", [0.5, 0.95])
@pytest.mark.parametrize("burst", [1, 4])
def test_codel_does_not_drop_under_its_target(load, burst, packets, drive):
    link = FixedRate(RATE, CoDel(limit_bytes=10**6))
    times = T0 + np.repeat(np.arange(2000) * burst * 0.001 / load, burst)
    assert len(drive(link, packets(times, SIZE))) == len(times)
    assert link.queue.dropped == 0


@pytest.mark.parametrize(("head_start", "drops"), [(1, False), (3, True)])
def test_codel_spares_the_last_packet_however_long_it_waited(head_start, drops, packets, drive):
    """On a slow link each packet waits 20 ms or more, but it drops only if there are others (RFC 8289, section 5.4)."""
    link = FixedRate(5e5, CoDel(limit_bytes=10**6))
    drive(link, packets(T0 + np.arange(-head_start, 200).clip(0) * 0.02, SIZE))
    assert (link.queue.dropped > 0) == drops


def test_codel_lets_a_burst_pass_that_is_gone_within_an_interval(packets, drive):
    link = FixedRate(RATE, CoDel(limit_bytes=10**6))
    assert len(drive(link, packets([T0] * 90, SIZE))) == 90  # 90 ms of queue, far above the target
    assert link.queue.dropped == 0


class Responsive:
    """A sender that slows down by 0.7 (CUBIC's factor) on a drop or mark and adds 2 % each 50 ms round trip."""

    def __init__(self, link, make_packets, ecn):
        self.link, self.make, self.ecn = link, make_packets, ecn
        self.rate, self.popped = 2.0, []  # relative to the link

    def run(self, seconds):
        now, cut_at, signals = T0, 0.0, 0
        end = T0 + seconds
        while now < end:
            (packet,) = self.make([now], SIZE, self.ecn)
            self.link.push(packet)
            now += 0.001 / self.rate
            self.popped += self.link.pop(now)
            seen = self.link.queue.dropped + self.link.queue.marked
            if seen > signals and now - cut_at > 0.05:
                self.rate, cut_at = self.rate * 0.7, now
            signals = seen
            self.rate += 0.02 * 0.001 / self.rate / 0.05
        return self.popped


@pytest.mark.parametrize("target", [0.005, 0.02])
@pytest.mark.parametrize("ecn", [0, 1, 2])
def test_codel_keeps_the_queue_of_a_responsive_sender_near_its_target(target, ecn, packets):
    codel = CoDel(limit_bytes=10**6, target=target, interval=20 * target, ecn=True)
    popped = Responsive(FixedRate(RATE, codel), packets, ecn).run(30.0)
    settled = sojourns([packet for packet in popped if packet.sent_at > T0 + 10])
    assert np.median(settled) < 2 * target
    assert len([packet for packet in popped if packet.at > T0 + 10]) > 0.8 * 20_000  # and the link is busy
    if ecn:
        assert codel.dropped == 0
        assert sum(packet.ecn == 3 for packet in popped) > 0
        assert {packet.ecn for packet in popped} == {ecn, 3}
    else:
        assert codel.dropped > 0
        assert codel.marked == 0


def test_codel_without_ecn_drops_capable_packets_too(packets, drive):
    link = FixedRate(RATE, CoDel(limit_bytes=10**6))
    popped = drive(link, packets(T0 + np.arange(2000) * 0.0005, SIZE, 2))
    assert link.queue.dropped > 0
    assert {packet.ecn for packet in popped} == {2}


def test_codel_drops_at_its_control_law(packets, drive):
    """Under a lasting overload the first drop comes an interval after the sojourn passes the target, then every
    interval / sqrt(n) (RFC 8289, section 3.2)."""
    link = FixedRate(RATE, CoDel(limit_bytes=10**7))
    popped = drive(link, packets(T0 + np.arange(3000) * 0.0005, SIZE))
    through = {packet.number: packet.at for packet in popped}
    dropped_at = [
        through[number + 1] - 0.001 for number in range(2000) if number not in through and number + 1 in through
    ]
    # At twice the rate packet n waits n / 2 ms: the sojourn passes 5 ms with packet 10 or 11, at 10 or 11 ms.
    assert dropped_at[0] == pytest.approx(T0 + 0.111, abs=0.0011)
    expected = dropped_at[:1]
    for count in range(1, len(dropped_at)):
        expected.append(expected[-1] + 0.1 / np.sqrt(count))
    assert len(dropped_at) > 50
    assert dropped_at[:50] == pytest.approx(expected[:50], abs=0.0011)  # decisions wait for the end of a packet


@pytest.mark.parametrize(("pause", "resumes"), [(0.5, True), (4.0, False)])
def test_codel_resumes_its_drop_rate_after_a_short_pause_only(pause, resumes, packets, drive):
    """Within 16 intervals it goes on from the last count, else from one (RFC 8289, section 5.5)."""
    overload = T0 + np.arange(2100) * (0.001 / 1.05)  # two seconds, a queue of 0.1 s at most, which the pause drains
    times = np.concatenate([overload, overload + 2.0 + pause])
    through = {packet.number for packet in drive(FixedRate(RATE, CoDel(limit_bytes=10**7)), packets(times, SIZE))}
    gaps = np.diff([number for number in range(2100, 4200) if number not in through])
    if resumes:
        assert gaps[0] < 80  # the second drop comes well before an interval of about 100 packets is over
    else:
        assert 95 <= gaps[0] <= 115


def test_codel_ends_an_unresponsive_overload_by_its_limit(packets, drive):
    codel = CoDel(limit_bytes=100 * SIZE)
    drive(FixedRate(RATE, codel), packets(T0 + np.arange(4000) * 0.0005, SIZE))
    assert codel.dropped > 1500
