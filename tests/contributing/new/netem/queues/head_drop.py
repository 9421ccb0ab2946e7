"""Head-drop: first in, first out; what has waited longest is dropped where there is no room for what comes."""

from collections import deque

from glassbench.netem.checks import positive
from glassbench.netem.packet import Packet


class HeadDrop:
    """At most `limit_bytes` wait, headers included. A packet larger than that is dropped itself."""

    def __init__(self, *, limit_bytes: int) -> None:
        self._limit_bytes = positive("HeadDrop.limit_bytes", limit_bytes)
        self._packets: deque[Packet] = deque()
        self.bytes = 0
        self.dropped = 0
        self.gone: list[Packet] = []

    def push(self, packet: Packet) -> None:
        self.bytes += packet.size_bytes
        self._packets.append(packet)
        while self.bytes > self._limit_bytes:
            oldest = self._packets.popleft()
            self.bytes -= oldest.size_bytes
            self.dropped += 1
            self.gone.append(oldest)

    def pop(self, now: float) -> Packet | None:
        if not self._packets:
            return None
        packet = self._packets.popleft()
        self.bytes -= packet.size_bytes
        return packet

    def __len__(self) -> int:
        return len(self._packets)
