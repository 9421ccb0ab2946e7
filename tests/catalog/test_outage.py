"""Recovery after outages: probes as a closed form, and checks on made-up recoveries that have to fail."""

from dataclasses import replace

import pytest

from glassbench.experiments.catalog import EXPERIMENTS, outage
from glassbench.experiments.catalog.outage import (
    ARMS,
    HANDOVER_ARMS,
    HANDOVER_SEEDS,
    OUTAGES,
    RTT,
    SRT_LIFETIME,
    Handover,
    Recovery,
    probe_times,
)

PTO = 0.09


def recovery(arm: str, seconds: float) -> Recovery:
    arrival, fresh, complete = 0.05, 0.1, 0.9
    if arm == "stock reno":
        probe = next(at for at in probe_times(PTO, 20) if at >= seconds)
        arrival = probe - seconds + RTT / 2
        fresh = arrival + 0.3
    elif arm == "srt":
        fresh = 0.5 if seconds > SRT_LIFETIME else 0.15
        complete = 1.0 if seconds <= 1 else 0.6
    return Recovery(arm, seconds, arrival, fresh, 0.0, complete)


@pytest.fixture
def table() -> list[Recovery]:
    return [recovery(arm, seconds) for arm in ARMS for seconds in OUTAGES]


def test_probes_come_after_one_three_and_seven_ptos() -> None:
    assert probe_times(0.1, 3) == pytest.approx([0.1, 0.3, 0.7])


def test_a_cell_for_each_arm_and_length_and_drive() -> None:
    gone, handover = EXPERIMENTS["outage-v1"].plans()
    assert len(gone.cells) == len(ARMS) * len(OUTAGES)
    assert len(handover.cells) == len(HANDOVER_ARMS) * len(HANDOVER_SEEDS)
    assert gone.frames and handover.frames


def test_the_pto_is_found_from_a_recovery() -> None:
    assert outage._pto(recovery("stock reno", 4.0)) == pytest.approx(PTO)


CHECKS = {
    outage._stock_probes_back_off: ("stock reno", {"arrival": 0.9}),
    outage._stock_recovery_is_bounded: ("stock reno", {"arrival": 4.5}),
    outage._our_probes: ("ours, stream", {"arrival": 0.4}),
    outage._ours_is_sooner_after_long_outages: ("ours, datagrams", {"fresh": 3.0}),
    outage._srt_repairs_what_it_kept: ("srt", {"complete": 0.99}),
    outage._no_state_no_wait: ("udp", {"arrival": 0.2}),
}


@pytest.mark.parametrize("check", CHECKS)
def test_recoveries_by_the_closed_forms_hold(check, table) -> None:
    assert check(table).holds


@pytest.mark.parametrize("check", CHECKS)
def test_an_arm_that_recovers_otherwise_breaks_its_check(check, table) -> None:
    arm, changed = CHECKS[check]
    assert not check([replace(row, **changed) if row.arm == arm else row for row in table]).holds


def test_srt_that_recovers_later_from_longer_outages_breaks_its_check(table) -> None:
    assert outage._srt_forgets(table).holds
    assert not outage._srt_forgets([replace(row, fresh=row.outage) for row in table]).holds


def test_a_handover_that_nobody_notices_breaks_its_check() -> None:
    rows = [Handover(arm, 0.14, 0.03) for arm in HANDOVER_ARMS]
    assert outage._handover_spikes(rows).holds
    assert not outage._handover_spikes([*rows[1:], replace(rows[0], near=0.03)]).holds
