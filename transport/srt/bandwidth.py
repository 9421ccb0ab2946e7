"""How fast a sender may send: SRTO_MAXBW, SRTO_INPUTBW, SRTO_MININPUTBW and SRTO_OHEADBW, as libsrt's LiveCC has them.

Rates are in bytes a second on the wire, IP and UDP headers of IPv4 included.
"""

from glassbench.transport.srt.options import SrtOptions
from glassbench.transport.srt.wire import HEADER_BYTES, IP_UDP_HEADER_BYTES

UNLIMITED = 125e6  # "infinite" of libsrt: 1 Gbit/s
_FIRST_PERIOD = 0.5  # seconds over which the input is measured at first
_MAX_FIRST_PACKETS = 2000  # or so many packets, if they come sooner
_PERIOD = 1.0
_OVERHEAD_BYTES = HEADER_BYTES + IP_UDP_HEADER_BYTES
_AVERAGED = 128  # packets over which the payload is averaged, exponentially


class Bandwidth:
    """The limit for media and repair together. Where the limit is relative to the input, this measures the input too.

    As in libsrt, all packets are paced alike, by their average size. The average begins at the largest size that is
    possible.
    """

    __slots__ = (
        "_average", "_began_at", "_bytes", "_measures", "_overhead", "_packets", "_period", "_slowest", "rate",
    )  # fmt: skip

    def __init__(self, options: SrtOptions, *, max_payload_bytes: int) -> None:
        self._average = float(max_payload_bytes)
        self._overhead = 1 + options.oheadbw / 100
        self._slowest = options.mininputbw
        self._measures = options.maxbw == options.inputbw == 0
        self._period = _FIRST_PERIOD
        self._began_at: float | None = None
        self._packets = self._bytes = 0
        self.rate = UNLIMITED
        if options.maxbw > 0:
            self.rate = float(options.maxbw)
        elif options.inputbw:
            self.rate = options.inputbw * self._overhead

    def interval(self, size_bytes: int) -> float:
        """Seconds from a datagram of this size, which leaves now, to the next."""
        self._average += (size_bytes - HEADER_BYTES - self._average) / _AVERAGED
        return (self._average + _OVERHEAD_BYTES) / self.rate

    def on_input(self, messages: list[bytes], *, now: float) -> None:
        """Messages were handed in, to be sent."""
        if not self._measures:
            return
        if self._began_at is None:
            self._began_at = now
            return
        self._packets += len(messages)
        self._bytes += sum(map(len, messages)) + len(messages) * _OVERHEAD_BYTES
        elapsed = now - self._began_at
        is_early = self._period < _PERIOD and self._packets > _MAX_FIRST_PACKETS and elapsed > 0
        if is_early or elapsed > self._period:
            self.rate = max(self._bytes / elapsed, self._slowest) * self._overhead
            self._began_at, self._period = now, _PERIOD
            self._packets = self._bytes = 0
