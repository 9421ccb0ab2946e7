"""The verdicts of a check as a table in a terminal."""

from rich.text import Text

from glassbench.experiments.budgets.check import BudgetReport, Verdict
from glassbench.experiments.budgets.text import distance, explanation, limit_text, quantity, subjects, word
from glassbench.experiments.cli.whole_table import TableColumn, WholeTable


def budget_table(report: BudgetReport) -> WholeTable:
    """A row a budget, in the order of the file. The verdict is a word, not only a colour."""
    title = "\n".join([f"Budgets of {report.budgets.file}", *subjects(report.budgets)])
    columns = [
        TableColumn("scenario, arm, track", "name"),
        TableColumn("metric", "name"),
        TableColumn("measured", decides=True),
        TableColumn("limit", "words", decides=True),
        TableColumn("by", decides=True),
        TableColumn("verdict", "words", decides=True),
        TableColumn("why", "prose"),
    ]
    table = WholeTable(title, columns)
    for verdict in report.verdicts:
        table.add_row(*_cells(verdict))
    return table


def _cells(verdict: Verdict) -> list[str | Text]:
    budget, margin = verdict.budget, verdict.margin
    numbers = ["-", str(budget.limit), "-"]
    if margin is not None:
        metric = budget.metric
        numbers = [quantity(metric, margin.value), limit_text(verdict), distance(metric, margin)]
    verdict_cell = Text(word(verdict), style="" if verdict.kept else "bold red")
    return [str(budget.target), budget.metric.name, *numbers, verdict_cell, explanation(verdict)]
