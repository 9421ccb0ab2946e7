"""Budgets in a test file of your own: the marker says what must hold, the fixture measures and holds it.

    @pytest.mark.glass(scenario="loss", arm="rtp", p95={"max": "100ms"})
    def test_rtp_is_soon(glass):
        glass.check()

pytest loads this module whenever it starts, wherever Glassbench is installed, so it imports nothing that takes time.
"""

from collections.abc import Generator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import TestCase

import pytest

if TYPE_CHECKING:
    from glassbench.experiments.budgets.baseline import Baseline
    from glassbench.experiments.budgets.check import BudgetReport
    from glassbench.experiments.budgets.spec import Budgets

MARKER = "glass"


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line(
        "markers",
        f"{MARKER}(scenario, arm, track='video', seeds=..., baseline=..., p95={{'max': '60ms'}}, ...): "
        "a latency budget that the fixture `glass` holds; the fields of a [[budget]] (Glassbench, docs/budgets.md)",
    )


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Refuse a test with a budget that nothing checks: it would pass, whatever the budget says."""
    if MARKER in getattr(item, "fixturenames", ()):
        return
    markers = [*item.own_markers]
    remedy = f"write def {item.name}({MARKER}) and call {MARKER}.check() in it"
    if (suite := item.getparent(pytest.Class)) is not None and issubclass(suite.obj, TestCase):
        markers += suite.own_markers
        remedy = (
            "a method of a unittest.TestCase takes none, but the class may have one that takes it, "
            f"@pytest.fixture(autouse=True) def budget(self, {MARKER}): self.{MARKER} = {MARKER}; "
            f"call self.{MARKER}.check() in {item.name}"
        )
    if any(marker.name == MARKER for marker in markers):
        pytest.fail(
            f"{item.name} has the marker {MARKER}, but not the fixture that holds it; {remedy}",
            pytrace=False,
        )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Fail a test that has its budget at hand and never checks it: it would pass, too."""
    done = yield
    budget = getattr(item, "funcargs", {}).get(MARKER)
    if isinstance(budget, Glass) and not budget.held:
        pytest.fail(f"{item.name} ended without {MARKER}.check(), so that nothing was measured", pytrace=False)
    return done


class Glass:
    """The budget of one test. `report` is there once it was measured; `held` says that the test asked for it."""

    def __init__(self, budgets: "Budgets", baseline: "Baseline | None", results: Path) -> None:
        self._budgets = budgets
        self._baseline = baseline
        self._results = results
        self.report: BudgetReport | None = None
        self.held = False

    def check(self) -> "BudgetReport":
        """Measure in virtual time, in this process, and fail the test if a limit is broken."""
        __tracebackhide__ = True
        self.held = True
        from glassbench.experiments.budgets.check import check
        from glassbench.experiments.budgets.measure import measure
        from glassbench.experiments.budgets.text import sentence

        try:
            measured = measure(self._budgets, self._results, workers=1)
            self.report = check(self._budgets, measured, self._baseline)
        except ValueError as error:
            pytest.fail(str(error), pytrace=False)
        if not self.report.kept:
            lines = [sentence(verdict) for verdict in self.report.broken]
            notes = [f"note: {note}" for note in self.report.notes]
            pytest.fail("\n".join([*lines, *notes, f"results: {measured.path}"]), pytrace=False)
        return self.report


@pytest.fixture
def glass(request: pytest.FixtureRequest, tmp_path: Path) -> Glass:
    """The budget that the marker `glass` of this test describes; `glass.check()` holds it."""
    from glassbench.experiments.budgets.baseline import load_baseline
    from glassbench.experiments.budgets.check import require
    from glassbench.experiments.budgets.spec import single_budget

    try:
        fields = _marker_fields(request.node)
        baseline = fields.pop("baseline", None)
        budgets = single_budget(fields, name=MARKER)
        before = None if baseline is None else load_baseline(baseline)
        require(budgets, before)
    except ValueError as error:
        pytest.fail(f"marker {MARKER} of {request.node.name}: {error}", pytrace=False)
    return Glass(budgets, before, tmp_path / "glass")


def _marker_fields(item: pytest.Item) -> dict[str, Any]:
    """The arguments of all markers of a test, those of the module first, so that a test adds to them. Raises
    ValueError."""
    fields: dict[str, Any] = {}
    markers = list(item.iter_markers(MARKER))
    if not markers:
        raise ValueError("is missing; the fixture takes from it what to hold: scenario='loss', arm='rtp', p95=...")
    for marker in reversed(markers):
        if marker.args:
            raise ValueError(f"takes fields by name, such as scenario='loss', arm='rtp'; found {marker.args[0]!r}")
        fields.update(marker.kwargs)
    baseline = fields.get("baseline")
    if baseline is not None and not isinstance(baseline, str | Path):
        raise ValueError(f"baseline is the path of a file that glass budget record wrote, found {baseline!r}")
    return {name: _as_in_toml(value) for name, value in fields.items()}


def _as_in_toml(value: Any) -> Any:
    """Arguments as they would stand in a file. Python writes some differently: a path, a tuple or range of seeds."""
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, tuple | range):
        return list(value)
    return dict(value) if isinstance(value, Mapping) else value
