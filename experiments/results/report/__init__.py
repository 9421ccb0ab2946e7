"""One self-contained HTML page of a run or a dataset: `glass report`.

`content.py` says what a page is made of, `run_report.py` and `dataset_report.py` fill it, `page.py` writes it.
"""

from glassbench.experiments.results.report.dataset_report import dataset_report
from glassbench.experiments.results.report.page import page
from glassbench.experiments.results.report.run_report import run_report

__all__ = ["dataset_report", "page", "run_report"]
