"""What a page says of the frames that it sent."""

from collections.abc import Mapping
from typing import Any

from glassbench.experiments.worlds.browser.page_told import MOST_FRAMES, PageError, PageTold, list_of, numbers_of
from glassbench.sender.record import SentRecord

_COLUMNS = 8
"""Sequence, capture in us of session time, begin and end of encoding and departure in us after it, bytes (0: of it the
encoder made nothing), is it a keyframe, and the bitrate that the encoder was told."""

_WHY = {"held": "dropped", "skipped": "skipped"}  # there was no room for a capture, or the encoder made nothing of it
_MOST_AHEAD = 1_000  # rows
_LONGEST = 60e6  # us from capture to departure


class SentLedger(PageTold):
    """`records` has the frames in the order of their sequences, `unsent` the captures of which there is none."""

    def __init__(self, track: int) -> None:
        super().__init__()
        self.records: list[SentRecord] = []
        self.unsent: list[SentRecord] = []
        self._track = track
        self._group = -1
        self._ahead: dict[int, tuple[float, ...]] = {}  # rows whose predecessors have not come: messages overtake

    def take(self, told: Mapping[str, Any]) -> list[SentRecord]:
        """Take what a page tells; the answer are the frames that were new. Raises PageError."""
        for row in list_of(told, "rows"):
            numbers = numbers_of(row, _COLUMNS)
            if len(self.records) <= numbers[0] < min(len(self.records) + _MOST_AHEAD, MOST_FRAMES):
                self._ahead[int(numbers[0])] = numbers
            else:
                self.refused += 1
        for name, given_up in _WHY.items():
            for (captured_us,) in (numbers_of([each], 1) for each in list_of(told, name)):
                if captured_us < 0 or len(self.unsent) >= MOST_FRAMES:
                    self.refused += 1
                else:
                    self.unsent.append(SentRecord(self._track, -1, captured_us / 1e6, given_up=given_up))
        self.take_about(told)
        begin = len(self.records)
        while (next_row := self._ahead.pop(len(self.records), None)) is not None:
            self.records.append(self._record(next_row))
        return self.records[begin:]

    def _record(self, numbers: tuple[float, ...]) -> SentRecord:
        """Raises PageError for what cannot be: time goes forward, and the first frame is a keyframe."""
        sequence, captured_us, *after, size_bytes, keyframe, target_bps = numbers
        last = self.records[-1] if self.records else None
        captured_at = captured_us / 1e6
        if (
            [0.0, *after, _LONGEST] != sorted([0.0, *after, _LONGEST])
            or captured_at < (0.0 if last is None else last.captured_at)
            or size_bytes < 0
            or keyframe not in (0, 1)
            or not (keyframe or self.records)
        ):
            raise PageError(f"row {int(sequence)} of a page cannot be")
        self._group += int(keyframe)
        begun_at, encoded_at, sent_at = (captured_at + us / 1e6 for us in after)
        if not size_bytes:
            return SentRecord(self._track, int(sequence), captured_at, group=self._group, given_up="skipped")
        return SentRecord(
            self._track,
            int(sequence),
            captured_at,
            group=self._group,
            keyframe=bool(keyframe),
            size_bytes=int(size_bytes),
            target_bps=target_bps,
            encode_start_at=begun_at,
            encode_end_at=encoded_at,
            queued_at=encoded_at,
            first_sent_at=sent_at,
            last_sent_at=sent_at,
        )
