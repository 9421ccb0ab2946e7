"""Numbers as text, in terminals, pages and sentences.

What is no number becomes a dash and never raises, since results of strangers are shown, too.
"""

import math
from collections.abc import Callable

INFINITE = "∞"
NOTHING = "-"


def finite(value: object) -> float | None:
    """A number of a file as a float; None if it is no number, or not finite."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def number_text(value: object, form: str = ".4g") -> str:
    """A number, which may be infinite; a dash if it is undefined."""
    if isinstance(value, float) and math.isinf(value):
        return INFINITE if value > 0 else f"-{INFINITE}"
    number = finite(value)
    return NOTHING if number is None else format(number, form)


def interval_text(low: float, high: float, text: Callable[[float], str]) -> str:
    """The bounds of a number, behind it; nothing if they hold every number, since too little was measured for any."""
    return "" if (low, high) == (-math.inf, math.inf) else f" [{text(low)}, {text(high)}]"


def share_text(part: float, whole: float) -> str:
    """A share in percent, with as many digits as small ones need."""
    if not whole:
        return NOTHING
    percent = 100 * part / whole
    return f"{percent:.2f}\N{NO-BREAK SPACE}%" if 0 < percent < 1 else f"{percent:.1f}\N{NO-BREAK SPACE}%"
