"""SRTO_LOSSMAXTTL: how many packets may pass before a missing one is asked for."""

from typing import Any

import numpy as np
import pytest

from glassbench.netem.elements.delay import Delay
from glassbench.netem.elements.reordering import Reordering
from glassbench.transport.srt.reordering import ReorderTolerance


@pytest.mark.parametrize(("lossmaxttl", "least", "most"), [(0, 170, 200), (6, 20, 80), (20, 0, 5)])
def test_the_more_packets_may_pass_the_fewer_late_ones_are_sent_again(
    make_call: Any, lossmaxttl: int, least: int, most: int
) -> None:
    """200 of 1000 packets come late, after five others. With 6 the tolerance shrinks below that now and then."""
    late = Reordering(0.2, np.random.default_rng(1), lateness=0.0055)
    call = make_call(there=[late, Delay(0.02)], lossmaxttl=lossmaxttl)
    call.run(1002.0)
    call.stream(1000, 0.001)
    call.run(1004.0)
    assert len(call.received()) == 1000
    assert least <= call.sender.transport.stats()["retransmissions"] <= most


@pytest.mark.parametrize("lossmaxttl", [0, 5])
def test_a_lost_packet_is_asked_for_after_so_many_others(make_call: Any, lossy: Any, lossmaxttl: int) -> None:
    call = make_call(there=[lossy(lambda seq, before: seq == 30 and not before), Delay(0.02)], lossmaxttl=lossmaxttl)
    call.receiver.wire.clear()
    call.run(1002.0)
    call.stream(40, 0.001)
    call.run(1004.0)
    asked = [at for at, data in call.receiver.wire if data[:4].hex() == "80030000"]
    assert asked[0] == pytest.approx(1002.0 + 0.02 + 0.031 + lossmaxttl * 0.001, abs=1e-6)
    assert len(call.received()) == 40


def feed(tolerance: ReorderTolerance, *numbers: int, newest: int, retransmitted: bool = False) -> list[list[int]]:
    """The packets with these numbers come; the answer is what each of them makes us ask for."""
    asked = []
    for seq in numbers:
        missing = range(newest + 1, seq)
        newest = max(newest, seq)
        asked.append(tolerance.on_packet(seq, missing, behind=newest - seq, retransmitted=retransmitted))
    return asked


def test_a_gap_is_asked_for_when_tolerance_packets_have_passed() -> None:
    tolerance = ReorderTolerance(3)
    assert feed(tolerance, 1, 4, 5, 7, 8, 9, 10, newest=0) == [[], [], [], [], [2, 3], [], [6]]


def test_what_comes_or_is_given_up_is_not_asked_for() -> None:
    tolerance = ReorderTolerance(3)
    assert feed(tolerance, 6, 3, newest=0) == [[], []]
    tolerance.forget(0, 3)
    assert feed(tolerance, 7, 8, newest=6) == [[], [4, 5]]


def test_the_tolerance_shrinks_in_order_and_grows_to_the_distance_of_a_late_packet() -> None:
    tolerance = ReorderTolerance(4)
    feed(tolerance, *range(1, 151), newest=0)  # 50 in order, three times
    assert feed(tolerance, 152, 153, newest=150) == [[], [151]]
    feed(tolerance, *range(154, 204), newest=153)
    assert feed(tolerance, 205, newest=203) == [[204]]  # none left
    assert feed(tolerance, 208, 206, newest=205) == [[206, 207], []]  # one came 2 behind: so much is let pass now
    assert feed(tolerance, 210, 211, 212, newest=208) == [[], [], [209]]
    assert feed(tolerance, 230, 220, newest=212)[1] == []  # ten behind, but four is the most
    feed(tolerance, *range(231, 240), newest=230)
    assert feed(tolerance, 250, 251, 252, 253, 254, newest=239) == [[], [], [], [], [*range(240, 250)]]


def test_a_retransmission_says_nothing_of_reordering() -> None:
    tolerance = ReorderTolerance(9)
    feed(tolerance, *range(1, 451), newest=0)
    assert feed(tolerance, 460, newest=450) == [[*range(451, 460)]]
    feed(tolerance, 455, newest=460, retransmitted=True)
    assert feed(tolerance, 462, newest=460) == [[461]]


def test_ten_packets_that_come_early_shrink_it() -> None:
    tolerance = ReorderTolerance(6)
    newest = 0
    for _ in range(10):  # each second packet comes one late: five could have passed it
        feed(tolerance, newest + 2, newest + 1, newest=newest)
        newest += 2
    assert [bool(asked) for asked in feed(tolerance, *range(newest + 2, newest + 9), newest=newest)] == [
        False, False, False, False, False, True, False,
    ]  # fmt: skip
