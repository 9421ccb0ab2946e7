"""Experiments: scenarios, the runner, the ledger and its metrics, results, plots, and the `glass` command.

In a notebook: `import experiments`, then `experiments.compare(...)`, `experiments.run(scenario)` or
`experiments.load(folder)`. They are looked up on first use, so that importing a part does not import everything.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from experiments.engine.runner import Interrupted, compare, run
    from experiments.results import Run, load
    from experiments.results.files import ResultsError
    from experiments.scenario import Scenario, ScenarioError

_HOMES = {
    "Interrupted": "engine.runner",
    "ResultsError": "results.files",
    "Run": "results",
    "Scenario": "scenario",
    "ScenarioError": "scenario",
    "compare": "engine.runner",
    "load": "results",
    "run": "engine.runner",
}

__all__ = ["Interrupted", "ResultsError", "Run", "Scenario", "ScenarioError", "compare", "load", "run"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
