"""Sequence numbers at the receiver: wrap, gaps, duplicates, jumps, requests, giving up, report blocks."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glassbench.transport.round_trip import RoundTrip
from glassbench.transport.rtp.reception import Reception
from glassbench.transport.rtp.session import RtpOptions

NEVER = float("inf")


def make_reception(rtt=0.04, **options):
    round_trip = RoundTrip(0.1)
    if rtt is not None:
        for _ in range(200):
            round_trip.add(rtt)
    return Reception(RtpOptions(**options), round_trip)


def arrive(reception, *shorts, now=1.0, expires_at=NEVER):
    return [reception.arrive(short & 0xFFFF, is_start=True, expires_at=expires_at, now=now) for short in shorts]


@pytest.mark.parametrize("start", [0, 100, 65_530])
def test_numbers_are_extended_across_the_wrap(start):
    reception = make_reception()
    placed = arrive(reception, *range(start, start + 70_000))
    assert placed == list(range(placed[0], placed[0] + 70_000))
    assert not reception.missing


@given(st.permutations(range(40)), st.integers(0, 65_535))
@settings(max_examples=60)
def test_any_order_places_each_packet_once(order, start):
    reception = make_reception()
    arrive(reception, start)
    base = reception.highest
    placed = arrive(reception, *[start + 1 + offset for offset in order])
    assert placed == [base + 1 + offset for offset in order]
    assert arrive(reception, *[start + 1 + offset for offset in order]) == [None] * 40
    assert not reception.missing
    assert reception.frontier == base + 41


def test_a_gap_is_asked_for_after_the_reorder_window_then_once_a_timeout():
    reception = make_reception(rtt=0.04, reorder_window=0.005)
    arrive(reception, 10)
    arrive(reception, 13, now=1.0)
    assert reception.wake_at == pytest.approx(1.005)
    assert [short & 0xFFFF for short in reception.take_due(now=1.004)] == []
    assert [short & 0xFFFF for short in reception.take_due(now=1.005)] == [11, 12]
    assert reception.wake_at == pytest.approx(1.005 + 0.04 + 0.010, abs=1e-3)
    assert reception.take_due(now=1.03) == []
    assert arrive(reception, 12, now=1.04) == [reception.highest - 1]
    assert [short & 0xFFFF for short in reception.take_due(now=reception.wake_at)] == [11]
    assert not reception.given_up


@pytest.mark.parametrize("max_retries", [1, 2, 5])
def test_a_packet_is_asked_for_max_retries_times_and_then_given_up(max_retries):
    reception = make_reception(max_retries=max_retries)
    arrive(reception, 10, 12)
    requests = []
    while reception.missing:
        requests += reception.take_due(now=reception.wake_at)
    assert requests == [reception.highest - 1] * max_retries
    assert reception.given_up == [reception.highest - 1]
    assert reception.frontier == reception.highest + 1
    assert reception.wake_at is None


def test_without_nack_a_gap_is_given_up_after_the_reorder_window():
    reception = make_reception(nack=False, reorder_window=0.02)
    arrive(reception, 10, 12)
    assert reception.take_due(now=1.019) == []
    assert reception.missing
    assert reception.take_due(now=1.02) == []
    assert reception.given_up == [reception.highest - 1]


@pytest.mark.parametrize(("left", "asked"), [(0.03, False), (0.05, True)])
def test_a_packet_is_only_asked_for_if_the_answer_can_come_in_time(left, asked):
    reception = make_reception(rtt=0.04, reorder_window=0.0)
    arrive(reception, 10, 12, expires_at=1.0 + left)
    assert bool(reception.take_due(now=1.0)) is asked
    assert bool(reception.given_up) is not asked


def test_as_long_as_no_round_trip_was_measured_it_is_asked_for():
    reception = make_reception(rtt=None, reorder_window=0.0)
    arrive(reception, 10, 12, expires_at=1.05)
    assert reception.take_due(now=1.0)


def test_repairs_measure_the_round_trip_only_if_the_request_is_certain():
    reception = make_reception(rtt=None, reorder_window=0.0)
    arrive(reception, 10, 13)
    reception.take_due(now=1.0)
    assert reception.repair(11, now=1.03) is not None
    assert reception._round_trip.smoothed == pytest.approx(0.03)
    reception.take_due(now=reception.wake_at)  # asks for 12 again: now it is not known which request is answered
    assert reception.repair(12, now=2.0) is not None
    assert reception._round_trip.smoothed == pytest.approx(0.03)
    assert reception.repair(12, now=2.0) is None


def test_packets_before_the_first_are_looked_for_until_the_beginning_is_known():
    reception = make_reception()
    first = reception.arrive(5, is_start=False, expires_at=NEVER, now=1.0)
    assert len(reception.missing) == 16
    reception.forget_before(first - 2)
    assert list(reception.missing) == [first - 2, first - 1]
    assert arrive(reception, 4) == [first - 1]


def test_a_jump_is_believed_when_the_next_packet_confirms_it():
    reception = make_reception()
    arrive(reception, 10, 11)
    assert arrive(reception, 20_000) == [None]
    assert arrive(reception, 12) == [reception.highest]
    assert arrive(reception, 30_000, 30_001) == [None, reception.highest]
    assert reception.highest & 0xFFFF == 30_001
    assert len(reception.missing) <= 1000
    block = reception.block(5, now=2.0)
    assert block.lost < 1000  # a restart is not a loss


@given(st.lists(st.tuples(st.integers(0, 65_535), st.booleans()), max_size=200))
@settings(max_examples=60)
def test_hostile_numbers_keep_the_state_bounded(steps):
    reception = make_reception()
    for index, (short, retransmitted) in enumerate(steps):
        now = 1.0 + index / 100
        if retransmitted:
            reception.repair(short, now=now)
        else:
            reception.arrive(short, is_start=bool(short % 2), expires_at=now + 1, now=now)
        assert len(reception.missing) <= 1000
        assert list(reception.missing) == sorted(reception.missing)
        if reception.wake_at is not None and reception.wake_at <= now:
            reception.take_due(now=now)
            assert reception.wake_at is None or reception.wake_at > now
        reception.given_up.clear()


def test_a_report_block_counts_losses_since_the_last_and_in_all():
    reception = make_reception()
    arrive(reception, *range(100, 200))
    arrive(reception, *range(225, 300))  # 25 of 200 are missing
    reception.last_report = (77, 1.0)
    block = reception.block(5, now=1.5)
    assert (block.ssrc, block.lost, block.fraction_lost) == (5, 25, 32)
    assert block.highest_sequence == 299, "no cycle is over yet"
    assert (block.last_report, block.delay) == (77, 32768)
    arrive(reception, *range(300, 310))
    assert reception.block(5, now=2.0).fraction_lost == 0
    arrive(reception, *range(200, 225))  # late ones make up for it
    assert reception.block(5, now=2.5).lost == 0


def test_jitter_is_the_smoothed_difference_of_transit_times():
    reception = make_reception()
    expected = 0.0
    for index in range(50):
        late = 0.004 if index % 2 else 0.0
        reception.measure_jitter((index * 3000 + 2**32 - 60_000) % 2**32, now=1.0 + index / 30 + late)
        if index not in (0, 20):  # the timestamp wraps there
            expected += (360 - expected) / 16
    assert reception.jitter == pytest.approx(expected, rel=1e-3)
