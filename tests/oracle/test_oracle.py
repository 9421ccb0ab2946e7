"""The clairvoyant bound against all schedules of small traces, and against figures counted by hand."""

import itertools
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glassbench.experiments.account.oracle import Costs, each_alone, newest_first, signal_delays
from glassbench.experiments.account.oracle_schedules import Schedules
from glassbench.experiments.account.percentile import percentile
from glassbench.netem.replay import Replay, ReplayedOpportunities, replayed
from glassbench.netem.schedule import OPPORTUNITY_BYTES, OpportunitySchedule, RateSchedule
from glassbench.netem.supply import ConstantSupply, OpportunitySupply, RateSupply, Supply, supply_of
from glassbench.netem.traces import load

RECORDED = Path(__file__).parents[3] / "shared" / "traces"
SHARES = (0.3, 0.5, 0.75, 0.95, 1.0)


def opportunities(*marks_ms: int, period_ms: int = 0) -> Supply:
    schedule = OpportunitySchedule(np.array(marks_ms), period_ms)
    return OpportunitySupply(ReplayedOpportunities(schedule, Replay(0.0)))


def costs(packets: int = 1, *, encode: float = 0.0, decode: float = 0.0) -> Costs:
    return Costs(encode, decode, 0.0, 0.0, packets * OPPORTUNITY_BYTES)


def all_assignments(captures: Sequence[float], marks_ms: Sequence[int], packets: int) -> Iterator[list[float]]:
    """The signal delays of every schedule: each opportunity carries a packet of any frame that is there, or nothing."""
    ready = [[frame for frame, at in enumerate(captures) if at < mark / 1000] for mark in marks_ms]
    for chosen in itertools.product(*([*frames, None] for frames in ready)):
        shown = np.full(len(captures), np.inf)
        for frame in range(len(captures)):
            carried = [mark for mark, packet in zip(marks_ms, chosen, strict=True) if packet == frame]
            if len(carried) >= packets:
                shown[frame] = carried[packets - 1] / 1000
        yield signal_delays(captures, shown).tolist()


# Up to four captures over eight opportunities, of which the last ones are there for what is left.
MARKS = st.lists(st.integers(1, 12), min_size=3, max_size=5).map(sorted)
CAPTURES = st.lists(st.integers(0, 9), min_size=1, max_size=4, unique=True).map(sorted)


@settings(max_examples=60, print_blob=True)
@given(CAPTURES, MARKS, st.integers(1, 3))
def test_no_assignment_of_opportunities_to_frames_is_below_the_bound(
    captures_ms: list[int], marks: list[int], packets: int
) -> None:
    captures = [at / 1000 for at in captures_ms]
    tail = [20 + index for index in range(packets)]  # room for the last frame
    marks = [*marks, *tail]
    supply = opportunities(*marks, period_ms=1000)
    alone = each_alone(captures, supply, costs(packets))
    reached = newest_first(captures, supply, costs(packets))
    best = dict.fromkeys(SHARES, math.inf)
    for delays in set(map(tuple, all_assignments(captures, marks, packets))):
        assert (np.array(delays) >= alone - 1e-9).all()
        for share in SHARES:
            best[share] = min(best[share], percentile(np.array(delays), share))
    schedules = Schedules(captures, supply, costs(packets))
    for share in SHARES:
        assert schedules.percentile(share) == pytest.approx(best[share], abs=1e-9)
        assert percentile(alone, share) - 1e-9 <= best[share] <= percentile(reached, share) + 1e-9


def all_orders(
    counts: Sequence[float], needed: float, supply: Supply, captures: Sequence[float]
) -> Iterator[list[float]]:
    """The signal delays of every choice of frames, sent one after the other as soon as the link is free."""
    for chosen in itertools.product((False, True), repeat=len(counts) - 1):
        free, shown = -math.inf, np.full(len(counts), np.inf)
        for frame, count in enumerate(counts):
            if (*chosen, True)[frame]:
                free = max(free, count) + needed
                shown[frame] = supply.instant(free)
        yield signal_delays(captures, shown).tolist()


@settings(max_examples=150, print_blob=True)
@given(
    st.lists(st.integers(0, 4000), min_size=1, max_size=60).map(sorted),
    st.integers(1, 5),
    st.integers(1, 9),
    st.booleans(),
)
def test_the_least_percentile_is_that_of_the_best_choice_of_frames(
    marks: list[int], packets: int, frames: int, fluid: bool
) -> None:
    captures = [round(frame / 60, 6) for frame in range(frames)]
    marks = [mark // 20 for mark in marks]  # some at the same instant
    if fluid:
        rates = np.array([*(3e4 * mark for mark in marks), 1e6])  # some are 0
        supply = supply_of(
            replayed(RateSchedule(np.arange(len(rates)) / 100, rates, len(rates) / 100), Replay(0.0)), origin=0.0
        )
    else:
        supply = opportunities(*marks, 200)
    spent = costs(packets, encode=0.008)
    counts = [supply.offered(round(at + 0.008, 9)) for at in captures]
    needed = supply.needed(spent.size_bytes)
    choices = [np.array(delays) for delays in all_orders(counts, needed, supply, captures)]
    schedules = Schedules(captures, supply, spent)
    for share in SHARES:
        best = min(percentile(delays, share) for delays in choices)
        assert schedules.percentile(share) == pytest.approx(best, abs=2e-6)


@settings(print_blob=True)
@given(st.lists(st.integers(1, 3000), min_size=1, max_size=300).map(sorted), st.floats(0.0, 1 / 60))
def test_frames_of_one_packet_reach_the_bound_at_every_capture(marks: list[int], encode: float) -> None:
    captures = [round(frame / 60, 6) for frame in range(100)]
    supply, spent = opportunities(*marks), costs(encode=round(encode, 6) * 0.999)
    np.testing.assert_allclose(newest_first(captures, supply, spent), each_alone(captures, supply, spent), atol=1e-9)


def test_frames_of_two_packets_stand_in_each_other_s_way() -> None:
    """The counter-example of docs/oracle.md: whoever shows the first capture soonest shows the second one late."""
    captures, supply = [0.0, 0.015], opportunities(10, 20, 30, 40)
    assert each_alone(captures, supply, costs(2)).tolist() == pytest.approx([0.020, 0.015])
    assert newest_first(captures, supply, costs(2)).tolist() == pytest.approx([0.020, 0.025])
    schedules = Schedules(captures, supply, costs(2))
    assert schedules.percentile(1.0) == pytest.approx(0.025)  # each alone has 0.020
    assert schedules.percentile(0.5) == pytest.approx(0.015)  # by leaving the first one out; newest first has 0.020


def test_a_busy_decoder_and_a_slow_encoder_show_in_what_is_reached_and_not_in_the_bound() -> None:
    captures, supply = [0.0, 0.010], opportunities(*range(1, 101))
    assert each_alone(captures, supply, costs(decode=0.015)) == pytest.approx([0.016, 0.016])
    assert newest_first(captures, supply, costs(decode=0.015)) == pytest.approx([0.016, 0.021])
    assert each_alone(captures, supply, costs(encode=0.015)) == pytest.approx([0.016, 0.016])
    assert newest_first(captures, supply, costs(encode=0.015)) == pytest.approx([0.016, 0.021])


def test_an_opportunity_at_the_instant_of_an_arrival_is_past() -> None:
    assert each_alone([0.0, 0.05], opportunities(8, 58, 60, 100), costs(encode=0.008)) == pytest.approx([0.058, 0.010])


def test_a_trace_repeats_and_costs_around_the_link_add_up() -> None:
    spent = Costs(0.008, 0.001, 0.005, 0.020, 2 * OPPORTUNITY_BYTES)
    assert each_alone([0.995], opportunities(100, 900, 1000), spent) == pytest.approx([1.900 + 0.021 - 0.995])


@pytest.mark.parametrize("size", [1, 1504, 40_000])
def test_a_rate_that_never_changes_is_the_same_as_a_trace_and_as_a_constant(size: int) -> None:
    trace = RateSupply(replayed(RateSchedule(np.array([0.0]), np.array([3e6]), 7.0), Replay(2.0)), 1.0)  # type: ignore[arg-type]
    constant = ConstantSupply(3e6, 1.0)
    for at in (1.0, 2.5, 30.25):
        for supply in (trace, constant):
            assert supply.needed(size) == size
            assert supply.instant(supply.offered(at) + size) == pytest.approx(at + size * 8 / 3e6)


@pytest.mark.skipif(not RECORDED.exists(), reason="recorded traces are not in ../shared")
@pytest.mark.parametrize(
    ("name", "duration", "p95_of_one_packet", "p95_of_two_packets"),
    [
        ("ATT-LTE-driving.down", 120, 558, 1830),
        ("ATT-LTE-driving.down", 300, 105, 174),
        ("ATT-LTE-driving.down", 640, 74, 96),
        ("TMobile-UMTS-driving.down", 200, 2352, 2837),
        ("TMobile-UMTS-driving.down", 640, 945, 1517),
        ("Verizon-LTE-short.down", 120, 59, 80),
    ],
)
def test_recorded_traces_give_what_a_program_of_somebody_else_gave(
    name: str, duration: int, p95_of_one_packet: float, p95_of_two_packets: float
) -> None:
    """It sent the newest frame first, which is no bound with two packets a frame: another schedule is below."""
    captures = [round(frame / 60, 6) for frame in range(60 * duration)]
    supply = supply_of(replayed(load(RECORDED / name).schedule, Replay(0.0)), origin=0.0)
    one, two = (Costs(0.008, 0.00113, 0.0, 0.020, packets * OPPORTUNITY_BYTES) for packets in (1, 2))
    alone = percentile(each_alone(captures, supply, one), 0.95)
    assert 1e3 * alone == pytest.approx(p95_of_one_packet, abs=1)
    assert Schedules(captures, supply, one).percentile(0.95) + 0.02113 == pytest.approx(alone, abs=2e-6)
    reached = percentile(newest_first(captures, supply, two), 0.95)
    assert 1e3 * reached == pytest.approx(p95_of_two_packets, rel=0.04)
    least = Schedules(captures, supply, two).percentile(0.95) + 0.02113
    assert percentile(each_alone(captures, supply, two), 0.95) - 2e-6 <= least < reached
