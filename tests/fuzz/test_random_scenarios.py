"""Random scenarios hold what all must hold; `benchmarks/random_scenarios.py` judges ten thousand of them."""

import runpy
from pathlib import Path

import pytest

FUZZ = runpy.run_path(str(Path(__file__).parents[2] / "benchmarks" / "random_scenarios.py"))
SEED = 7


@pytest.mark.parametrize("index", range(60))
def test_a_random_scenario_adds_up_and_explains_itself(index: int) -> None:
    findings = FUZZ["judge"](FUZZ["draw"](SEED, index))
    assert not findings, f"python benchmarks/random_scenarios.py --seed {SEED} --only {index}"


def test_a_drawn_scenario_is_the_same_again() -> None:
    assert FUZZ["draw"](SEED, 3) == FUZZ["draw"](SEED, 3) != FUZZ["draw"](SEED, 4)
