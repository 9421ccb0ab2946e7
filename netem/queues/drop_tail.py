"""Drop-tail: first in, first out, and what does not fit is dropped."""

from collections import deque

from glassbench.netem.checks import positive
from glassbench.netem.packet import Packet


class DropTail:
    """At most `limit_bytes` (headers included) and `limit_packets` wait. None means no such limit; one is needed."""

    def __init__(self, *, limit_bytes: int | None = None, limit_packets: int | None = None) -> None:
        if limit_bytes is None and limit_packets is None:
            raise ValueError("DropTail: found no limit, accepted is limit_bytes, limit_packets or both")
        self._limit_bytes = float("inf") if limit_bytes is None else positive("DropTail.limit_bytes", limit_bytes)
        self._limit_packets = (
            float("inf") if limit_packets is None else positive("DropTail.limit_packets", limit_packets)
        )
        self._packets: deque[Packet] = deque()
        self.gone: list[Packet] = []
        self.bytes = 0
        self.dropped = 0

    def push(self, packet: Packet) -> None:
        if self.bytes + packet.size_bytes > self._limit_bytes or len(self._packets) >= self._limit_packets:
            self.dropped += 1
            self.gone.append(packet)
            return
        self.bytes += packet.size_bytes
        self._packets.append(packet)

    def pop(self, now: float) -> Packet | None:
        if not self._packets:
            return None
        packet = self._packets.popleft()
        self.bytes -= packet.size_bytes
        return packet

    def __len__(self) -> int:
        return len(self._packets)
