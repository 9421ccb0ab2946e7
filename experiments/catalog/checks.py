"""Checks whose text and verdict come from the same numbers, so that they cannot disagree.

A check is a claim with one or more judgements: `value` compares numbers with what they should be, `bounded` with what
they may be at most or at least, `order` with each other. A judgement reads its numbers with twelve digits, which takes
the noise of floating point off an equality. It writes them with three, or with as many more as it takes until a reader
who compares what is written comes to the same verdict. NaN fulfils nothing, infinity is larger than any number, and no
numbers at all are no proof.
"""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, TypeAlias

import numpy as np

from glassbench.experiments.catalog.experiment import Check
from glassbench.experiments.catalog.frames import FloatArray

Numbers: TypeAlias = float | Sequence[float] | FloatArray | Mapping[str, float]
"""One number, some, or some with names, in the base unit (seconds, shares)."""

_LEAST_DIGITS, _DIGITS = 3, 12
_MOST_LISTED = 9  # of more numbers the lowest and the highest are written


@dataclass(frozen=True)
class Unit:
    """The unit that numbers are written in: its name, how many of it are one of the base unit, and the name of a
    difference."""

    name: str
    scale: float = 1.0
    difference: str = ""


SECONDS, MS, US = Unit("s"), Unit("ms", 1e3), Unit("us", 1e6)
PERCENT, RATIO = Unit("%", 100, "points"), Unit("")
MBPS, BYTES, ROUND_TRIPS = Unit("Mbit/s"), Unit("bytes"), Unit("RTT")
FRAMES, PACKETS, SIGMAS = Unit("frames"), Unit("packets"), Unit("standard deviations")


@dataclass(frozen=True)
class Judgement:
    """One comparison, in words and as a verdict. `of` says what is compared."""

    expected: str
    measured: str
    holds: bool
    of: str = ""


def check(
    claim: str, source: str, kind: Literal["value", "order", "sign"], *judgements: Judgement, note: str = ""
) -> Check:
    """A claim that holds if all of its judgements do. If several of them expect the same, that is written once."""
    several = len(judgements) > 1
    headings: dict[str, list[str]] = {}
    for judgement in judgements:
        headings.setdefault(judgement.expected, []).append(judgement.of)
    return Check(
        claim=claim,
        source=source,
        kind=kind,
        expected="; ".join(_headed(" and ".join(filter(None, of)), text) for text, of in headings.items()),
        measured="; ".join(_headed(j.of if several else "", j.measured) for j in judgements),
        holds=bool(judgements) and all(j.holds for j in judgements),
        note=note,
    )


def value(
    unit: Unit,
    measured: Numbers,
    wanted: Numbers,
    *,
    within: float | None = None,
    off: float | Sequence[float] = 0.0,
    of: str = "",
    at: str = "",
) -> Judgement:
    """Each number is the one that is wanted: `within` a share of it, or `off` by so much at most, for all or one by
    one. Without either it is exactly that number."""

    def near(got: Decimal, want: Decimal, tolerance: Decimal) -> bool:
        most = abs(want) * tolerance / 100 if relative else tolerance
        return got.is_finite() and want.is_finite() and abs(got - want) <= most

    relative = within is not None
    names, got = _read(unit, measured)
    wanted_names, want = _read(unit, wanted)
    allowed = [_decimal(within * 100)] if within is not None else _read(unit, off)[1]
    places = 0 if relative else max(-tolerance.adjusted() for tolerance in allowed)
    verdicts, (got, *written) = _judge(near, got, _spread(want, len(got)), _spread(allowed, len(got)), places=places)
    want, allowed = written if got else (want, allowed)
    expected = _listed(unit, want, wanted_names)
    if any(allowed):
        tolerated = Unit("%" if relative else unit.difference or unit.name)
        expected = f"{expected}, within {_listed(tolerated, allowed, ())}"
    else:
        expected = f"exactly {expected}"
    return Judgement(f"{expected} {at}".rstrip(), _measured(unit, got, names, verdicts), _all(verdicts), of)


def bounded(
    unit: Unit,
    measured: Numbers,
    *,
    at_most: Numbers | None = None,
    at_least: Numbers | None = None,
    below: Numbers | None = None,
    above: Numbers | None = None,
    of: str = "",
    at: str = "",
) -> Judgement:
    """Each number keeps its bounds."""
    rules: dict[str, tuple[Numbers | None, _Rule]] = {
        "at least": (at_least, lambda got, bound: got >= bound),
        "above": (above, lambda got, bound: got > bound),
        "at most": (at_most, lambda got, bound: got <= bound),
        "below": (below, lambda got, bound: got < bound),
    }
    given = {words: (bound, rule) for words, (bound, rule) in rules.items() if bound is not None}
    names, got = _read(unit, measured)
    read = [_read(unit, bound) for bound, _ in given.values()]

    def kept(number: Decimal, *bounds: Decimal) -> bool:
        return all(rule(number, bound) for (_, rule), bound in zip(given.values(), bounds, strict=True))

    verdicts, (got, *bounds) = _judge(kept, got, *(_spread(bound, len(got)) for _, bound in read))
    texts = [
        f"{words} {_listed(unit, written or bound, bound_names)}"
        for words, written, (bound_names, bound) in zip(given, bounds, read, strict=True)
    ]
    expected = f"{' and '.join(texts)} {at}".rstrip()
    return Judgement(expected, _measured(unit, got, names, verdicts), _all(verdicts), of)


def order(
    unit: Unit, series: Mapping[str, Numbers], *, times: float = 1.0, or_equal: bool = False, of: str = "", at: str = ""
) -> Judgement:
    """At each place every series is above the one before it, or above `times` that, or at least as large."""

    def rising(*row: Decimal) -> bool:
        return all(factor * a <= b if or_equal else factor * a < b for a, b in itertools.pairwise(row))

    factor = _decimal(times)
    verdicts, columns = _judge(rising, *(_read(unit, numbers)[1] for numbers in series.values()))
    names = list(series)
    sign = " <= " if or_equal else " < "
    steps = [f"{times:g} x {low}{sign}{high}" for low, high in itertools.pairwise(names)]
    expected = sign.join(names) if times == 1 else " and ".join(steps)
    if all(len(column) == 1 for column in columns):
        measured = _listed(unit, [column[0] for column in columns], names)
    else:
        parts = [f"{name}: {_listed(RATIO, column, ())}" for name, column in zip(names, columns, strict=True)]
        measured = f"{'; '.join(parts)} {unit.name}".rstrip()
    return Judgement(f"{expected} {at}".rstrip(), measured, _all(verdicts), of)


_Rule: TypeAlias = Callable[..., bool]


def _judge(rule: _Rule, *columns: list[Decimal], places: int = 0) -> tuple[list[bool], list[list[Decimal]]]:
    """The verdict at each place, and the columns written with as few digits as give the same verdicts, and with at
    least `places` digits behind the point."""

    def verdicts(columns: Sequence[list[Decimal]]) -> list[bool]:
        return [not any(n.is_nan() for n in row) and rule(*row) for row in zip(*columns, strict=True)]

    exact = verdicts(columns)
    for digits in range(_LEAST_DIGITS, _DIGITS + 1):
        rounded = [[_rounded(number, digits, places) for number in column] for column in columns]
        if verdicts(rounded) == exact:
            return exact, rounded
    return exact, list(columns)


def _all(verdicts: list[bool]) -> bool:
    return bool(verdicts) and all(verdicts)


def _read(unit: Unit, numbers: Numbers) -> tuple[Sequence[str], list[Decimal]]:
    """The names of numbers, if they have some, and the numbers in their unit."""
    names = tuple(numbers) if isinstance(numbers, Mapping) else ()
    plain = np.asarray(list(numbers.values()) if isinstance(numbers, Mapping) else numbers, dtype=np.float64)
    return names, [_decimal(number) for number in (plain.ravel() * unit.scale).tolist()]


def _decimal(number: float) -> Decimal:
    return Decimal(f"{number:.{_DIGITS}g}")


def _spread(numbers: list[Decimal], count: int) -> list[Decimal]:
    """One number for all places, or one for each."""
    return numbers * count if len(numbers) == 1 else numbers


def _rounded(number: Decimal, digits: int, places: int) -> Decimal:
    """The number with so many significant digits. Whole numbers stay, and what is very small becomes zero."""
    if not number.is_finite():
        return number
    return round(number, max(min(digits - 1 - number.adjusted(), digits + 1), places, 0))


def _measured(unit: Unit, numbers: list[Decimal], names: Sequence[str], verdicts: list[bool]) -> str:
    """The numbers as text. Of many only the ends are written, and those that do not hold, by name, or their count if
    they have no names."""
    if not numbers:
        return "nothing"
    if len(numbers) <= _MOST_LISTED:
        return _listed(unit, numbers, names)
    ends = _listed(unit, numbers, ())
    if all(verdicts):
        return ends
    if not names:
        return f"{ends}; {verdicts.count(False)} of {len(numbers)} outside"
    outside = [f"{name} = {_text(n)}" for name, n, kept in zip(names, numbers, verdicts, strict=True) if not kept]
    return f"{ends}; outside: {', '.join(outside)}"


def _listed(unit: Unit, numbers: list[Decimal], names: Sequence[str]) -> str:
    """All numbers, or the ends of many. Equal numbers without names are written once."""
    texts = [_text(number) for number in numbers]
    if names:
        listed = ", ".join(f"{name} = {text}" for name, text in zip(names, texts, strict=True))
    elif len(set(texts)) == 1:
        listed = texts[0]
    elif len(numbers) <= _MOST_LISTED:
        listed = ", ".join(texts)
    elif any(number.is_nan() for number in numbers):
        listed = "not a number among them"
    else:
        listed = f"{_text(min(numbers))} to {_text(max(numbers))}"
    return f"{listed} {unit.name}".rstrip()


def _text(number: Decimal) -> str:
    if number.is_nan():
        return "not a number"
    if number.is_infinite():
        return "infinite" if number > 0 else "-infinite"
    return f"{number.normalize() + 0:f}"


def _headed(of: str, text: str) -> str:
    return f"{of}: {text}" if of else text
