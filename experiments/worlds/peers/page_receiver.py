"""The receiver end of a page that tells when each frame came and was drawn."""

import math
import threading
from collections.abc import Mapping

from glassbench.experiments.worlds.browser.page_ledger import PageLedger
from glassbench.experiments.worlds.browser.page_told import PageError
from glassbench.experiments.worlds.peers.stack_receiver import StackReceiver
from glassbench.receiver.record import ReceivedRecord
from glassbench.transport.contract import Track, Transport


class PageReceiver(StackReceiver):
    """A `receiver.end.ReceiverEnd`. What the page draws within the deadline is displayed; the clock by which it says
    when is known best at the end, so instants are final then. `announced` is how many frames each track has: what the
    page tells of others, which nobody captured, is dropped and counted in `unannounced`."""

    def __init__(
        self,
        transport: Transport,
        track: Track,
        ledger: PageLedger,
        lock: threading.Lock,
        announced: Mapping[int, int] | None,
    ) -> None:
        """`ledger` is written to by another thread, with `lock`."""
        super().__init__(transport)
        self._track = track
        self._frames = math.inf if announced is None else announced.get(track.id, 0)
        self._ledger = ledger
        self._lock = lock

    def finish(self, *, now: float) -> None:
        self.records.clear()
        self.stamp_errors = 0
        self._take_given()
        self.stamp_unreadable = self._ledger.counted.get("unread", 0)

    def _take_given(self) -> None:
        """Take what the page has told."""
        with self._lock:
            if len(self._ledger) == len(self.records) + self.unannounced:
                return
            try:
                told = self._ledger.records(self._track.id, self._ledger.alignment())
            except PageError:
                return  # no exchange yet
        captured = [record for record in told if record.sequence < self._frames]
        self.unannounced = len(told) - len(captured)
        for record in captured:
            place = record.track, record.sequence
            if place in self.records:
                continue
            self._decide(record)
            self.records[place] = record

    def _decide(self, record: ReceivedRecord) -> None:
        captured_at = record.stamp_captured_at
        deadline = self._track.deadline
        if captured_at is not None and record.stamp_sequence != record.sequence:
            self.stamp_errors += 1
        assert record.displayed_at is not None
        expires_at = None if deadline is None or captured_at is None else captured_at + deadline
        record.decide(record.displayed_at, expires_at=expires_at)
