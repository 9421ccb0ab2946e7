"""What every page tells of itself beside its frames. It is a stranger: all of it is checked, and bounded."""

from collections.abc import Mapping, Sequence
from typing import Any

from glassbench.netem.live.alignment import Alignment, Exchange, align

MOST_FRAMES = 36_000
"""Of which a page may tell: twenty minutes at 30 frames per second."""

_MOST_EXCHANGES = 2_000
_MOST_COUNTED = 20
_LONGEST_AGENT = 300  # characters
LARGEST = 2**53
"""No number of a page is larger: up to there those of JavaScript are exact."""


class PageError(ValueError):
    """What a page said is none of what it may say."""


class PageTold:
    """Exchanges of clocks, as they come. `agent` is what the browser calls itself, `counted` what the page counted
    last. `refused` counts what went beyond a bound, or is impossible."""

    def __init__(self) -> None:
        self.counted: dict[str, int] = {}
        self.refused = 0
        self.agent = ""
        self._exchanges: list[Exchange] = []

    def alignment(self) -> Alignment:
        """The clock of the page against the server's. Raises PageError if the page told no exchange, or impossible
        ones."""
        try:
            return align(self._exchanges)
        except ValueError as error:
            raise PageError(f"the clock of the page is not known: {error}") from None

    def take_about(self, told: Mapping[str, Any]) -> None:
        """Take what is not of frames. Raises PageError."""
        for each in list_of(told, "exchanges"):
            exchange = Exchange(*numbers_of(each, 4))
            if exchange.t4 < exchange.t1 or exchange.t3 < exchange.t2 or len(self._exchanges) >= _MOST_EXCHANGES:
                self.refused += 1
            else:
                self._exchanges.append(exchange)
        self.agent = str(told.get("agent", ""))[:_LONGEST_AGENT]
        counted = told.get("counted", {})
        if not isinstance(counted, dict) or len(counted) > _MOST_COUNTED:
            raise PageError("counted is an object of few numbers")
        self.counted = {
            str(name)[:40]: value for name, value in counted.items() if isinstance(value, int) and 0 <= value < LARGEST
        }


def list_of(told: Mapping[str, Any], name: str) -> Sequence[object]:
    """A list in what a page told, empty if it told none. Raises PageError."""
    value = told.get(name, [])
    if not isinstance(value, list):
        raise PageError(f"{name} is a list")
    return value


def numbers_of(row: object, count: int) -> tuple[float, ...]:
    """A row of so many numbers. Raises PageError."""
    if not isinstance(row, list) or len(row) != count:
        raise PageError(f"a row has {count} numbers")
    for each in row:
        if isinstance(each, bool) or not isinstance(each, int | float) or not abs(each) < LARGEST:  # NaN is not
            raise PageError(f"a row has {count} numbers")
    return tuple(map(float, row))
