"""Scenarios: a scenario is all that decides a run. `spec.py` has the scenario itself, the other files its parts."""

from glassbench.experiments.scenario.spec import Scenario, ScenarioError, build, build_network, load, parse, shipped

__all__ = ["Scenario", "ScenarioError", "build", "build_network", "load", "parse", "shipped"]
