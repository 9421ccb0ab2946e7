"""Experiments: scenarios, the runner, the ledger and its metrics, results, plots, and the `glass` command.

In a notebook: `import experiments`, then `experiments.compare(...)`, `experiments.run(scenario)` and
`experiments.load(folder)` for one run; `experiments.repeat(scenario, 20)`, `experiments.run_plan(...)` of an
`experiments.grid(...)`, and `experiments.load_dataset(folder)` for many. They are looked up on first use, so that
importing a part does not import everything.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from experiments.engine.plan import grid
    from experiments.engine.plan_run import run_plan
    from experiments.engine.repeat import repeat
    from experiments.engine.runner import Interrupted, compare, run
    from experiments.results import Run, load
    from experiments.results.dataset import Dataset, load_dataset
    from experiments.results.evidence import evidence
    from experiments.results.files import ResultsError
    from experiments.scenario import Scenario, ScenarioError

_HOMES = {
    "Dataset": "results.dataset",
    "Interrupted": "engine.runner",
    "ResultsError": "results.files",
    "Run": "results",
    "Scenario": "scenario",
    "ScenarioError": "scenario",
    "compare": "engine.runner",
    "evidence": "results.evidence",
    "grid": "engine.plan",
    "load": "results",
    "load_dataset": "results.dataset",
    "repeat": "engine.repeat",
    "run": "engine.runner",
    "run_plan": "engine.plan_run",
}

__all__ = [
    "Dataset",
    "Interrupted",
    "ResultsError",
    "Run",
    "Scenario",
    "ScenarioError",
    "compare",
    "evidence",
    "grid",
    "load",
    "load_dataset",
    "repeat",
    "run",
    "run_plan",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
