"""Closed forms of repair, and checks on made-up points that have to fail."""

from dataclasses import replace

import numpy as np
import pytest

from glassbench.experiments.catalog import EXPERIMENTS, repair
from glassbench.experiments.catalog.repair import (
    DEADLINES,
    DETECTION,
    LOSS,
    RTTS,
    ArmWithRepair,
    first_repair,
    least_repairs,
    most_repairs,
)

FRAMES = 2900


def point(arm: str, rtt: float, at: float) -> ArmWithRepair:
    """Lost frames come by the first repair, if that is in time. The share of p^2 is lost twice."""
    late = np.full(FRAMES, rtt / 2)
    lost, again = round(LOSS * FRAMES), round(LOSS**2 * FRAMES)
    late[:lost] = first_repair(arm, rtt)
    late[:again] = np.inf if least_repairs(arm, rtt, at) < 2 else first_repair(arm, rtt) + rtt
    return ArmWithRepair(arm, rtt, at, late, LOSS, lost)


@pytest.fixture
def table() -> list[ArmWithRepair]:
    return [point(arm, rtt, at) for rtt in RTTS for at in DEADLINES for arm in DETECTION]


@pytest.mark.parametrize("arm", DETECTION)
def test_the_first_repair_takes_one_and_a_half_round_trips_and_the_detection(arm: str) -> None:
    assert first_repair(arm, 0.1) == pytest.approx(0.15 + DETECTION[arm])


@pytest.mark.parametrize("arm", DETECTION)
def test_a_repair_more_fits_each_round_trip_after_the_first(arm: str) -> None:
    first = first_repair(arm, 0.1)
    assert [most_repairs(arm, 0.1, first + late) for late in (-1e-6, 0.0, 0.0999, 0.1, 0.35)] == [0, 1, 1, 2, 4]


@pytest.mark.parametrize("arm", DETECTION)
@pytest.mark.parametrize("rtt", RTTS)
def test_the_worst_case_is_never_better_than_the_best(arm: str, rtt: float) -> None:
    for at in np.linspace(0.01, 1, 200):
        assert least_repairs(arm, rtt, float(at)) <= most_repairs(arm, rtt, float(at))


def test_a_cell_for_each_point_and_frames_are_kept() -> None:
    (plan,) = EXPERIMENTS["repair-v1"].plans()
    assert len(plan.cells) == len(RTTS) * len(DEADLINES) * len(DETECTION)
    assert plan.frames


def test_missed_are_frames_that_came_late_or_never() -> None:
    late = np.array([0.1, 0.2, np.inf, 0.05])
    assert ArmWithRepair("rtp", 0.1, 0.15, late, 0.0, 0).missed == 0.5


def test_repair_in_its_time_holds_and_five_milliseconds_later_does_not(table: list[ArmWithRepair]) -> None:
    assert repair._first_repair_takes_its_time(table).holds
    later = [replace(p, late=np.where(p.late > p.rtt / 2 + 1e-3, p.late + 5e-3, p.late)) for p in table]
    assert not repair._first_repair_takes_its_time(later).holds


def test_a_repair_where_there_is_no_time_for_one_breaks_its_check(table: list[ArmWithRepair]) -> None:
    assert repair._none_before(table).holds
    magic = [replace(p, late=np.full(FRAMES, p.rtt / 2)) for p in table]
    assert not repair._none_before(magic).holds


def test_residual_loss_outside_of_its_bounds_is_named(table: list[ArmWithRepair]) -> None:
    broken = [replace(p, late=np.where(p.late > p.rtt / 2 + 1e-3, np.inf, p.late)) for p in table]  # nothing repaired
    check = repair._between_the_bounds(broken)
    assert not check.holds
    assert "outside: " in check.measured
    assert not repair._one_repair(broken).holds
    assert repair._none_before(broken).holds


def test_a_longer_deadline_that_loses_more_breaks_its_check(table: list[ArmWithRepair]) -> None:
    turned = [replace(p, late=point(p.arm, p.rtt, min(DEADLINES)).late, deadline=p.deadline) for p in table]
    turned = [replace(p, late=np.full(FRAMES, np.inf)) if p.deadline == DEADLINES[-1] else p for p in turned]
    assert not repair._more_time_less_loss(turned).holds
