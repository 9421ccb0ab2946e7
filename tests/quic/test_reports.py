"""Receive times beside QUIC's ACKs: their bytes, and that they come to the controller."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glassbench.transport.framing import Malformed
from glassbench.transport.quic.reports import ReceiveTimes, parse_report

ARRIVALS = st.lists(
    st.tuples(st.integers(0, 2**31), st.integers(0, 2**40)), min_size=1, max_size=400, unique_by=lambda each: each[0]
)


def reports(arrivals, room=900):
    times = ReceiveTimes()
    for number, at in arrivals:
        times.add(number, now=at)
    while times:
        yield times.take(room)


@given(ARRIVALS)
def test_every_arrival_is_reported_once_to_ten_microseconds(arrivals):
    parsed = [parse_report(data) for data in reports([(number, at / 1e6) for number, at in arrivals])]
    merged = {number: at for each in parsed for number, at in each.items()}
    assert sum(map(len, parsed)) == len(arrivals)
    assert all(abs(merged[number] - at / 1e6) <= 10e-6 for number, at in arrivals)


def test_packets_in_order_cost_three_bytes_each_in_one_report():
    (data,) = reports([(7 + index, 1000.0 + index * 0.0005) for index in range(40)])
    assert len(data) == 13 + 39 * 3


def test_no_report_is_larger_than_the_room():
    assert all(len(data) <= 100 for data in reports([(index, 1000.0) for index in range(500)], room=100))


def test_only_the_newest_arrivals_are_kept():
    times = ReceiveTimes()
    for number in range(10_000):
        times.add(number, now=1000.0)
    assert len(times) == 4096
    assert min(parse_report(times.take(900))) == 10_000 - 4096


@given(st.binary(max_size=2000))
def test_bytes_of_a_stranger_are_a_report_or_malformed(data):
    try:
        times = parse_report(data)
    except Malformed:
        return
    assert len(times) <= len(data)
    assert all(0 <= at < 2**53 for at in times.values())


@pytest.mark.parametrize("data", [b"", b"\4", b"\4" + bytes(12) + b"\0\0\0", b"\4" + bytes(4) + b"\xff" * 8])
def test_a_report_of_nothing_a_packet_twice_and_a_time_beyond_all_clocks_are_malformed(data):
    with pytest.raises(Malformed):
        parse_report(data)
