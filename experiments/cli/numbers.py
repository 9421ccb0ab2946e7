"""Numbers as text in a terminal."""

import math


def number_text(value: object, form: str = ".4g") -> str:
    """A number, which may be infinite; a dash if it is undefined."""
    if not isinstance(value, int | float) or math.isnan(value):
        return "-"
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    return format(value, form)
