"""Token-bucket policer: traffic over the contract is dropped, not queued."""

from glassbench.netem.checks import positive
from glassbench.netem.element import Counts
from glassbench.netem.line import Line
from glassbench.netem.packet import Packet

_GRAIN_BYTES = 1e-3  # rounding of times: a stream of exactly the contracted rate passes


class Policer(Line):
    """Drops packets that find too few tokens: over any time t at most `burst_bytes + rate_bps / 8 * t` pass.

    The bucket (RFC 2697 with one colour: CBS and CIR) is full at the start; a packet larger than it never passes.
    """

    def __init__(self, rate_bps: float, burst_bytes: float) -> None:
        super().__init__()
        self._rate = positive("Policer.rate_bps", rate_bps) / 8
        self._burst = positive("Policer.burst_bytes", burst_bytes)
        self._tokens = self._burst
        self._filled_at = 0.0
        self._dropped = 0

    def push(self, packet: Packet) -> None:
        self._pushed += 1
        self._tokens = min(self._burst, self._tokens + (packet.at - self._filled_at) * self._rate)
        self._filled_at = packet.at
        if packet.size_bytes <= self._tokens + _GRAIN_BYTES:
            self._tokens -= packet.size_bytes
            self._leaving.append(packet)
        else:
            self._dropped += 1
            self.gone.append(packet)

    def counts(self) -> Counts:
        counts = super().counts()
        counts.dropped = self._dropped
        return counts
