"""The response functions that congestion control is compared with."""

import pytest

from glassbench.experiments.catalog.congestion_control import (
    EXPERIMENT,
    LOSSES,
    RTT,
    ArmUnderLoss,
    _cubic_is_reno_friendly,
    _reno_follows_mathis,
    average_window,
    cubic_window,
    rate_mbps,
)


@pytest.mark.parametrize(("loss", "reno"), [(1e-2, 12), (1e-3, 38), (1e-4, 120), (1e-5, 379), (1e-6, 1200)])
def test_reno_has_the_windows_of_table_1_of_rfc_9438(loss, reno):
    # The table computes with 1.2 / sqrt(p), rounded from sqrt(3 / 2) = 1.22.
    assert average_window(loss) == pytest.approx(reno, rel=0.03)


@pytest.mark.parametrize(("loss", "cubic"), [(1e-4, 187), (1e-5, 1054), (1e-6, 5926), (1e-7, 33325)])
def test_cubic_has_the_windows_of_table_1_of_rfc_9438(loss, cubic):
    assert cubic_window(loss, 0.1) == pytest.approx(cubic, rel=0.01)


def test_cubic_is_reno_where_reno_is_larger():
    assert cubic_window(1e-2, 0.1) == average_window(1e-2)


def test_the_increase_of_rfc_9438_gives_cubic_the_window_of_reno():
    assert average_window(0.01, increase=3 * 0.3 / 1.7, decrease=0.7) == pytest.approx(average_window(0.01))


def test_a_window_a_round_trip():
    assert rate_mbps(10, 0.1) == pytest.approx(10 * 1200 * 8 / 0.1 / 1e6)


def test_every_loss_model_and_arm_is_a_cell_of_its_own():
    (plan,) = EXPERIMENT.plans()
    assert {cell.axes["model"] for cell in plan.cells} == {"independent", "bursts", "episodes"}
    assert {cell.axes["control"] for cell in plan.cells} == {"reno", "cubic", "realtime"}


def test_rates_of_the_formula_hold_and_rates_a_quarter_off_do_not():
    assert _reno_follows_mathis(_rates("reno", 1.0)).holds
    assert not _reno_follows_mathis(_rates("reno", 1.25)).holds
    assert not _reno_follows_mathis(_rates("reno", 0.75)).holds


def test_cubic_is_compared_with_the_reno_of_the_same_path():
    assert _cubic_is_reno_friendly(_rates("reno", 0.8) + _rates("cubic", 0.8)).holds
    assert not _cubic_is_reno_friendly(_rates("reno", 1.0) + _rates("cubic", 1.2)).holds


def _rates(arm: str, factor: float) -> list[ArmUnderLoss]:
    return [
        ArmUnderLoss(arm, "independent", loss, RTT, factor * rate_mbps(average_window(loss), RTT), 1.0)
        for loss in LOSSES
    ]
