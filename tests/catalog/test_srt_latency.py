"""The closed forms of the SRT latency surface."""

import dataclasses

import pytest

from glassbench.experiments.catalog.srt_latency import (
    EXPERIMENT,
    LOSSES,
    MULTIPLIERS,
    RTTS,
    SurfacePoint,
    _between_the_bounds,
    _nothing_is_repaired_within_a_round_trip,
    least_repairs,
    most_repairs,
    overhead,
    surface,
)
from glassbench.experiments.engine.plan_run import run_plan


def test_no_repair_fits_into_less_than_a_round_trip():
    assert most_repairs(0.9) == least_repairs(0.9, 0.1) == 0


def test_the_first_repair_needs_one_round_trip_and_the_next_a_nak_interval_more():
    """Up to 10 ms pass until libsrt looks at its timers, so a round is RTT + RTT / 2 + 10 ms."""
    assert [least_repairs(m, 0.1) for m in (1.0, 2.5, 2.6, 4.1, 4.2)] == [1, 1, 2, 2, 3]


def test_below_a_round_trip_of_40_ms_the_nak_interval_is_20_ms():
    assert least_repairs(3.4, 0.02) == 1
    assert least_repairs(3.5, 0.02) == 2


@pytest.mark.parametrize("rtt", RTTS)
@pytest.mark.parametrize("multiplier", MULTIPLIERS)
def test_the_worst_case_is_never_better_than_the_best(rtt, multiplier):
    assert least_repairs(multiplier, rtt) <= most_repairs(multiplier)


def test_overhead_of_many_repairs_is_that_of_the_geometric_series():
    assert overhead(0.1, 50) == pytest.approx(0.1 / 0.9)
    assert overhead(0.1, 1) == 0.1


def test_the_plan_has_a_cell_per_point_of_the_surface():
    (plan,) = EXPERIMENT.plans()
    assert len(plan.cells) == len(RTTS) * len(MULTIPLIERS) * len(LOSSES)
    assert plan.cells[0].scenario.arms[0].options == (("latency_ms", 18),)


def test_the_surface_is_read_from_the_counters_of_both_ends(tmp_path):
    (plan,) = EXPERIMENT.plans()
    chosen = [cell for cell in plan.cells if cell.axes["rtt"] == 0.1 and cell.axes["loss"] == 0.1][::6]
    cells = tuple(
        dataclasses.replace(cell, scenario=cell.scenario.model_copy(update={"duration": 4.0})) for cell in chosen
    )
    data = run_plan(dataclasses.replace(plan, cells=cells), tmp_path / "surface", workers=1)
    short, long = surface(data)
    assert (short.multiplier, long.multiplier) == (0.9, 6.0)
    assert short.packets > 500
    assert short.residual > 0.05 > long.residual == 0
    assert 0.05 < long.resent < 0.3
    assert long.p50_ms == pytest.approx(50 + 600)


def test_the_bounds_hold_for_what_they_allow_and_break_for_what_no_request_could_do_or_nothing_repaired():
    best = [_point(m, loss ** (most_repairs(m) + 1)) for m in MULTIPLIERS for loss in (0.1,)]
    worst = [_point(m, 0.1 ** (least_repairs(m, 0.1) + 1)) for m in MULTIPLIERS]
    assert _between_the_bounds(best).holds
    assert _between_the_bounds(worst).holds
    assert not _between_the_bounds([*best, _point(6.0, 0.1)]).holds
    assert not _between_the_bounds([*best, _point(0.9, 0.01)]).holds


def test_residual_loss_below_that_of_the_path_breaks_the_check_of_a_latency_without_repair():
    assert _nothing_is_repaired_within_a_round_trip([_point(0.9, 0.103)]).holds
    assert not _nothing_is_repaired_within_a_round_trip([_point(0.9, 0.05)]).holds


def _point(multiplier: float, residual: float) -> SurfacePoint:
    return SurfacePoint(0.1, multiplier, 0.1, 10_000, residual, 0.1, 50 + 100 * multiplier, 50 + 100 * multiplier)
