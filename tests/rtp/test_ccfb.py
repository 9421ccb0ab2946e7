"""Congestion control feedback of RFC 8888: what came, when, with which mark; there and back."""

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glassbench.netem.elements.delay import Delay
from glassbench.netem.elements.fixed_rate import FixedRate
from glassbench.netem.queues.codel import CoDel
from glassbench.transport.framing import Malformed
from glassbench.transport.rtp import ccfb, rtcp
from glassbench.transport.rtp.arrivals import MOST_PACKETS, Arrival, Arrivals
from glassbench.transport.rtp.ccfb import PacketReport

ECT_0, CE = 2, 3


def reported(arrivals, *, now):
    (item,) = rtcp.parse(rtcp.congestion_feedback(7, ccfb.pack(arrivals.take(), 0x12345678, now=now)))
    assert isinstance(item, rtcp.CongestionFeedback)
    assert item.ssrc == 7
    return {stream.ssrc: stream.packets for stream in item.streams}


def test_the_bytes_are_those_of_the_rfc():
    """Section 3.1: two packets of one stream with a lost one between them, the first CE, a quarter of a second old."""
    arrivals = Arrivals()
    arrivals.add(0x01020304, Arrival(0xFFFF, 1000.0, CE))
    arrivals.add(0x01020304, Arrival(1, 1000.25, ECT_0))
    packet = rtcp.congestion_feedback(7, ccfb.pack(arrivals.take(), 0x12345678, now=1000.25))
    head = "8bcd0006" + "00000007"
    assert packet.hex() == head + "01020304" + "ffff0003" + "e100" + "0000" + "c000" + "0000" + "12345678"


def test_a_gap_is_said_to_be_missing_and_ages_are_told_to_a_thousandth():
    arrivals = Arrivals()
    arrivals.add(5, Arrival(65534, 1000.0, ECT_0))
    arrivals.add(5, Arrival(1, 1000.02, CE))
    arrivals.add(5, Arrival(65535, 1000.03, ECT_0))
    packets = reported(arrivals, now=1000.05)[5]
    assert [packet.sequence for packet in packets] == [65534, 65535, 0, 1]
    assert [packet.ecn for packet in packets] == [ECT_0, ECT_0, 0, CE]
    assert packets[2] == PacketReport(0, received=False, ecn=0, age=None)
    assert packets[0].age == pytest.approx(0.05, abs=1e-3)


def test_a_report_fits_the_smallest_datagram_whatever_came():
    arrivals = Arrivals()
    for number in range(2000):
        arrivals.add(number % 40, Arrival(number * 7919 & 0xFFFF, 1000.0, ECT_0))
    body = ccfb.pack(arrivals.take(), 0, now=1000.0)
    assert len(body) <= 2 * MOST_PACKETS + 8 * 10 + 4
    assert ccfb.parse(body)


@given(st.binary(max_size=200))
@settings(max_examples=300)
def test_any_bytes_are_a_report_or_malformed(body):
    with contextlib.suppress(Malformed):
        for stream in ccfb.parse(body):
            assert len(stream.packets) <= len(body)


def test_codel_marks_the_media_and_the_sender_hears_of_each_mark(make_session):
    codel = CoDel(limit_bytes=400_000, ecn=True)
    session = make_session("rtp", options={"ecn": True}, forward=[FixedRate(1.5e6, codel), Delay(0.02)])
    session.run(until=session.offer_video(90, delta_bytes=7_000) + 2)
    assert codel.marked > 10
    assert session.sender.transport.stats()["nacks_received"] == 0  # what was dropped is RTCP, which is not ECN-capable
    assert session.sender.transport.stats()["ce_packets"] == codel.marked
    assert session.received().keys() == session.offered.keys()


def test_without_the_option_codel_drops_and_no_mark_is_told(make_session):
    codel = CoDel(limit_bytes=400_000, ecn=True)
    session = make_session("rtp", forward=[FixedRate(1.5e6, codel), Delay(0.02)])
    session.run(until=session.offer_video(90, delta_bytes=7_000) + 2)
    assert codel.marked == 0
    assert codel.dropped > 10
    assert session.sender.transport.stats()["ce_packets"] == 0
