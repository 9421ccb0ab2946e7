"""Fragments back into frames, with bounded memory: for the transports whose unit is the datagram."""

from dataclasses import dataclass

from transport.contract import Frame, Track
from transport.framing import MAX_FRAME_BYTES, FrameHeader, Malformed, parse_fragment


@dataclass(frozen=True, slots=True)
class Assembled:
    """A whole frame with the arrivals of its first fragment and of the one that completed it."""

    frame: Frame
    first_arrival_at: float
    complete_at: float


class _Partial:
    __slots__ = ("header", "count", "parts", "size", "first_arrival_at")

    def __init__(self, header: FrameHeader, count: int, first_arrival_at: float) -> None:
        self.header = header
        self.count = count
        self.parts: dict[int, bytes] = {}
        self.size = 0
        self.first_arrival_at = first_arrival_at


class Reassembler:
    """Collects fragments per (track, sequence). Duplicates and fragments of finished frames change nothing.

    At most `max_partial` frames are open at once: a new one evicts the oldest by arrival, which is counted.
    """

    def __init__(self, tracks: tuple[Track, ...], *, max_partial: int = 256, max_finished: int = 4096) -> None:
        self._tracks = {track.id: track for track in tracks}
        self._partial: dict[tuple[int, int], _Partial] = {}
        self._finished: dict[tuple[int, int], None] = {}  # a dict keeps the order of insertion
        self._max_partial = max_partial
        self._max_finished = max_finished
        self.evicted = 0

    def add(self, data: bytes, *, now: float) -> tuple[FrameHeader, Assembled | None]:
        """Take one fragment; the second value is the frame if this completed it. Raises Malformed."""
        header, index, count, payload = parse_fragment(data)
        if header.track not in self._tracks:
            raise Malformed(f"unknown track {header.track}")
        key = (header.track, header.sequence)
        if key in self._finished:
            return header, None
        partial = self._partial.get(key)
        if partial is None:
            self._evict()
            partial = self._partial[key] = _Partial(header, count, now)
        if partial.count != count or partial.header != header:
            raise Malformed(f"fragments of track {header.track} frame {header.sequence} disagree")
        if index in partial.parts:
            return header, None
        if partial.size + len(payload) > MAX_FRAME_BYTES:
            raise Malformed(f"frame over {MAX_FRAME_BYTES} bytes")
        partial.parts[index] = payload
        partial.size += len(payload)
        if len(partial.parts) < count:
            return header, None
        self.forget(*key)
        whole = b"".join(partial.parts[i] for i in range(count))
        return header, Assembled(header.frame(whole, self._tracks), partial.first_arrival_at, now)

    def forget(self, track: int, sequence: int) -> None:
        """Close a frame: finished or given up. Later fragments of it are ignored."""
        self._partial.pop((track, sequence), None)
        self._finished[track, sequence] = None
        if len(self._finished) > self._max_finished:
            del self._finished[next(iter(self._finished))]

    def _evict(self) -> None:
        if len(self._partial) >= self._max_partial:
            oldest = next(iter(self._partial))
            self.forget(*oldest)
            self.evicted += 1
