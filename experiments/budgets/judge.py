"""Whether a limit is kept: exactly where the same code gives the same numbers, and otherwise only as far as chance lets
us say. Pure functions of numbers, in the unit of the metric.
"""

import math
from dataclasses import dataclass
from statistics import median

from glassbench.experiments.account.metrics import values_needed
from glassbench.experiments.budgets.limits import Limit
from glassbench.experiments.budgets.value import Value
from glassbench.experiments.results.statistics.order_statistics import lower_bound

CONFIDENCE = 0.95
LEAST_RUNS = values_needed(0.5, confidence=CONFIDENCE)  # of which the best bounds the median

_GRAIN = 1e-6  # values are rounded to this; a limit that is met to the last digit is kept


@dataclass(frozen=True)
class Margin:
    """How far `value` is from `bound`: `excess` is how far it is beyond, and negative is room that is left.

    `reference` is the baseline's value, for a limit that needs one. `note` says what `kept` does not tell by itself.
    """

    kept: bool
    value: float
    bound: float
    excess: float
    reference: float | None = None
    note: str = ""


def judge(limit: Limit, value: Value, reference: Value | None = None, *, lower_is_better: bool, exact: bool) -> Margin:
    """Compare what was measured with a limit; `reference` is the baseline's, which a limit against it needs.

    If `exact`, the value is that of all runs together, and the limit is broken as soon as it is beyond. Otherwise it is
    the median over runs, and the limit is broken only if the bound of the median on the good side, from the order
    statistics of the runs (95 %, one-sided), is beyond. The baseline's value is then the bound of its own median on the
    bad side, so that neither's bad luck breaks a budget.
    """
    if exact:
        base = None if reference is None else reference.pooled
        return _compare(limit, value.pooled, value.pooled, base, lower_is_better=lower_is_better)
    sign = 1.0 if lower_is_better else -1.0
    runs = [sign * run for run in value.runs or (value.pooled,)]
    good = sign * lower_bound(runs, confidence=CONFIDENCE)
    middle = sign * median(runs)
    base = None
    if reference is not None:
        base = -sign * lower_bound(
            [-sign * run for run in reference.runs or (reference.pooled,)], confidence=CONFIDENCE
        )
    margin = _compare(limit, middle, good, base, lower_is_better=lower_is_better)
    if len(runs) < LEAST_RUNS or (reference is not None and len(reference.runs) < LEAST_RUNS):
        note = f"so few runs break nothing: a bound with {CONFIDENCE:.0%} confidence needs {LEAST_RUNS}"
        return Margin(margin.kept, middle, margin.bound, margin.excess, base, note)
    if margin.kept and margin.excess > _GRAIN:
        note = f"beyond the limit, but not with {CONFIDENCE:.0%} confidence over {len(runs)} runs"
        return Margin(True, middle, margin.bound, margin.excess, base, note)
    return margin


def _compare(limit: Limit, shown: float, decisive: float, reference: float | None, *, lower_is_better: bool) -> Margin:
    """Judge `decisive`, and show the excess of `shown`."""
    bound = limit.bound(reference)
    kept = _excess(decisive, bound, lower_is_better=lower_is_better) <= _GRAIN
    note = ""
    if limit.needs_baseline and reference is not None and math.isinf(reference):
        note = "the baseline's value is infinite, so nothing is worse"
    return Margin(kept, shown, bound, _excess(shown, bound, lower_is_better=lower_is_better), reference, note)


def _excess(value: float, bound: float, *, lower_is_better: bool) -> float:
    if value == bound:  # both may be infinite
        return 0.0
    return value - bound if lower_is_better else bound - value
