"""Delivery rate samples, worked by hand from the definitions of draft-ietf-ccwg-bbr."""

import pytest

from glassbench.transport.congestion.controller import SentPacket
from glassbench.transport.congestion.delivery_rate import DeliveryRate

PACKET = 1000
RTT = 0.04


class Sender:
    """Sends packets of 1000 bytes one by one, and hears of them."""

    def __init__(self):
        self.delivery = DeliveryRate()
        self.in_flight = 0
        self.sent = []

    def send(self, at, *, idle_at=-1.0):
        self.in_flight += PACKET
        packet = SentPacket(len(self.sent), PACKET, at, self.in_flight, idle_at, at, 0)
        self.delivery.on_sent(packet)
        self.sent.append(packet)
        return packet

    def ack(self, *packets, at):
        self.in_flight -= PACKET * len(packets)
        return self.delivery.on_acked(packets, at - packets[-1].at, now=at)


@pytest.fixture
def sender():
    return Sender()


def steady(sender, count=81, interval=0.001, since=0.0):
    """One packet a millisecond, each acknowledged a round trip later by an ACK of its own."""
    samples = []
    for n in range(count):
        at = since + n * interval
        if n >= RTT / interval:
            samples.append(sender.ack(sender.sent[len(samples)], at=at))
        sender.send(at)
    return samples


def test_packets_that_leave_and_arrive_evenly_give_their_rate(sender):
    assert steady(sender)[-1].rate == pytest.approx(PACKET / 0.001)


def test_acknowledgements_in_a_bunch_give_the_rate_of_sending_and_no_more(sender):
    packets = [sender.send(n * 0.001) for n in range(41)]
    sender.ack(packets[0], at=0.04)
    sample = sender.ack(*packets[1:], at=0.0401)  # 40 packets that were sent in 40 ms
    assert sample.rate == pytest.approx(41 * PACKET / 0.0401)
    assert sample.delivered == 41 * PACKET
    assert sample.newly_acked == 40 * PACKET


def test_a_burst_gives_the_rate_of_the_acknowledgements(sender):
    packets = [sender.send(0.0) for _ in range(40)]
    samples = [sender.ack(packet, at=0.04 + n * 0.002) for n, packet in enumerate(packets)]
    assert samples[-1].rate == pytest.approx(40 * PACKET / (0.04 + 39 * 0.002))


def test_a_sample_shorter_than_any_round_trip_says_nothing(sender):
    sender.ack(sender.send(0.0), at=0.04)
    again = sender.send(1.0)
    assert sender.delivery.on_acked([again], None, now=1.039).rate == 0.0


def test_silence_is_no_part_of_the_interval(sender):
    sender.ack(sender.send(0.0), at=0.04)
    assert sender.ack(sender.send(9.0), at=9.04).rate == pytest.approx(PACKET / 0.04)


def test_what_leaves_after_a_pause_is_application_limited_until_it_arrives(sender):
    before = sender.send(0.0)
    after = sender.send(0.01, idle_at=0.005)
    last = sender.send(0.011, idle_at=0.005)
    assert not sender.ack(before, at=0.04).at_sending.app_limited
    assert sender.send(0.041, idle_at=0.005).memo.app_limited
    assert sender.ack(after, at=0.05).at_sending.app_limited
    assert not sender.send(0.051, idle_at=0.005).memo.app_limited
    assert sender.ack(last, at=0.052).at_sending.app_limited


def test_an_idle_instant_between_two_packets_of_one_instant_is_no_pause(sender):
    sender.send(0.0)
    assert not sender.send(0.0, idle_at=0.0).memo.app_limited


def test_a_loss_does_not_prolong_the_limited_phase(sender):
    sender.send(0.0)  # is never heard of again
    after = sender.send(0.01, idle_at=0.005)
    sender.delivery.on_lost(PACKET)
    sender.ack(after, at=0.05)
    assert not sender.delivery.app_limited


def test_what_was_lost_since_the_packet_left_is_counted(sender):
    sender.delivery.on_lost(PACKET)
    packet = sender.send(0.0)
    sender.delivery.on_lost(3 * PACKET)
    assert sender.delivery.lost_since(packet) == 3 * PACKET
