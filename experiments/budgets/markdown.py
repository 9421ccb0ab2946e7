"""A report as GitHub-flavoured markdown, for the summary of a job or a comment."""

import re

from glassbench.experiments.budgets.check import BudgetReport, Verdict
from glassbench.experiments.budgets.text import answer, distance, explanation, limit_text, quantity, subjects, word

_SPECIAL = re.compile(r"[\\`*_\[\]<>|~&#]")


def markdown(report: BudgetReport) -> str:
    """A sentence, a table with the broken budgets first, and notes."""
    lines = [
        f"### Latency budgets: {_escaped(answer(report))}",
        "",
        *(f"{_escaped(subject)}  " for subject in subjects(report.budgets)),
        "",
        "| verdict | scenario | arm | track | metric | measured | limit | by | why |",
        "|---|---|---|---|---|--:|---|--:|---|",
    ]
    rows = [*report.broken, *(verdict for verdict in report.verdicts if verdict.kept)]
    lines += [f"| {' | '.join(_cells(verdict))} |" for verdict in rows]
    lines += ["", *(f"Note: {_escaped(note)}  " for note in report.notes)]
    told = (
        "the same code gives the same numbers"
        if report.measured.exact
        else "a limit is broken where chance is no excuse"
    )
    lines.append(f"Measured in {report.measured.world}: {told}.")
    return "\n".join(lines) + "\n"


def _cells(verdict: Verdict) -> list[str]:
    budget, margin = verdict.budget, verdict.margin
    target = budget.target
    verdict_word = word(verdict) if verdict.kept else f"**{word(verdict)}**"
    texts = [target.name, target.arm, target.track, budget.metric.name]
    if margin is None:
        numbers = ["-", str(budget.limit), "-"]
    else:
        numbers = [quantity(budget.metric, margin.value), limit_text(verdict), distance(budget.metric, margin)]
    return [verdict_word, *(_escaped(text) for text in (*texts, *numbers, explanation(verdict)))]


def _escaped(text: str) -> str:
    """The text without markup and on one line, since a label comes from a user."""
    return _SPECIAL.sub(lambda match: f"\\{match.group()}", " ".join(text.split()))
