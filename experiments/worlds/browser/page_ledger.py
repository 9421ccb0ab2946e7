"""What a page says of the frames that it watched. It is a stranger: all of it is checked, and bounded."""

from collections.abc import Mapping, Sequence
from typing import Any

from glassbench.netem.live.alignment import Alignment, Exchange, align
from glassbench.receiver.record import ReceivedRecord

MOST_FRAMES = 36_000
"""Of which a page may tell: twenty minutes at 30 frames per second."""

_MOST_EXCHANGES = 2_000
_MOST_COUNTED = 20
_LONGEST_AGENT = 300  # characters
_LARGEST = 2**53
_COLUMNS = 8  # sequence, first arrival, complete, released, decoded, drawn, and the two numbers of the stamp


class PageError(ValueError):
    """What a page said is none of what it may say."""


class PageLedger:
    """Rows of frames and exchanges of clocks, as they come. `agent` is what the browser calls itself, `counted` what
    the page counted last. `refused` counts what went beyond a bound, or is impossible."""

    def __init__(self) -> None:
        self.counted: dict[str, int] = {}
        self.refused = 0
        self.agent = ""
        self._rows: dict[int, tuple[float, ...]] = {}
        self._exchanges: list[Exchange] = []

    def __len__(self) -> int:
        return len(self._rows)

    def take(self, told: Mapping[str, Any], *, sent: int = _LARGEST, kept: int = _LARGEST) -> None:
        """Take what a page tells of so many frames that were `sent`; it is of use for the first ones, of which the
        records are `kept`. Raises PageError."""
        for row in _list(told, "rows"):
            numbers = _numbers(row, _COLUMNS)
            instants = numbers[1:6]
            if list(instants) != sorted(instants) or not 0 <= numbers[0] < sent or len(self._rows) >= MOST_FRAMES:
                self.refused += 1
            elif numbers[0] < kept:
                self._rows.setdefault(int(numbers[0]), numbers)
        for each in _list(told, "exchanges"):
            exchange = Exchange(*_numbers(each, 4))
            if exchange.t4 < exchange.t1 or exchange.t3 < exchange.t2 or len(self._exchanges) >= _MOST_EXCHANGES:
                self.refused += 1
            else:
                self._exchanges.append(exchange)
        self.agent = str(told.get("agent", ""))[:_LONGEST_AGENT]
        counted = told.get("counted", {})
        if not isinstance(counted, dict) or len(counted) > _MOST_COUNTED:
            raise PageError("counted is an object of few numbers")
        self.counted = {
            str(name)[:40]: value for name, value in counted.items() if isinstance(value, int) and 0 <= value < _LARGEST
        }

    def span(self) -> tuple[float, float]:
        """The first and the last instant of which the page told, in seconds of its clock. There has to be a row."""
        return min(row[1] for row in self._rows.values()), max(row[5] for row in self._rows.values())

    def alignment(self) -> Alignment:
        """The clock of the page against the server's. Raises PageError if the page told no exchange, or impossible
        ones."""
        try:
            return align(self._exchanges)
        except ValueError as error:
            raise PageError(f"the clock of the page is not known: {error}") from None

    def records(self, track: int, alignment: Alignment) -> list[ReceivedRecord]:
        """The receiver's half of the ledger, on the clock of the server. What is drawn counts as displayed."""
        records = []
        for sequence, numbers in sorted(self._rows.items()):
            first, complete, released, decoded, drawn = map(alignment.to_remote, numbers[1:6])
            record = ReceivedRecord(track, sequence, first, complete, complete, released, decoded, drawn, "displayed")
            if numbers[6] >= 0:
                record.stamp_sequence, record.stamp_captured_at = int(numbers[6]), numbers[7] / 1e6
            records.append(record)
        return records


def _list(told: Mapping[str, Any], name: str) -> Sequence[object]:
    value = told.get(name, [])
    if not isinstance(value, list):
        raise PageError(f"{name} is a list")
    return value


def _numbers(row: object, count: int) -> tuple[float, ...]:
    if not isinstance(row, list) or len(row) != count:
        raise PageError(f"a row has {count} numbers")
    for each in row:
        if isinstance(each, bool) or not isinstance(each, int | float) or not abs(each) < _LARGEST:  # NaN is not
            raise PageError(f"a row has {count} numbers")
    return tuple(map(float, row))
