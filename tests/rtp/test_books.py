"""The books over packets that left: each is settled once, as reports tell of it, in whatever format they come."""

import pytest

from glassbench.transport.framing import Malformed
from glassbench.transport.rtp.books import GIVE_UP, ArrivalReport, Arrived, Books

HZ = 65536  # ticks a second of the clock of reports


def make_books(packets: int, at: float = 1000.0) -> Books:
    """After so many packets have left at once."""
    books = Books(HZ)
    for _ in range(packets):
        books.on_sent(now=at)
    return books


def a_report(first: int, received: str, age: float | None = 0.0, at: float = 0.0) -> ArrivalReport:
    """A report of the instant `at` on packets from `first` on, of which those with a 1 came."""
    arrived = [Arrived(number, age) for number, came in enumerate(received, first) if came == "1"]
    return ArrivalReport(arrived, range(first, first + len(received)), round(at * HZ) & 0xFFFF_FFFF)


def test_a_packet_is_lost_once_a_report_has_it_missing_and_one_that_left_three_later_came() -> None:
    books = make_books(6)
    result = books.settle(a_report(0, "1011", at=1000.03), now=1000.05)
    assert (result.arrived, result.lost) == ([0, 2, 3], [])
    result = books.settle(a_report(4, "1", at=1000.035), now=1000.055)
    assert (result.arrived, result.lost) == ([4], [])
    result = books.settle(a_report(4, "1", at=1000.05), now=1000.07)
    assert (result.arrived, result.lost) == ([], [1])
    assert books.settle(a_report(0, "11111"), now=1000.09).arrived == []


def test_a_packet_that_comes_after_the_end_of_its_frame_is_not_lost() -> None:
    books = make_books(6)
    assert books.settle(a_report(0, "01111", at=1000.03), now=1000.05).lost == []
    result = books.settle(a_report(0, "111111", at=1000.05), now=1000.07)
    assert (result.arrived, result.lost) == ([0, 5], [])


def test_what_no_report_tells_of_is_lost_after_a_second() -> None:
    books = make_books(1)
    books.on_sent(now=1000.5)
    assert books.give_up_at() == 1000.0 + GIVE_UP
    assert books.give_up(now=1000.999) == []
    assert books.give_up(now=1001.0) == [0]
    assert books.give_up_at() == 1000.5 + GIVE_UP


def test_the_round_trip_does_not_contain_the_time_for_which_the_receiver_held_the_report() -> None:
    books = make_books(1)
    books.on_sent(now=1000.01)
    assert books.settle(a_report(0, "11", age=0.015), now=1000.065).rtt == pytest.approx(0.04)
    books.on_sent(now=1001.0)
    assert books.settle(a_report(2, "1", age=None), now=1001.1).rtt is None


@pytest.mark.parametrize("age", [0.102, 0.5, float("inf")])
def test_a_report_of_a_packet_that_came_before_it_left_is_refused_as_a_whole(age: float) -> None:
    books = make_books(2)
    report = ArrivalReport([Arrived(0, 0.0), Arrived(1, age)], range(2), 0)
    with pytest.raises(Malformed, match="packet 1 came before it left"):
        books.settle(report, now=1000.1)
    assert books.settle(a_report(0, "11", age=0.1), now=1000.1).arrived == [0, 1]


def test_losses_that_all_came_after_all_are_told_as_spurious_since_the_first() -> None:
    books = make_books(8)
    books.settle(a_report(0, "0011", at=1000.03), now=1000.05)
    assert books.settle(a_report(4, "11", at=1000.05), now=1000.07).lost == [0, 1]
    first = books.settle(a_report(1, "1", at=1000.06), now=1000.08)
    assert (first.arrived, first.late, first.spurious_since) == ([], 1, None)
    again = books.settle(a_report(1, "1", at=1000.07), now=1000.09)
    assert (again.late, again.spurious_since) == (0, None)
    second = books.settle(a_report(0, "1", at=1000.08), now=1000.1)
    assert (second.arrived, second.late, second.spurious_since) == ([], 1, 1000.07)


def test_a_packet_that_comes_more_than_a_second_after_it_was_declared_lost_is_lost() -> None:
    books = make_books(1)
    assert books.give_up(now=1001.0) == [0]
    assert books.settle(a_report(0, "1"), now=1002.1).late == 0
    books.on_sent(now=1003.0)
    assert books.give_up(now=1004.0) == [1]
    late = books.settle(a_report(1, "1"), now=1004.9)
    assert (late.late, late.spurious_since) == (1, 1004.0)


def test_of_lost_packets_a_bounded_number_is_remembered() -> None:
    books = make_books(10_000)
    books.give_up(now=1001.0)
    assert books.settle(a_report(0, 10_000 * "1"), now=1001.1).late == 4096


def test_the_times_of_arrival_go_on_where_32_bits_end() -> None:
    books = make_books(2)
    times = []
    for number, at in enumerate((2**32 - 65536, 65536)):
        result = books.settle(a_report(number, "1")._replace(at=at), now=1000.1)
        times += result.received_at.values()
    assert times[1] - times[0] == 2


def test_a_packet_that_a_report_has_twice_is_settled_once() -> None:
    books = make_books(1)
    assert books.settle(ArrivalReport([Arrived(0, None), Arrived(0, 0.0)], [0, 0], 0), now=1000.1).arrived == [0]


def test_a_report_on_far_more_packets_than_have_left_is_taken_for_those_that_have() -> None:
    books = make_books(6)
    far = ArrivalReport([Arrived(5, 0.0)], range(-30_000, 30_000), 0)
    assert books.settle(far, now=1000.1).arrived == [5]
    assert books.settle(far._replace(at=HZ), now=1000.2).lost == [0, 1, 2]
