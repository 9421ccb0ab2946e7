"""The verdicts of a check as a table in a terminal."""

from rich import box
from rich.table import Table
from rich.text import Text

from glassbench.experiments.budgets.check import BudgetReport, Verdict
from glassbench.experiments.budgets.text import distance, explanation, limit_text, quantity, subjects, word


def budget_table(report: BudgetReport) -> Table:
    """A row a budget, in the order of the file. The verdict is a word, not only a colour."""
    title = "\n".join([f"Budgets of {report.budgets.file}", *subjects(report.budgets)])
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    table.add_column("scenario, arm, track", overflow="fold")
    table.add_column("metric", no_wrap=True)
    table.add_column("measured", justify="right", no_wrap=True)
    table.add_column("limit", overflow="fold")
    table.add_column("by", justify="right")
    table.add_column("verdict", no_wrap=True)
    table.add_column("why", overflow="fold")
    for verdict in report.verdicts:
        table.add_row(*_cells(verdict))
    return table


def _cells(verdict: Verdict) -> list[Text]:
    budget, margin = verdict.budget, verdict.margin
    numbers = ["-", str(budget.limit), "-"]
    if margin is not None:
        metric = budget.metric
        numbers = [quantity(metric, margin.value), limit_text(verdict), distance(metric, margin)]
    verdict_cell = Text(word(verdict), style="" if verdict.kept else "bold red")
    texts = [str(budget.target), budget.metric.name, *numbers]
    return [*map(Text, texts), verdict_cell, Text(explanation(verdict))]
