"""The receiver end of a page that tells when each frame came and was drawn."""

import threading
from collections.abc import Mapping, Sequence

from glassbench.experiments.worlds.browser.page_ledger import PageError, PageLedger
from glassbench.receiver.decoded import Decoded
from glassbench.receiver.record import ReceivedRecord
from glassbench.transport.contract import Address, Closed, Connected, Datagram, Track, Transport

_SAME = 1e-6  # seconds: captures are at whole microseconds


class PageReceiver:
    """A `receiver.end.ReceiverEnd`. What the page draws within the deadline is displayed; the clock by which it says
    when is known best at the end, so instants are final then."""

    def __init__(self, transport: Transport, track: Track, ledger: PageLedger, lock: threading.Lock) -> None:
        """`ledger` is written to by another thread, with `lock`."""
        self.records: dict[tuple[int, int], ReceivedRecord] = {}
        self.decoded: list[Decoded] = []
        self.connected_at: float | None = None
        self.closed: Closed | None = None
        self.keyframe_requests = self.stamp_errors = self.stamp_unreadable = self.unannounced = 0
        self.failed: str | None = None
        self._transport = transport
        self._track = track
        self._ledger = ledger
        self._lock = lock

    def connect(self, *, now: float) -> None:
        self._transport.connect(now=now)

    def receive_datagram(self, data: bytes, peer: Address, ecn: int = 0, *, now: float) -> None:
        self._transport.receive_datagram(data, peer, ecn, now=now)

    def datagrams_to_send(self, *, now: float) -> Sequence[Datagram]:
        return self._transport.datagrams_to_send(now=now)

    def get_timer(self) -> float | None:
        return self._transport.get_timer()

    def handle_timer(self, *, now: float) -> None:
        self._transport.handle_timer(now=now)
        self._look()
        while (event := self._transport.next_event()) is not None:
            if isinstance(event, Connected):
                self.connected_at = event.at
            elif isinstance(event, Closed):
                self.closed = event

    def finish(self, *, now: float) -> None:
        self.records.clear()
        self._look()
        self.stamp_unreadable = self._ledger.counted.get("unread", 0)

    def close(self, *, now: float) -> None:
        self._transport.close(now=now)

    def stats(self) -> Mapping[str, int]:
        return self._transport.stats()

    def _look(self) -> None:
        """Take what the page has told."""
        with self._lock:
            if len(self._ledger) == len(self.records):
                return
            try:
                told = self._ledger.records(self._track.id, self._ledger.alignment())
            except PageError:
                return  # no exchange yet
        for record in told:
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
