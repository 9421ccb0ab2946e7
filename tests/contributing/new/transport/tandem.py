"""tandem: udp that sends the datagrams of keyframes several times, since all frames up to the next one need them."""

from dataclasses import dataclass, replace

from glassbench.transport.contract import Frame, TransportConfig
from glassbench.transport.udp import UdpReceiver, UdpSender


@dataclass(frozen=True, slots=True)
class TandemOptions:
    """`copies`: how often each datagram of a keyframe leaves."""

    copies: int = 2

    def __post_init__(self) -> None:
        if not 1 <= self.copies <= 10:
            raise ValueError(f"copies must be 1 to 10, got {self.copies}")


class TandemSender(UdpSender):
    """Queues the fragments of a keyframe so often, one whole copy behind the other."""

    def __init__(self, config: TransportConfig) -> None:
        self._copies = TandemOptions(**config.options).copies  # type: ignore[arg-type]  # they are validated
        super().__init__(replace(config, options={}))

    def send_frame(self, frame: Frame, *, now: float) -> None:
        super().send_frame(frame, now=now)
        if frame.keyframe and self._queue and self._queue[-1][0] is frame:
            self._queue[-1] = (frame, self._queue[-1][1] * self._copies)


class TandemReceiver(UdpReceiver):
    """Takes the first copy of each datagram; the others change nothing."""

    def __init__(self, config: TransportConfig) -> None:
        TandemOptions(**config.options)  # type: ignore[arg-type]  # the same check at both ends
        super().__init__(replace(config, options={}))
