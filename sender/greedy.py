"""A bulk transfer: there is always something to send, as much as the transport takes."""

import math
from collections.abc import Sequence

from glassbench.sender.end import SenderEnd
from glassbench.sender.record import SentRecord
from glassbench.transport.contract import Event, FrameDropped, FrameSent, Track, Transport

CHUNK_BYTES = 16_384
_AHEAD = 8  # chunks that wait in the transport, so that it never lacks one between two calls
_RETRY = 0.01  # seconds after a chunk for which the transport had no room


class GreedySender(SenderEnd):
    """Offers chunks of CHUNK_BYTES on a track of data from `start_at` to `stop_at`, but not in the `pauses` (pairs of
    instants). It offers a new chunk whenever one has left completely.

    Congestion control has to hold the transport back; otherwise this would offer chunks without end at one instant.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        track: Track,
        start_at: float,
        stop_at: float,
        pauses: Sequence[tuple[float, float]] = (),
    ) -> None:
        super().__init__(transport)
        self._track = track
        self._stop_at = stop_at
        self._pauses = pauses
        self._waiting = 0  # chunks in the transport that have not left completely
        self._free_at = start_at  # when there was room for the next one
        self._last_at = -math.inf

    def finished(self, *, now: float) -> bool:
        """Whether nothing will be offered any more."""
        return now >= self._stop_at

    def _due_at(self) -> float:
        if not self._connected or self._waiting >= _AHEAD:
            return math.inf
        at = max(self._free_at, self._last_at + 1e-6)
        for begin, end in self._pauses:
            if begin <= at < end:
                at = end
        at = math.ceil(at * 1e6 - 1e-3) / 1e6  # instants of capture are whole microseconds, each its own
        return at if at < self._stop_at else math.inf

    def _advance(self, now: float) -> None:
        while (at := self._due_at()) <= now:
            self._offer(at, now)

    def _offer(self, at: float, now: float) -> None:
        self._last_at = at
        sequence = len(self.captured)
        record = SentRecord(self._track.id, sequence, at, sequence, True, size_bytes=CHUNK_BYTES)
        record.encode_start_at = record.encode_end_at = at
        self.captured.append(record)
        self.records[record.track, sequence] = record
        self._waiting += 1
        self._send(record, self._track, (sequence.to_bytes(4, "big") * (CHUNK_BYTES // 4)), now)

    def _take(self, event: Event) -> None:
        super()._take(event)
        if isinstance(event, FrameSent | FrameDropped) and event.track == self._track.id:
            self._waiting -= 1
            self._free_at = max(self._free_at, event.at + (_RETRY if isinstance(event, FrameDropped) else 0.0))
