"""What came, collected for the next report of whatever format: when it is due, and what it repeats."""

import pytest

from glassbench.transport.rtp.arrivals import CONTROL_INTERVAL, MOST_PACKETS, MOST_STREAMS, Arrival, Arrivals

MEDIA, RTX = 5, 6  # SSRCs


def sequences(arrivals: Arrivals) -> dict[int, list[int]]:
    return {stream: [arrival.sequence for arrival in came] for stream, came in arrivals.take().items()}


def test_a_report_is_due_after_50_ms_or_when_it_is_full_and_takes_each_packet_once():
    arrivals = Arrivals()
    assert arrivals.report_at is None
    arrivals.add(5, Arrival(0, 1000.0, 0))
    assert arrivals.report_at == 1000.05
    for number in range(1, MOST_PACKETS):
        arrivals.add(5, Arrival(number, 1000.01, 0))
    assert arrivals.report_at == 1000.01
    assert len(arrivals.take()[5]) == MOST_PACKETS
    assert arrivals.report_at is None


def test_under_control_reports_come_every_10_ms_and_have_each_arrival_twice() -> None:
    arrivals = Arrivals(CONTROL_INTERVAL, twice=True)
    arrivals.add(MEDIA, Arrival(1, 1000.0, 0))
    assert arrivals.report_at == pytest.approx(1000.01)
    arrivals.take()
    arrivals.add(MEDIA, Arrival(4, 1000.03, 0))
    assert sequences(arrivals) == {MEDIA: [1, 4]}
    arrivals.add(MEDIA, Arrival(5, 1000.06, 0))
    assert sequences(arrivals) == {MEDIA: [4, 5]}


def test_what_is_missing_is_reported_also_of_a_stream_that_was_silent_for_several_reports() -> None:
    arrivals = Arrivals(CONTROL_INTERVAL, twice=True)
    arrivals.add(RTX, Arrival(10, 1000.0, 0))
    for step in range(5):
        arrivals.add(MEDIA, Arrival(step, 1000.0 + step * 0.03, 0))
        arrivals.take()
    arrivals.add(RTX, Arrival(12, 1000.2, 0))
    assert sequences(arrivals)[RTX] == [10, 12]  # and the range of a report has what is between them


def test_ends_of_streams_are_remembered_within_a_bound() -> None:
    arrivals = Arrivals(CONTROL_INTERVAL, twice=True)
    for ssrc in range(1000):
        arrivals.add(ssrc, Arrival(0, 1000.0 + ssrc, 0))
        arrivals.take()
    assert len(arrivals._ends) == MOST_STREAMS
