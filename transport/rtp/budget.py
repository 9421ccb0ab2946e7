"""What may be sent again, as a share of the media: libwebrtc's limit (its RateLimiter), without its estimate.

libwebrtc holds retransmissions below the rate that it takes the network for, over 500 ms, and answers nothing more of a
request that does not fit. There is no such estimate here, so the media itself stands for it, over a second, so that a
keyframe counts for as long as its packets can be asked for.
"""

from collections import deque

_WINDOW = 1.0
_LEAST_BYTES = 4000  # in a window, whatever the media: about libwebrtc's least estimate of 30 kbit/s


class RetransmissionBudget:
    """Of one source. Sizes are those of RTP packets in bytes. `refused` counts packets that did not fit."""

    __slots__ = ("_media", "_media_bytes", "_repair", "_repair_bytes", "_share", "refused")

    def __init__(self, share: float) -> None:
        self._share = share
        self._media: deque[tuple[float, int]] = deque()  # with the instant, of the last second
        self._repair: deque[tuple[float, int]] = deque()
        self._media_bytes = self._repair_bytes = 0
        self.refused = 0

    def on_media(self, size: int, *, now: float) -> None:
        """So many bytes of media leave."""
        self._media_bytes += size - _forget(self._media, now - _WINDOW)
        self._media.append((now, size))

    def takes(self, size: int, *, now: float) -> bool:
        """Whether so many bytes may be sent again now. If so, they count."""
        self._media_bytes -= _forget(self._media, now - _WINDOW)
        self._repair_bytes -= _forget(self._repair, now - _WINDOW)
        if self._repair_bytes + size > max(self._share * self._media_bytes, _LEAST_BYTES):
            self.refused += 1
            return False
        self._repair_bytes += size
        self._repair.append((now, size))
        return True


def _forget(entries: deque[tuple[float, int]], before: float) -> int:
    """Remove the entries before that instant: their bytes."""
    gone = 0
    while entries and entries[0][0] < before:
        gone += entries.popleft()[1]
    return gone
