"""The acknowledged rate: what arrives at the peer, by its own clock.

A sliding window of half a second (draft-ietf-rmcat-gcc-02 section 5.5 recommends half a second to one). libwebrtc
weights samples of 150 ms by their uncertainty, or takes a window of a second and more (`bitrate_estimator.cc`,
`robust_throughput_estimator.cc`); after the path's rate fell to a fifth both hold on to the old one for longer.
"""

from collections import deque

_WINDOW = 0.5  # seconds
_LEAST_SPAN = 0.4  # a burst after a pause is no rate
_BIN = 0.01  # what arrives within it is one entry, so that a peer whose clock stands still fills no memory


class AcknowledgedRate:
    """`bps` is None until half a second was received. A pause of half a second or a clock that was set begins anew, and
    until then what was measured last holds."""

    def __init__(self) -> None:
        self.bps: float | None = None
        self._bins: deque[tuple[float, int]] = deque()
        self._bytes = 0
        self._since = 0.0
        self._newest_at = 0.0

    def add(self, size_bytes: int, *, received_at: float) -> None:
        """A packet arrived, by the peer's clock at `received_at`, in seconds."""
        if not self._bins or abs(received_at - self._newest_at) > _WINDOW:
            self._bins.clear()
            self._bytes = 0
            self._since = self._newest_at = received_at
        at = self._newest_at = max(self._newest_at, received_at)
        while self._bins and self._bins[0][0] < at - _WINDOW:
            self._bytes -= self._bins.popleft()[1]
        if self._bins and at - self._since >= _WINDOW:  # this packet ends the last interval, and is not of it
            self.bps = self._bytes * 8 / max(at - self._bins[0][0], _LEAST_SPAN)
        self._keep(size_bytes, at)

    def _keep(self, size_bytes: int, at: float) -> None:
        self._bytes += size_bytes
        if self._bins and at - self._bins[-1][0] < _BIN:
            self._bins[-1] = (self._bins[-1][0], self._bins[-1][1] + size_bytes)
        else:
            self._bins.append((at, size_bytes))
