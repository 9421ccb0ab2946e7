"""Checks of fairness on made-up runs: they hold where they should, and fail where they have to."""

from dataclasses import replace

import numpy as np
import pytest

from glassbench.experiments.catalog import EXPERIMENTS, fairness
from glassbench.experiments.catalog.fairness import CONTROLS, SEEDS, STARTS, SharedLink, second_start
from glassbench.experiments.worlds.reuse import Reuse
from glassbench.experiments.worlds.virtual import run_arm
from glassbench.receiver.quality import QualityMemo
from glassbench.sender.encode_cache import EncodeCache

WINDOWS = 600


def shared(control: str, seed: int) -> SharedLink:
    rates = {"media": np.full(WINDOWS, 11e6), "later": np.full(WINDOWS, 9e6)}
    return SharedLink(control, seed, second_start(seed), 0.99, 0.97, 0.03, rates, 0)


@pytest.fixture
def table() -> list[SharedLink]:
    return [shared(control, seed) for control in CONTROLS for seed in SEEDS]


def test_a_cell_for_each_controller_and_seed_whose_second_flow_starts_by_the_seed() -> None:
    (plan,) = EXPERIMENTS["fairness-v1"].plans()
    assert len(plan.cells) == len(CONTROLS) * len(SEEDS) == 20
    starts = {seed: second_start(seed) for seed in SEEDS}
    assert len(set(starts.values())) == len(SEEDS) and all(STARTS[0] <= at <= STARTS[1] for at in starts.values())
    for cell in plan.cells:
        media, later = cell.scenario.flows(cell.scenario.arms[0])
        assert media.arm.options == later.arm.options == (("control", cell.axes["control"]),)
        assert media.greedy and later.greedy and later.start == starts[cell.scenario.seed]
        assert cell.scenario.network.queue.bytes == fairness.BDP  # type: ignore[union-attr]  # it has a queue, since it has a rate


STARVED = {"media": np.full(WINDOWS, 19e6), "later": np.full(WINDOWS, 1e6)}
FAULTS = {
    fairness._equal_rates: {"jain": 0.9},
    fairness._the_link_is_used: {"utilisation": 0.85},
    fairness._no_flow_is_starved: {"rates": STARVED},
    fairness._the_queue_is_within_its_limit: {"queue": 0.05},
    fairness._no_packet_is_unaccounted: {"unaccounted": 1},
}


@pytest.mark.parametrize("check", FAULTS)
def test_what_is_claimed_holds_and_a_controller_that_does_otherwise_breaks_it(check, table) -> None:
    assert check(table).holds
    other = [replace(one, **FAULTS[check]) if one.control == "reno" else one for one in table]
    assert not check(other).holds


def test_two_seconds_of_it_run_and_are_accounted_for() -> None:
    """The whole run takes a minute of media; `test_documents` has what came out of it."""
    cell = fairness._cell("cubic", 1)
    plan = cell.scenario.model_copy(update={"duration": 4.0})
    result = run_arm(plan, plan.arms[0], Reuse(EncodeCache(None), QualityMemo()), quality=False)
    assert result.outcome == "measured" and result.summary["utilisation"] > 0.9
    assert 0.5 <= result.summary["jain"] <= 1 and result.summary["queue_p50_ms"] <= 40.1
