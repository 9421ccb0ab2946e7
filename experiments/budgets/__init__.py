"""Latency budgets: what a scenario must keep, absolutely or against a baseline, and which stage ate it if it does not.

budgets = load_budgets("budgets.toml")
report = check(budgets, measure(budgets, Path("results")), baseline=None)
"""
