"""Numbers as text. Files are not to be trusted: what is no number is shown as a dash, and never raises."""

import math

from glassbench.experiments.results.statistics import Interval

INFINITE = "∞"
NOTHING = "\N{EN DASH}"


def finite(value: object) -> float | None:
    """A number of a file as a float; None if it is none, or not finite."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def number(value: object, form: str = ".1f") -> str:
    """A number, which may be infinite, or a dash if it is undefined."""
    if isinstance(value, float) and math.isinf(value):
        return INFINITE if value > 0 else f"-{INFINITE}"
    found = finite(value)
    return NOTHING if found is None else format(found, form)


def interval(bounds: Interval, form: str = ".1f") -> str:
    """The bounds of an interval in brackets."""
    return f"[{number(bounds.low, form)}, {number(bounds.high, form)}]"


def share(part: float, whole: float) -> str:
    """A share in percent, with as many digits as small ones need."""
    if not whole:
        return NOTHING
    percent = 100 * part / whole
    return f"{percent:.2f}\N{NO-BREAK SPACE}%" if 0 < percent < 1 else f"{percent:.1f}\N{NO-BREAK SPACE}%"


def plain(text: str, longest: int = 60) -> str:
    """A label as it may stand in a drawing: no control characters, no half characters, not endless."""
    clean = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
    return clean if len(clean) <= longest else clean[: longest - 1] + "…"
