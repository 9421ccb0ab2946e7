"""Checks of the six senders on made-up windows, where they run, and what a trace of one's own gives."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from glassbench.experiments.catalog import adaptive, named
from glassbench.experiments.catalog.adaptive import CERTAIN, OTHERS, OURS, WINDOWS, Windows
from glassbench.experiments.catalog.carry_out import carry_out
from glassbench.netem.traces.generators import GENERATORS


def windows(arm: str, *, delay: float, ssim: float = 0.95, count: int = WINDOWS) -> Windows:
    spread = np.linspace(1, 3, count)
    return Windows(
        "lte-driving", arm, delay * spread, delay * spread, 0.05 * spread, np.full(count, 4.0), np.full(count, ssim)
    )


@pytest.fixture
def table() -> list[Windows]:
    return [windows(OURS, delay=0.1), *(windows(arm, delay=0.2) for arm in OTHERS)]


@pytest.mark.long
def test_each_trace_that_ships_has_a_plan_in_which_the_senders_meet_the_same_windows() -> None:
    plans = {str(plan.cells[0].axes["trace"]): plan for plan in named("adaptive").plans()}
    assert list(plans) == list(GENERATORS)
    for name, plan in plans.items():
        seeds = {arm: [cell.scenario.seed for cell in plan.cells if cell.arm == arm] for arm in (OURS, *OTHERS)}
        assert all(each == list(range(1, 2 if name in CERTAIN else WINDOWS + 1)) for each in seeds.values())
        assert all(flow.follows for cell in plan.cells for flow in cell.scenario.flows(cell.scenario.arms[0]))


def test_a_recording_is_met_in_windows_spread_evenly_over_it(tmp_path: Path) -> None:
    trace = tmp_path / "Drive.down"
    trace.write_text("".join(f"{at}\n" for at in range(1, 120_001, 4)))
    (plan,) = adaptive._replays(str(trace))
    starts = sorted({cell.scenario.network.trace_start for cell in plan.cells})
    assert plan.name == "drive-lognormal" and starts[0] == 0 and starts[-1] == pytest.approx(108, abs=0.01)
    assert np.allclose(np.diff(starts), 12, atol=0.01)  # disjoint: each is 12 s long


def test_a_sender_that_is_later_in_every_window_is_told_and_one_that_is_not_is_named(table) -> None:
    assert adaptive._sooner(table, "signal").holds
    alike = [*table[:-1], windows(OTHERS[-1], delay=0.1)]
    check = adaptive._sooner(alike, "signal")
    assert not check.holds and f"not told from {OTHERS[-1]}" in check.measured


def test_a_network_without_chance_is_judged_by_its_one_run() -> None:
    table = [windows(OURS, delay=0.1, count=1), *(windows(arm, delay=0.2, count=1) for arm in OTHERS)]
    assert adaptive._sooner(table, "signal").holds
    assert not adaptive._sooner([windows(OURS, delay=0.3, count=1), *table[1:]], "signal").holds


def test_pictures_that_are_worse_and_a_bound_that_is_far_break_their_claims(table) -> None:
    assert adaptive._as_good(table).holds and adaptive._near_the_bound(table).holds
    assert not adaptive._as_good([replace(table[0], ssim=table[0].ssim - 0.02), *table[1:]]).holds
    assert not adaptive._near_the_bound([windows(OURS, delay=0.2), *table[1:]]).holds


def test_two_seconds_of_two_windows_run_are_checked_and_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adaptive, "SECONDS", 2.0)
    monkeypatch.setattr(adaptive, "WINDOWS", 2)
    experiment = named("adaptive")
    outcome = carry_out(experiment, tmp_path, workers=1, replaying={"trace": "lte-driving", "source": "lognormal"})
    table = adaptive.windows_of(outcome.datasets["lte-driving-lognormal"])
    assert [each.arm for each in table] == [OURS, *OTHERS] and all(len(each.signal) == 2 for each in table)
    assert not table[0].has_pictures and (table[0].bound > 0).all()
    assert len(outcome.checks) == 2
    assert len(experiment.figure(outcome.datasets).axes) == 1
