"""Latency budgets: what a scenario must keep, absolutely or against a baseline, and which stage ate it if it does not.

budgets = load_budgets("budgets.toml")
report = check(budgets, measure(budgets, Path("results")), baseline=None)
"""

from experiments.budgets.check import Report, Verdict, check
from experiments.budgets.measure import Measured, measure
from experiments.budgets.spec import Budget, BudgetError, Budgets, Target, load_budgets, single_budget

__all__ = [
    "Budget",
    "BudgetError",
    "Budgets",
    "Measured",
    "Report",
    "Target",
    "Verdict",
    "check",
    "load_budgets",
    "measure",
    "single_budget",
]
