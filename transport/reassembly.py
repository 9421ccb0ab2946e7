"""Fragments are put together to frames here, with bounded memory, for the transports whose unit is the datagram."""

from dataclasses import dataclass

from glassbench.transport.contract import Frame, Track
from glassbench.transport.framing import MAX_FRAME_BYTES, FrameHeader, Malformed, parse_fragment

_PART_OVERHEAD_BYTES = 128  # a bytes object and its place in a dict: empty fragments are not free


@dataclass(frozen=True, slots=True)
class Assembled:
    """A whole frame with the arrivals of its first fragment and of the one that completed it."""

    frame: Frame
    first_arrival_at: float
    complete_at: float


class _Partial:
    __slots__ = ("count", "first_arrival_at", "header", "held", "parts", "size")

    def __init__(self, header: FrameHeader, count: int, first_arrival_at: float) -> None:
        self.header = header
        self.count = count
        self.parts: dict[int, bytes] = {}
        self.size = 0
        self.held = 0
        self.first_arrival_at = first_arrival_at


class Reassembler:
    """Collects fragments per (track, sequence). Duplicates and fragments of finished frames change nothing.

    A frame that comes in more fragments than before was cut anew, since the path carries less. Then its earlier
    fragments are forgotten, and those that still come are ignored.

    At most `max_partial` frames and `max_held_bytes` (payload and its bookkeeping) are open at once. What does not fit
    evicts the frame that arrived first, and that is counted.
    """

    def __init__(
        self,
        tracks: tuple[Track, ...],
        *,
        max_partial: int = 256,
        max_finished: int = 4096,
        max_held_bytes: int = 4 * MAX_FRAME_BYTES,
    ) -> None:
        self._tracks = {track.id: track for track in tracks}
        self._partial: dict[tuple[int, int], _Partial] = {}
        self._finished: dict[tuple[int, int], None] = {}  # a dict keeps the order of insertion
        self._max_partial = max_partial
        self._max_finished = max_finished
        self._max_held_bytes = max_held_bytes
        self.held_bytes = 0
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
        first_arrival_at = now if partial is None else partial.first_arrival_at
        if partial is not None and count > partial.count and partial.header == header:
            self.held_bytes -= self._partial.pop(key).held
            partial = None
        if partial is None:
            if len(self._partial) >= self._max_partial:
                self._evict_oldest()
            partial = self._partial[key] = _Partial(header, count, first_arrival_at)
        if partial.header != header:
            raise Malformed(f"fragments of track {header.track} frame {header.sequence} disagree")
        if count < partial.count or index in partial.parts:
            return header, None
        if partial.size + len(payload) > MAX_FRAME_BYTES:
            raise Malformed(f"frame over {MAX_FRAME_BYTES} bytes")
        partial.parts[index] = payload
        partial.size += len(payload)
        partial.held += len(payload) + _PART_OVERHEAD_BYTES
        self.held_bytes += len(payload) + _PART_OVERHEAD_BYTES
        if len(partial.parts) < count:
            while self.held_bytes > self._max_held_bytes:
                self._evict_oldest()
            return header, None
        self.forget(*key)
        whole = b"".join([partial.parts[i] for i in range(count)])
        return header, Assembled(header.frame(whole, self._tracks), partial.first_arrival_at, now)

    def forget(self, track: int, sequence: int) -> None:
        """Close a frame: finished or given up. Later fragments of it are ignored."""
        partial = self._partial.pop((track, sequence), None)
        if partial is not None:
            self.held_bytes -= partial.held
        self._finished[track, sequence] = None
        if len(self._finished) > self._max_finished:
            del self._finished[next(iter(self._finished))]

    def _evict_oldest(self) -> None:
        self.forget(*next(iter(self._partial)))
        self.evicted += 1
