"""The check itself: it judges each budget, and explains each broken one."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from glassbench.experiments.account.metric_table import Metric
from glassbench.experiments.account.metrics import too_few
from glassbench.experiments.budgets.baseline import Baseline
from glassbench.experiments.budgets.blame import Blame, blame
from glassbench.experiments.budgets.fingerprint import fingerprint
from glassbench.experiments.budgets.judge import Margin, judge
from glassbench.experiments.budgets.measure import Measured, TargetNumbers
from glassbench.experiments.budgets.spec import Budget, BudgetError, Budgets
from glassbench.experiments.worlds.table import VIRTUAL


@dataclass(frozen=True)
class Verdict:
    """One budget. Without a `margin` it could not be judged: `problem` says why, and it is not kept. A broken one
    has a `blame`."""

    budget: Budget
    margin: Margin | None
    problem: str = ""
    blame: Blame | None = None

    @property
    def kept(self) -> bool:
        return self.margin is not None and self.margin.kept


@dataclass(frozen=True)
class BudgetReport:
    """All budgets of a file, in its order, and notes about the comparison."""

    budgets: Budgets
    measured: Measured
    verdicts: tuple[Verdict, ...]
    notes: tuple[str, ...]

    @property
    def kept(self) -> bool:
        return all(verdict.kept for verdict in self.verdicts)

    @property
    def broken(self) -> list[Verdict]:
        return [verdict for verdict in self.verdicts if not verdict.kept]


def require(budgets: Budgets, baseline: Baseline | None, world: str = VIRTUAL.words) -> None:
    """Refuse what cannot be judged, before anything runs; `world` is that of the check. Raises BudgetError."""
    if baseline is not None:
        if baseline.world != world:
            raise BudgetError(
                f"{baseline.file} was recorded {_where(baseline.world)}, and this check is {_where(world)}; record it "
                "again: glass budget record"
            )
        for target in budgets.targets:
            baseline.of(target, fingerprint(target))
    for budget in budgets.budgets:
        if not budget.limit.needs_baseline:
            continue
        if baseline is None:
            raise BudgetError(
                f"{budgets.file}: {budget} needs a baseline: --baseline FILE, which glass budget record makes"
            )
        numbers = baseline.of(budget.target, fingerprint(budget.target))
        if numbers is None or budget.metric.name not in numbers.values:
            raise BudgetError(
                f"{baseline.file} has no {budget.metric.name} of {budget.target}; record it again: glass budget record"
            )


def check(budgets: Budgets, measured: Measured, baseline: Baseline | None = None) -> BudgetReport:
    """Judge all budgets. Raises BudgetError if the baseline is of something else, or has not what a budget needs."""
    require(budgets, baseline, measured.world)
    verdicts = tuple(_verdict(budget, measured, baseline) for budget in budgets.budgets)
    return BudgetReport(budgets, measured, verdicts, tuple(_notes(measured, baseline)))


def _where(world: str) -> str:
    return world if world.startswith("in ") else f"in {world}"


def _verdict(budget: Budget, measured: Measured, baseline: Baseline | None) -> Verdict:
    if budget.target in measured.missing:
        return Verdict(budget, None, f"not measured: {measured.missing[budget.target]}")
    now = measured.numbers[budget.target]
    before: TargetNumbers | None = None
    if baseline is not None:
        before = baseline.of(budget.target, now.fingerprint)
    metric = budget.metric
    if metric.name not in now.values:
        return Verdict(budget, None, f"{metric.name} is undefined: {_undefined(metric, now)}")
    reference = before.values[metric.name] if before is not None and budget.limit.needs_baseline else None
    margin = judge(
        budget.limit,
        now.values[metric.name],
        reference,
        lower_is_better=metric.lower_is_better,
        exact=measured.exact,
    )
    if metric.share is not None and metric.share < 1 and (few := too_few(now.captured, [metric.share])):
        margin = replace(margin, note="; ".join(filter(None, (margin.note, few))))
    return Verdict(budget, margin, blame=None if margin.kept else blame(metric, now, before))


def _undefined(metric: Metric, numbers: TargetNumbers) -> str:
    if numbers.captured == 0:
        return "no frame was captured"
    if metric.of_pictures:
        return "the quality of no picture was measured"
    return "the floor does not show enough frames for it either"


def _notes(measured: Measured, baseline: Baseline | None) -> Iterator[str]:
    if baseline is not None and (differing := baseline.differing(measured.versions)):
        yield f"{baseline.file} was recorded with another version of {', '.join(differing)}"
    yield from measured.notes
