"""What BBR lets the sender do: pacing rate, burst and window (draft-ietf-ccwg-bbr, "Updating Control Parameters").

Rates are bytes per second, sizes bytes.
"""

from glassbench.transport.congestion.window import initial_window

PACING_MARGIN = 0.01
MIN_PIPE_PACKETS = 4
_INITIAL_INTERVAL = 0.001  # seconds in which the initial window leaves while no round-trip time is known
_QUANTUM = 0.001  # so many seconds of the pacing rate may leave at once
_MOST_QUANTUM_BYTES = 65536


class Sending:
    """Pace and window. `steady` means that the path has shown a limit; before that the pace does not fall."""

    def __init__(self, *, packet: int, gain: float) -> None:
        self.packet = packet
        self.window = float(initial_window(packet))
        self.gain = gain
        self.rate = self.window / _INITIAL_INTERVAL  # without the gain
        self._saved = 0.0  # prior_cwnd

    @property
    def initial(self) -> int:
        """The initial window of packets of this size."""
        return initial_window(self.packet)

    @property
    def least(self) -> int:
        """What ACKs of every second packet need (MinPipeCwnd)."""
        return MIN_PIPE_PACKETS * self.packet

    @property
    def quantum(self) -> float:
        """What may leave at once (send_quantum)."""
        return max(min(self.gain * self.rate * _QUANTUM, _MOST_QUANTUM_BYTES), 2 * self.packet)

    def resize(self, packet: int) -> None:
        """Packets may have another size. A window that is still the initial one is of packets (RFC 9002 7.2)."""
        if self.window == self.initial:
            self.window = float(initial_window(packet))
        self.packet = packet
        self.window = max(self.window, self.least)

    def first_rtt(self, rtt: float) -> None:
        """The initial window leaves within a round trip."""
        self.rate = self.window / rtt

    def set_pace(self, gain: float, rate: float, *, steady: bool) -> None:
        """Send at this rate times this gain, a per cent less."""
        rate *= 1 - PACING_MARGIN
        if rate > 0 and (steady or gain * rate > self.gain * self.rate):
            self.gain, self.rate = gain, rate

    def room_for(self, in_flight: float) -> float:
        """So much, and no less than sending and acknowledging in bunches needs (QuantizationBudget)."""
        return max(in_flight, self.quantum, self.least)

    def grow(self, newly_acked: int, most: float, delivered: int, *, steady: bool) -> None:
        """Grow by what is acknowledged towards `most`. Before there is a limit, a larger window stays."""
        if steady:
            self.window = min(self.window + newly_acked, most)
        elif self.window < most or delivered < self.initial:
            self.window += newly_acked

    def bound(self, most: float) -> None:
        """Let no more than this into flight, but four packets."""
        self.window = max(min(self.window, most), self.least)

    def save(self, *, lowered: bool) -> None:
        """Remember the window ahead of what lowers it for a time; it may be lowered already (SaveCwnd)."""
        self._saved = max(self._saved, self.window) if lowered else self.window

    def restore(self) -> None:
        """The time is over."""
        self.window = max(self.window, self._saved)
