"""Budgets and their verdicts in words, for every kind of report."""

import math

from glassbench.experiments.account.metric_table import Metric
from glassbench.experiments.budgets.check import BudgetReport, Verdict
from glassbench.experiments.budgets.judge import Judgement
from glassbench.experiments.budgets.spec import Budgets
from glassbench.experiments.scenario.title import title


def quantity(metric: Metric, value: float) -> str:
    """A value of a metric with its unit; of a share as many digits as limits have."""
    return f"{value:.2%}" if metric.unit == "share" else metric.with_unit(value)


def distance(metric: Metric, judgement: Judgement, *, brackets: bool = True) -> str:
    """By how much a limit is kept or broken; `brackets` stand around the percentage, or a comma before it."""
    beyond = judgement.excess > 0 if judgement.kept else True
    if math.isinf(judgement.excess):
        amount = "∞"
    elif metric.unit == "ms":
        amount = f"{abs(judgement.excess):.3f}".rstrip("0").rstrip(".") + " ms"
    elif metric.unit == "share":
        amount = f"{100 * abs(judgement.excess):.2f} points"
    elif metric.unit == "count":
        amount = f"{abs(judgement.excess):.0f}"
    else:
        amount = f"{abs(judgement.excess):.3f}"
    if not beyond:
        return f"{amount} left"
    share = ""
    if 0 < judgement.bound < math.inf and math.isfinite(judgement.excess) and metric.unit != "share":
        percent = f"{judgement.excess / judgement.bound:.1%}"
        share = f" ({percent})" if brackets else f", {percent}"
    return f"{amount} {'over' if metric.lower_is_better else 'short'}{share}"


def limit_text(verdict: Verdict) -> str:
    """The limit as it stands in the file, and what it comes to against the baseline."""
    limit, judgement = verdict.budget.limit, verdict.judgement
    if judgement is None or judgement.reference is None:
        return str(limit)
    metric = verdict.budget.metric
    return f"{limit} on {quantity(metric, judgement.reference)}"


def explanation(verdict: Verdict) -> str:
    """Which stage ate it, or whatever else is to be said."""
    if verdict.judgement is None:
        return verdict.problem
    return "; ".join(filter(None, (verdict.blame.sentence if verdict.blame else "", verdict.judgement.note)))


def sentence(verdict: Verdict) -> str:
    """A verdict as one sentence."""
    budget, judgement = verdict.budget, verdict.judgement
    if judgement is None:
        return f"{budget}: {verdict.problem}"
    measured = f"{budget.target}: {budget.metric.name} {quantity(budget.metric, judgement.value)}"
    does = "keeps" if verdict.kept else "breaks"
    said = f"{measured} {does} {limit_text(verdict)} ({distance(budget.metric, judgement, brackets=False)})"
    return f"{said}: {why}" if (why := explanation(verdict)) else said


def subjects(budgets: Budgets) -> list[str]:
    """What each scenario of the file holds, by what the file calls it."""
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
    if verdict.judgement is None:
        return "not measured"
    return "kept" if verdict.kept else "broken"
