"""What the two ways of carrying frames, streams and datagrams, offer to a scheduler."""

from collections.abc import Callable, Hashable
from typing import Protocol

from glassbench.transport.contract import Event, Frame

Emit = Callable[[Event], None]


class CountUp(Protocol):
    """Adds to a counter of the end."""

    def __call__(self, name: str, by: int = 1) -> None: ...


class Carrier(Protocol):
    """Frames that were started and are not done. Emits FrameStarted, FrameSent and FrameDropped."""

    def accepts(self, frame: Frame) -> bool:
        """Whether the frame could be started now (the peer's limit of streams)."""

    def start(self, frame: Frame) -> None:
        """Take charge of a frame."""

    def fill(self, packets: int) -> None:
        """Hand over to the stack what can fill so many packets, the most urgent first."""

    def unsent_bytes(self, priority: int) -> int:
        """Bytes of started frames, of tracks as important as `priority` or more, that no packet has carried yet."""

    def waiting(self) -> bool:
        """Whether anything, new or to be repeated, waits for a packet."""

    def expire(self, *, now: float) -> list[Frame]:
        """Give up the frames whose deadline has passed; the answer is those of which not every byte has left."""

    def overtaken(self, by: Frame) -> list[Frame]:
        """Give up the frames of which not every byte has left, and that are of no use if another one goes ahead."""

    def expires_at(self) -> float:
        """When `expire` is due; infinite if never."""

    def sweep(self) -> list[Frame]:
        """Forget what the peer has acknowledged, or does not want; the answer is the frames that it did not want."""

    def on_path_narrowed(self) -> None:
        """See `transport.quic.observed.Reports`."""

    def on_stream_sent(self, stream_id: int, start: int, offset: int, size_bytes: int, *, now: float) -> None:
        """See `transport.quic.observed.Reports`."""

    def on_datagram_sent(self, token: Hashable, *, now: float) -> None:
        """See `transport.quic.observed.Reports`."""

    def on_datagram_settled(self, token: Hashable, acknowledged: bool, *, now: float) -> None:
        """See `transport.quic.observed.Reports`."""
