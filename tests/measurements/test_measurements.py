"""No change of structure changes a measurement: every instant and fate is what it was when it was recorded.

A change that is meant to change them records them anew, and says so: `python tests/measurements/recorder.py --record`.
"""

import importlib.util
import sys
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest

from glassbench.experiments.scenario.shipped import SCENARIOS


def _load_recorder() -> ModuleType:
    spec = importlib.util.spec_from_file_location("measurements_recorder", Path(__file__).with_name("recorder.py"))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


recorder = _load_recorder()


# The arms with one seed, and a few points: all of them take minutes, and `recorder.py` compares them.
@pytest.mark.parametrize("name", SCENARIOS)
def test_an_arm_of_a_shipped_scenario_measures_what_was_recorded(name: str) -> None:
    assert_as_recorded([arms_of(name)[first_of(name)]])


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "name", [pytest.param(each, marks=[pytest.mark.lengthy] * (each in ("adaptive", "default"))) for each in SCENARIOS]
)
def test_every_other_arm_of_a_shipped_scenario_measures_what_was_recorded(name: str) -> None:
    arms = arms_of(name)
    del arms[first_of(name)]
    assert_as_recorded(arms)


@pytest.mark.long
@pytest.mark.parametrize("name", recorder.RECORDED_EXPERIMENTS)
def test_points_of_an_experiment_measure_what_was_recorded(name: str) -> None:
    assert_as_recorded(list(recorder.catalog(name))[::64])


def test_what_is_recorded_is_all_that_there_is() -> None:
    assert {item.name for item in recorder.everything()} == recorder.recorded()["measured"].keys()


def test_a_digest_covers_every_instant_and_every_fate() -> None:
    ledger = pd.DataFrame({name: [1.0, 2.0, np.nan] for name in recorder.NUMBERS} | {"fate": ["displayed"] * 3})
    digests = {recorder.digest(ledger)}
    for name in recorder.NUMBERS:
        digests.add(recorder.digest(ledger.assign(**{name: [1.0, np.nextafter(2.0, 3.0), np.nan]})))
    digests.add(recorder.digest(ledger.assign(fate=["displayed", "late", "displayed"])))
    assert len(digests) == len(recorder.NUMBERS) + 2


def arms_of(name: str) -> list[Any]:
    """What is recorded of a shipped scenario with one of its seeds, another for each scenario."""
    seed = recorder.scenarios.shipped(name).seed + list(SCENARIOS).index(name) % recorder.SEEDS
    return [item for item in recorder.shipped(name) if item.scenario.seed == seed]


def first_of(name: str) -> int:
    """Which of its arms is measured without the others: another one for each scenario."""
    return list(SCENARIOS).index(name) % len(arms_of(name))


def assert_as_recorded(items: list[Any]) -> None:
    assert items, "nothing to compare"
    recorded = recorder.recorded()
    alike = {name for name, digest in _machine().items() if recorded["machine"].get(name) == digest}
    items = [item for item in items if {"numbers", item.scenario.video.codec} <= alike]
    if not items:
        pytest.skip(f"this processor, or this build of a library, gives other bytes; alike are only {sorted(alike)}")
    measured = {item.name: recorder.measure(item) for item in items}
    assert measured == {name: recorded["measured"][name] for name in measured}


@cache
def _machine() -> dict[str, str]:
    digests: dict[str, str] = recorder.machine()
    return digests
