"""The start-up experiment: its closed forms, and checks that must not hold when the handshake is another."""

import pytest

from glassbench.experiments.catalog.start_up import (
    BITRATES,
    CHAIN,
    EXPERIMENT,
    FIRST_DATAGRAM,
    LOST_RTTS,
    REPEATED,
    RTTS,
    SETUPS,
    _answer_is_three_times,
    _chain_costs_a_round_trip,
    _chain_is_no_faster_than_tcp,
    _large_keyframe,
    _lost_early_data,
    _lost_first_flight,
    _no_window_no_wait,
    _takes,
)


def begun(**late):
    """The closed forms, but with setups that are late by so many round trips."""
    return {
        (name, rtt): setup.first_frame(rtt) + late.get(name, 0) * rtt for name, setup in SETUPS.items() for rtt in RTTS
    }


def test_the_closed_forms_at_a_round_trip_of_100_ms():
    first_frames = {name: round(setup.first_frame(0.1), 6) for name, setup in SETUPS.items()}
    assert (
        first_frames["RTP"],
        first_frames["QUIC 0-RTT"],
        first_frames["QUIC 1-RTT"],
        first_frames["WebTransport"],
    ) == (0.05, 0.05, 0.15, 0.25)
    assert (first_frames["SRT, sender calls"], first_frames["SRT, receiver calls"]) == (0.37, 0.32)


def test_all_cells_connect_with_the_media_and_only_one_plan_loses():
    for plan in EXPERIMENT.plans():
        for cell in plan.cells:
            assert cell.scenario.connect == "with-media"
            down = [element.kind for element in cell.scenario.network.paths()[0]]
            assert ("outage" in down) == (plan.name == "first-flight-lost")


@pytest.mark.parametrize(("late", "holds"), [(0, True), (0.5, False), (1, False), (-1, False)])
@pytest.mark.parametrize("name", list(SETUPS))
def test_half_a_round_trip_more_or_less_breaks_the_closed_form(name, late, holds):
    assert _takes(begun(**{name: late}), (name,), "", "").holds == holds


def test_a_chain_that_costs_nothing_or_two_round_trips_breaks_its_check():
    name = f"QUIC 1-RTT, {CHAIN}"
    assert _chain_costs_a_round_trip(begun()).holds and _chain_is_no_faster_than_tcp(begun()).holds
    assert not _chain_costs_a_round_trip(begun(**{name: -1})).holds
    assert not _chain_costs_a_round_trip(begun(**{name: 1})).holds
    assert not _chain_is_no_faster_than_tcp(begun(**{name: -1})).holds


@pytest.mark.parametrize(("sent", "holds"), [(3 * FIRST_DATAGRAM, True), (3 * FIRST_DATAGRAM + 1, False), (0, False)])
def test_the_amplification_limit_is_met_to_the_byte(sent, holds):
    assert _answer_is_three_times(sent).holds == holds


@pytest.mark.parametrize(("repeated", "holds"), [(0.0, True), (0.05, False), (-0.05, False)])
def test_another_time_until_the_first_packet_is_repeated_breaks_its_check(repeated, holds):
    lost = {(n, rtt): wait + repeated + SETUPS[n].first_frame(rtt) for n, wait in REPEATED.items() for rtt in LOST_RTTS}
    assert _lost_first_flight(lost).holds == holds
    assert not _lost_early_data(lost).holds  # here it would arrive before that of 1-RTT


@pytest.mark.parametrize(("late", "holds"), [(1.0, True), (1.3, True), (0.9, False), (2.0, False)])
def test_a_keyframe_beyond_the_window_costs_one_round_trip(late, holds):
    sizes = dict(zip(BITRATES, (600, 6_000, 12_000, 24_000, 48_000), strict=True))
    large = {(name, b): 0.1 * (1 + late * (sizes[b] > 14_520)) for name in SETUPS for b in BITRATES}
    assert _large_keyframe(large, sizes).holds == holds
    assert not _large_keyframe(large, dict.fromkeys(BITRATES, 600)).holds  # nothing to judge by
    assert not _no_window_no_wait(large).holds
