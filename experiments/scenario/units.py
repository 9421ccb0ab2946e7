"""Quantities with their units, as people write them in scenario files: '20ms', '4Mbit/s', '150kB', '1%'.

Every value becomes one SI float: seconds, bits per second, bytes, a fraction. A number alone is refused, because nobody
can tell whether `delay = 20` was meant in seconds or in milliseconds. Prefixes are decimal (k = 1000); KiB and MiB are
there for powers of two.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

_QUANTITY = re.compile(r"\s*([0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]{1,3})?|\.[0-9]+)\s*([^\s0-9.].*?)?\s*")


class UnitError(ValueError):
    """A quantity that cannot be read: one sentence with what was found and what is accepted."""


@dataclass(frozen=True)
class Quantity:
    """A kind of quantity: its name in messages, and its units with their size in the SI unit, smallest first."""

    name: str
    example: str
    units: Mapping[str, Fraction]

    def parse(self, text: object) -> float:
        """The SI value of a text such as '20ms'. Raises UnitError."""
        if not isinstance(text, str):
            raise UnitError(f"{self.name} needs a text with a unit such as {self.example!r}, found {text!r}")
        match = _QUANTITY.fullmatch(text)
        if match is None:
            raise UnitError(f"{self.name} must look like {self.example!r}, found {text!r}")
        number, unit = match.groups()
        if unit not in self.units:
            unit_given = f"unknown unit {unit!r}" if unit else "no unit"
            raise UnitError(f"{unit_given} in {text!r}; {self.name} takes {', '.join(self.units)}")
        try:
            return float(Fraction(number) * self.units[unit])
        except OverflowError:
            raise UnitError(f"{text!r} is too large for {self.name}") from None

    def format(self, value: float) -> str:
        """A short text that `parse` reads back as exactly `value`, whole numbers first."""
        shortest = Decimal(repr(float(value)))
        candidates = [f"{_in_unit(shortest, size)}{unit}" for unit, size in self.units.items()]
        exact = [text for text in candidates if self.parse(text) == value]
        return min(exact, key=lambda text: ("." in text, len(text)))


DURATION = Quantity(
    "a duration", "20ms", {"us": Fraction(1, 10**6), "ms": Fraction(1, 1000), "s": Fraction(1), "min": Fraction(60)}
)
RATE = Quantity(
    "a bit rate",
    "4Mbit/s",
    {"bit/s": Fraction(1), "kbit/s": Fraction(10**3), "Mbit/s": Fraction(10**6), "Gbit/s": Fraction(10**9)},
)
SIZE = Quantity(
    "a size",
    "150kB",
    {"B": Fraction(1), "kB": Fraction(10**3), "KiB": Fraction(2**10), "MB": Fraction(10**6), "MiB": Fraction(2**20)},
)
FRACTION = Quantity("a share", "1%", {"%": Fraction(1, 100)})


def _in_unit(value: Decimal, size: Fraction) -> str:
    """`value` counted in units of `size`. Decimal, because a float divided by 1/100 may not come back the same."""
    number = (value * size.denominator / size.numerator).normalize()
    return f"{number:f}" if -9 <= number.adjusted() <= 15 else str(number)
