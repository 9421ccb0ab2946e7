"""Glassbench: which transport puts a video frame on the screen soonest, on this network?

    import glassbench

    data = glassbench.compare(trace="lte-driving", arms=["rtp", "quic-datagram"], duration="10s")
    data.summary                                 # pandas: a row per arm
    data.figures()["latency-cdf"]                # matplotlib

`compare`, `run`, and `run_plan` of a `grid` give a dataset, and `load` opens the one in a folder. What is named here
stays; all else may move. Names are looked up on first use, so that importing a part does not import everything.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from glassbench.experiments.engine.plan import grid
    from glassbench.experiments.engine.plan_run import Interrupted, run_plan
    from glassbench.experiments.engine.runner import compare, run
    from glassbench.experiments.results.dataset import Dataset, load
    from glassbench.experiments.results.evidence import evidence
    from glassbench.experiments.results.files import ResultsError
    from glassbench.experiments.results.run import Run
    from glassbench.experiments.scenario import Scenario, ScenarioError

_HOMES = {
    "Dataset": "results.dataset",
    "Interrupted": "engine.plan_run",
    "ResultsError": "results.files",
    "Run": "results.run",
    "Scenario": "scenario",
    "ScenarioError": "scenario",
    "compare": "engine.runner",
    "evidence": "results.evidence",
    "grid": "engine.plan",
    "load": "results.dataset",
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
    "run",
    "run_plan",
]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"{__name__}.experiments.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
