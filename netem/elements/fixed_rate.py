"""A link of constant rate."""

from glassbench.netem.checks import positive
from glassbench.netem.elements.bottleneck import Bottleneck
from glassbench.netem.queues.queue import Queue


class FixedRate(Bottleneck):
    """Serialises at `rate_bps`, headers included."""

    def __init__(self, rate_bps: float, queue: Queue) -> None:
        super().__init__(queue)
        self._seconds_per_byte = 8 / positive("FixedRate.rate_bps", rate_bps)

    def departure(self, start: float, size_bytes: int) -> float:
        return start + size_bytes * self._seconds_per_byte
