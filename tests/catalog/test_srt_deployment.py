"""Checks of the deployment table on made-up runs: they hold where they should, and fail where they have to."""

from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from glassbench.experiments.catalog import EXPERIMENTS, srt_deployment
from glassbench.experiments.catalog.carry_out import carry_out
from glassbench.experiments.catalog.experiment import Check
from glassbench.experiments.catalog.srt_deployment import AS_TOLD, LESS, SEEDS, STACKS
from glassbench.experiments.catalog.srt_latency import RECOMMENDED
from glassbench.experiments.worlds.table import VIRTUAL

CAPTURED = 300


def made_up(missed: dict[tuple[str, str], int], *, without: tuple[str, ...] = ()) -> list[Check]:
    """The checks of runs that missed so many frames each, by stack and latency."""
    rows = [
        {
            "arm": stack,
            "seed": seed,
            "outcome": "unsupported" if stack in without else "measured",
            "axis.loss": loss,
            "axis.latency": latency,
            "captured": 0 if stack in without else CAPTURED,
            "displayed": 0 if stack in without else CAPTURED - missed.get((stack, latency), 0),
        }
        for stack in STACKS
        for loss in RECOMMENDED
        for latency in (AS_TOLD, LESS)
        for seed in SEEDS
    ]
    return srt_deployment._checks({"srt-deployment": SimpleNamespace(summary=pd.DataFrame(rows))})  # type: ignore[dict-item]


def test_each_stack_loss_and_latency_has_a_cell_for_each_seed_with_the_latency_of_the_table() -> None:
    (plan,) = EXPERIMENTS["srt-deployment-v1"].plans()
    assert len(plan.cells) == len(STACKS) * len(RECOMMENDED) * 2 * len(SEEDS) == 160
    latencies = {
        (cell.axes["loss"], cell.axes["latency"]): dict(cell.scenario.arms[0].options)["latency_ms"]
        for cell in plan.cells
    }
    assert latencies[0.01, AS_TOLD] == 300 and latencies[0.1, AS_TOLD] == 600 and latencies[0.1, LESS] == 500


def test_what_is_claimed_holds_and_breaks_for_the_stack_that_does_otherwise() -> None:
    less = {(stack, LESS): 3 for stack in STACKS}
    assert all(check.holds for check in made_up(less))
    broken = made_up(less | {("libsrt", AS_TOLD): 1})
    assert [check.holds for check in broken] == [False, True, True, True]
    assert [check.holds for check in made_up({("srt", LESS): 3})] == [True, False, True, True]


def test_a_stack_that_is_not_here_proves_nothing() -> None:
    assert [check.holds for check in made_up({("srt", LESS): 3}, without=("libsrt",))] == [False, False, True, True]


def test_it_is_refused_in_virtual_time_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"srt-deployment-v1 measures stacks of others, .* real time only: --live"):
        carry_out(EXPERIMENTS["srt-deployment-v1"], tmp_path, world=VIRTUAL)
