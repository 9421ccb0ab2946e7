"""repeat: udp that sends every datagram several times at once, so that no frame is missing for a single loss."""

from dataclasses import dataclass, replace

from glassbench.transport.contract import Datagram, TransportConfig
from glassbench.transport.udp import UdpReceiver, UdpSender


@dataclass(frozen=True, slots=True)
class RepeatOptions:
    """`copies`: how often each datagram leaves."""

    copies: int = 2

    def __post_init__(self) -> None:
        if not 1 <= self.copies <= 10:
            raise ValueError(f"copies must be 1 to 10, got {self.copies}")


class RepeatSender(UdpSender):
    """Sends every datagram so often."""

    def __init__(self, config: TransportConfig) -> None:
        self._copies = RepeatOptions(**config.options).copies  # type: ignore[arg-type]
        super().__init__(replace(config, options={}))

    def datagrams_to_send(self, *, now: float) -> list[Datagram]:
        datagrams = [datagram for datagram in super().datagrams_to_send(now=now) for _ in range(self._copies)]
        self._stats["datagrams_sent"] += len(datagrams) - len(datagrams) // self._copies
        return datagrams


class RepeatReceiver(UdpReceiver):
    """Takes the first copy of each datagram; the others change nothing."""

    def __init__(self, config: TransportConfig) -> None:
        RepeatOptions(**config.options)  # type: ignore[arg-type]  # the same check at both ends
        super().__init__(replace(config, options={}))
