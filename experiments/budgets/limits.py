"""The limits of a metric as they stand in a file: `{ max = "60ms", max_increase = "5%" }`."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

from glassbench.experiments.account.metric_table import Metric
from glassbench.experiments.scenario.schema import invalid, unknown
from glassbench.experiments.scenario.units import DURATION, FRACTION, UnitError

LimitName = Literal["max", "min", "max_increase", "max_decrease"]


@dataclass(frozen=True)
class Limit:
    """One limit. `amount` is in the unit of the metric, or a share of the baseline if `relative`; `text` is how it
    stands in the file."""

    name: LimitName
    amount: float
    relative: bool
    text: str

    @property
    def needs_baseline(self) -> bool:
        return self.name in ("max_increase", "max_decrease")

    def bound(self, reference: float | None) -> float:
        """The last value that the metric may have. `reference` is its value in the baseline, for a limit that needs
        one."""
        if not self.needs_baseline:
            return self.amount
        assert reference is not None
        if math.isinf(reference):
            return reference
        change = self.amount * reference if self.relative else self.amount
        return reference + change if self.name == "max_increase" else reference - change

    def __str__(self) -> str:
        return f"{self.name} {self.text}"


def parse_limits(metric: Metric, content: Any) -> tuple[Limit, ...]:
    """The limits of a metric from its table. Raises an error of the schema, with the name of the limit."""
    accepted = _ACCEPTED[metric.unit]
    example = _EXAMPLES[metric.unit]
    if not isinstance(content, Mapping):
        raise invalid(f"needs a table such as {{ {example} }}, found {content!r}")
    if not content:
        raise invalid(f"sets no limit; accepted: {', '.join(accepted)}, such as {{ {example} }}")
    limits = []
    for name, given in content.items():
        if name not in accepted:
            raise invalid(unknown("limit", name, accepted), str(name))
        try:
            amount, relative = accepted[name](given)
        except ValueError as error:
            raise invalid(str(error), name) from None
        limits.append(Limit(cast(LimitName, name), amount, relative, str(given)))
    return tuple(limits)


def _duration(given: Any) -> tuple[float, bool]:
    return 1e3 * DURATION.parse(given), False


def _duration_increase(given: Any) -> tuple[float, bool]:
    if isinstance(given, str) and given.rstrip().endswith("%"):
        return FRACTION.parse(given), True
    try:
        return _duration(given)
    except UnitError:
        raise UnitError(f"an increase is a share such as '5%' or a duration such as '3ms', found {given!r}") from None


def _count(given: Any) -> tuple[float, bool]:
    if isinstance(given, bool) or not isinstance(given, int) or not 0 <= given <= 10**9:
        raise ValueError(f"a number of freezes is a whole number from 0 on, without a unit, found {_shown(given)}")
    return float(given), False


def _share(given: Any) -> tuple[float, bool]:
    share = FRACTION.parse(given)
    if share > 1:
        raise ValueError(f"a share of the frames is at most 100%, found {given!r}")
    return share, False


def _points(given: Any) -> tuple[float, bool]:
    if isinstance(given, bool) or not isinstance(given, int | float) or not 0 <= given <= 100:
        raise ValueError(f"points are a number from 0 to 100, without a unit, found {_shown(given)}")
    return float(given), False


def _ratio(given: Any) -> tuple[float, bool]:
    if isinstance(given, bool) or not isinstance(given, int | float) or not 0 <= given <= 10**9:
        raise ValueError(f"a ratio is a number such as 1.5, without a unit, found {_shown(given)}")
    return float(given), False


def _shown(given: Any) -> str:
    """The value as text, even a number with thousands of digits, which Python does not write."""
    return "a number above 10^9" if isinstance(given, int) and given > 10**9 else repr(given)


def _ratio_increase(given: Any) -> tuple[float, bool]:
    return (FRACTION.parse(given), True) if isinstance(given, str) else _ratio(given)


_ACCEPTED: dict[str, dict[str, Callable[[Any], tuple[float, bool]]]] = {
    "ms": {"max": _duration, "max_increase": _duration_increase},
    "count": {"max": _count, "max_increase": _count},
    "share": {"min": _share, "max_decrease": _share},
    "points": {"min": _points, "max_decrease": _points},
    "ratio": {"max": _ratio, "max_increase": _ratio_increase},
}
_EXAMPLES = {
    "ms": "max = '60ms', max_increase = '5%'",
    "count": "max = 0",
    "share": "min = '99%'",
    "points": "min = 80, max_decrease = 1",
    "ratio": "max = 1.5, max_increase = '5%'",
}
