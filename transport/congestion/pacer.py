"""A pacer says when the next packet may leave, at a given rate."""

import math

_BURST = 0.002  # seconds


class Pacer:
    """A token bucket over whole packets (RFC 9002 7.7).

    It holds 2 ms worth of the rate, and `burst_bytes` at least, two packets or more: a driver whose timers are up to
    1 ms late still reaches the rate. Credit is counted in logical time, so a late wake-up is made good by the next
    release. Rates are in bytes per second.
    """

    def __init__(self, *, max_datagram_bytes: int) -> None:
        self._packet = max_datagram_bytes
        self._credit = math.inf  # a full bucket
        self._counted_at: float | None = None

    def resize(self, max_datagram_bytes: int) -> None:
        """Packets may have another size from now on."""
        self._packet = max_datagram_bytes

    def packets(self, rate: float, burst_bytes: int, *, now: float) -> int:
        """Whole packets that may leave at `now` when the rate since the last call was `rate`."""
        if self._counted_at is not None:
            self._credit += rate * (now - self._counted_at)
        self._credit = min(self._credit, max(rate * _BURST, burst_bytes))
        self._counted_at = now
        return int((self._credit + 1) / self._packet)  # a byte of slack: no timer that fires a rounding error too early

    def spend(self, size_bytes: int) -> None:
        """`size_bytes` left. Packets that are not paced (probes) may run the credit below zero."""
        self._credit -= size_bytes

    def next_at(self, rate: float) -> float:
        """The instant at which about a millisecond's worth, one packet at least, has accrued."""
        wanted = max(self._packet, rate * _BURST / 2)
        return (self._counted_at or 0.0) + max(0.0, wanted - self._credit) / rate
