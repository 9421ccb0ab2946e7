"""A report as one JSON object."""

from typing import Any

from glassbench.experiments.budgets.check import BudgetReport, Verdict
from glassbench.experiments.budgets.text import sentence, word


def json_report(report: BudgetReport) -> dict[str, Any]:
    """What `glass budget check --json` prints besides the folder and the notes. Values and limits are in the unit of
    the metric; a share is 0 to 1."""
    return {
        "kept": report.kept,
        "budgets": report.budgets.file,
        "exact": report.measured.exact,
        "verdicts": [_verdict_object(verdict) for verdict in report.verdicts],
    }


def _verdict_object(verdict: Verdict) -> dict[str, Any]:
    budget, margin, blame = verdict.budget, verdict.margin, verdict.blame
    target = budget.target
    return {
        "scenario": target.name,
        "arm": target.arm,
        "track": target.track,
        "seeds": list(target.seeds),
        "metric": budget.metric.name,
        "unit": budget.metric.unit,
        "limit": {"name": budget.limit.name, "text": budget.limit.text},
        "verdict": word(verdict),
        "value": None if margin is None else round(margin.value, 6),
        "bound": None if margin is None else round(margin.bound, 6),
        "excess": None if margin is None else round(margin.excess, 6),
        "baseline": None if margin is None or margin.reference is None else round(margin.reference, 6),
        "blame": None if blame is None else vars(blame),
        "sentence": sentence(verdict),
    }
