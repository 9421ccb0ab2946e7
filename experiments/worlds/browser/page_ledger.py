"""What a page says of the frames that it watched."""

from collections.abc import Mapping
from typing import Any

from glassbench.experiments.worlds.browser.page_told import LARGEST, MOST_FRAMES, PageTold, list_of, numbers_of
from glassbench.netem.live.alignment import Alignment
from glassbench.receiver.record import ReceivedRecord

_COLUMNS = 8  # sequence, first arrival, complete, released, decoded, drawn, and the two numbers of the stamp


class PageLedger(PageTold):
    """Rows of frames, as they come."""

    def __init__(self) -> None:
        super().__init__()
        self._rows: dict[int, tuple[float, ...]] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def take(self, told: Mapping[str, Any], *, sent: int = LARGEST, kept: int = LARGEST) -> None:
        """Take what a page tells of so many frames that were `sent`; it is of use for the first ones, of which the
        records are `kept`. Raises PageError."""
        for row in list_of(told, "rows"):
            numbers = numbers_of(row, _COLUMNS)
            instants = numbers[1:6]
            if list(instants) != sorted(instants) or not 0 <= numbers[0] < sent or len(self._rows) >= MOST_FRAMES:
                self.refused += 1
            elif numbers[0] < kept:
                self._rows.setdefault(int(numbers[0]), numbers)
        self.take_about(told)

    def span(self) -> tuple[float, float]:
        """The first and the last instant of which the page told, in seconds of its clock. There has to be a row."""
        return min(row[1] for row in self._rows.values()), max(row[5] for row in self._rows.values())

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
