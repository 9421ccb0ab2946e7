"""The figure of a check of budgets: each budget over the checks that a folder of results still holds."""

import pytest

from glassbench.experiments.budgets.check import check
from glassbench.experiments.budgets.history import checks_before, history_figure
from glassbench.experiments.budgets.measure import measure
from glassbench.experiments.budgets.spec import load_budgets
from glassbench.experiments.results.arm_style import arm_style


def test_a_budget_is_drawn_over_its_checks_with_its_limit(budgets, here, monkeypatch):
    file = load_budgets(budgets('[[budget]]\narm = "rtp"\np95 = { max = "90ms" }\nshown = { min = "90%" }\n'))
    results = here / "results"
    old = measure(file, results, workers=1)
    monkeypatch.setattr("glassbench.experiments.budgets.measure.versions", lambda: {"source": "another"})
    report = check(file, measure(file, results, workers=1))
    earlier = checks_before(report, results)
    assert [measured.path for measured in earlier] == [old.path]
    p95, shown, *_ = history_figure(report, earlier).axes
    (line,) = [
        line for line in p95.lines if line.get_marker() == arm_style("rtp").marker and len(line.get_xdata()) == 2
    ]
    value = report.verdicts[0].margin.value
    assert line.get_ydata() == pytest.approx([value, value])
    assert [90.0, 90.0] in [list(line.get_ydata()) for line in p95.lines]
    assert p95.get_title(loc="left").replace("\n", " ") == "rtp, video p95, max 90ms: kept"
    assert (p95.get_ylabel(), shown.get_ylabel()) == ("ms", "%")
