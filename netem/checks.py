"""Refusals of bad parameters: one sentence with the field, what was found and what is accepted."""

import math


def fraction(name: str, value: float, *, below_one: bool = False) -> float:
    """A probability or a ratio. Raises ValueError."""
    if not (0 <= value < 1 if below_one else 0 <= value <= 1):
        raise ValueError(f"{name}: found {value}, accepted is a fraction from 0 to {'below 1' if below_one else '1'}")
    return value


def positive(name: str, value: float) -> float:
    """A finite number above 0. Raises ValueError."""
    if not 0 < value < math.inf:
        raise ValueError(f"{name}: found {value}, accepted is a finite number above 0")
    return value


def not_negative(name: str, value: float) -> float:
    """A finite number, 0 or more. Raises ValueError."""
    if not 0 <= value < math.inf:
        raise ValueError(f"{name}: found {value}, accepted is a finite number from 0")
    return value
