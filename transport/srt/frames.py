"""Messages back into frames. SRT delivers in order, so at most one frame is open at a time."""

from collections import Counter, deque
from math import inf

from glassbench.transport.contract import Event, FrameLost, FrameReceived, Track
from glassbench.transport.framing import FRAGMENT_HEADER_BYTES, MAX_FRAME_BYTES, FrameHeader, Malformed, parse_fragment

_MAX_GAP = 3000  # frames missing in a row; a longer jump is no loss but nonsense (RFC 3550 A.1: MAX_DROPOUT)
_SAME_BYTES = FRAGMENT_HEADER_BYTES - 4  # all but index and count: what the fragments of one frame share


class FrameAssembler:
    """Takes the fragments of all tracks in order of delivery; appends FrameReceived and FrameLost to `events`.

    The sender submits a frame as a run of fragments without others in between. So a frame is lost when a fragment of
    another one comes before it is whole, or packets were skipped inside it; and frames between the last one of a track
    and the one that comes were skipped whole, or never sent.
    """

    def __init__(self, tracks: tuple[Track, ...], events: deque[Event], stats: Counter[str]) -> None:
        self._tracks = {track.id: track for track in tracks}
        self._events = events
        self._stats = stats
        self._expected = dict.fromkeys(self._tracks, 0)  # the next frame of each track
        self._header: FrameHeader | None = None  # of the open frame
        self._same = b""
        self._count = 0
        self._parts: list[bytes] = []
        self._size = 0
        self._first_arrival_at = inf
        self._complete_at = -inf

    def add(self, fragment: bytes, *, arrived_at: float, skipped: bool, now: float) -> None:
        """Take one fragment. `skipped`: packets before it were given up. Raises Malformed."""
        if skipped:
            self._lose_open(now)
        if self._header is None or fragment[:_SAME_BYTES] != self._same:
            self._lose_open(now)
            self._open(fragment, now)
            if self._header is None:
                return
        index = int.from_bytes(fragment[_SAME_BYTES : _SAME_BYTES + 2], "big")
        if index != len(self._parts) or self._size + len(fragment) > MAX_FRAME_BYTES + FRAGMENT_HEADER_BYTES:
            self._lose_open(now)
            raise Malformed("fragment out of order, or frame too large")
        self._parts.append(fragment[FRAGMENT_HEADER_BYTES:])
        self._size += len(fragment) - FRAGMENT_HEADER_BYTES
        self._first_arrival_at = min(self._first_arrival_at, arrived_at)
        self._complete_at = max(self._complete_at, arrived_at)
        if len(self._parts) == self._count:
            self._finish(now)

    def _open(self, fragment: bytes, now: float) -> None:
        """Start the frame of this fragment if it is the first; what comes without its first fragment is lost."""
        header, index, count, _ = parse_fragment(fragment)
        expected = self._expected.get(header.track)
        if expected is None:
            raise Malformed(f"unknown track {header.track}")
        if header.sequence < expected:
            return  # the rest of a frame that was lost
        if header.sequence - expected > _MAX_GAP:
            raise Malformed(f"frame {header.sequence} of track {header.track} after {expected - 1}")
        for sequence in range(expected, header.sequence):
            self._lose(header.track, sequence, now)
        self._expected[header.track] = header.sequence + 1
        if index != 0:
            self._lose(header.track, header.sequence, now)
            return
        self._header = header
        self._same = fragment[:_SAME_BYTES]
        self._count = count
        self._parts = []
        self._size = 0
        self._first_arrival_at, self._complete_at = inf, -inf

    def _finish(self, now: float) -> None:
        assert self._header is not None
        frame = self._header.frame(b"".join(self._parts), self._tracks)
        self._header = None
        self._parts = []
        self._events.append(FrameReceived(frame, self._first_arrival_at, self._complete_at, now))

    def _lose_open(self, now: float) -> None:
        if self._header is not None:
            self._lose(self._header.track, self._header.sequence, now)
            self._header = None
            self._parts = []

    def _lose(self, track: int, sequence: int, now: float) -> None:
        self._stats["frames_lost"] += 1
        self._events.append(FrameLost(track, sequence, now))
