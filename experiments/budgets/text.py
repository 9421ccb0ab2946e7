"""Budgets and their verdicts in words, for every kind of report."""

import math

from glassbench.experiments.account.metric_table import Metric
from glassbench.experiments.budgets.check import BudgetReport, Verdict
from glassbench.experiments.budgets.judge import Margin
from glassbench.experiments.budgets.spec import Budgets
from glassbench.experiments.scenario.title import title


def quantity(metric: Metric, value: float) -> str:
    """A value of a metric with its unit; of a share as many digits as limits have."""
    return f"{value:.2%}" if metric.unit == "share" else metric.with_unit(value)


def distance(metric: Metric, margin: Margin, *, brackets: bool = True) -> str:
    """By how much a limit is kept or broken; `brackets` stand around the percentage, or a comma before it."""
    beyond = margin.excess > 0 if margin.kept else True
    if math.isinf(margin.excess):
        amount = "∞"
    elif metric.unit == "ms":
        amount = f"{abs(margin.excess):.3f}".rstrip("0").rstrip(".") + " ms"
    elif metric.unit == "share":
        amount = f"{100 * abs(margin.excess):.2f} points"
    elif metric.unit == "count":
        amount = f"{abs(margin.excess):.0f}"
    else:
        amount = f"{abs(margin.excess):.3f}"
    if not beyond:
        return f"{amount} left"
    share = ""
    if 0 < margin.bound < math.inf and math.isfinite(margin.excess) and metric.unit != "share":
        percent = f"{margin.excess / margin.bound:.1%}"
        share = f" ({percent})" if brackets else f", {percent}"
    return f"{amount} {'over' if metric.lower_is_better else 'short'}{share}"


def limit_text(verdict: Verdict) -> str:
    """The limit as it stands in the file, and what it comes to against the baseline."""
    limit, margin = verdict.budget.limit, verdict.margin
    if margin is None or margin.reference is None:
        return str(limit)
    metric = verdict.budget.metric
    return f"{limit} on {quantity(metric, margin.reference)}"


def explanation(verdict: Verdict) -> str:
    """Which stage ate it, or what else has to be said."""
    if verdict.margin is None:
        return verdict.problem
    return "; ".join(filter(None, (verdict.blame.sentence if verdict.blame else "", verdict.margin.note)))


def sentence(verdict: Verdict) -> str:
    """A verdict as one sentence."""
    budget, margin = verdict.budget, verdict.margin
    if margin is None:
        return f"{budget}: {verdict.problem}"
    measured = f"{budget.target}: {budget.metric.name} {quantity(budget.metric, margin.value)}"
    does = "keeps" if verdict.kept else "breaks"
    said = f"{measured} {does} {limit_text(verdict)} ({distance(budget.metric, margin, brackets=False)})"
    return f"{said}: {why}" if (why := explanation(verdict)) else said


def subjects(budgets: Budgets) -> list[str]:
    """What each scenario of the file is about, by its name in the file."""
    scenarios = {target.name: target.scenario for target in budgets.targets}
    return [f"{name}: {title(scenario)}" for name, scenario in scenarios.items()]


def answer(report: BudgetReport) -> str:
    """The whole report in one sentence."""
    count = len(report.verdicts)
    if report.kept:
        return f"All {count} budgets are kept." if count > 1 else "The budget is kept."
    return f"{len(report.broken)} of {count} budgets {'is' if len(report.broken) == 1 else 'are'} broken."


def word(verdict: Verdict) -> str:
    """The verdict in a word or two."""
    if verdict.margin is None:
        return "not measured"
    return "kept" if verdict.kept else "broken"
