"""What receiver ends around a stack share: the stack's transport, driven as an endpoint, and what is counted."""

from collections.abc import Mapping, Sequence

from glassbench.receiver.decoded import Decoded
from glassbench.receiver.record import ReceivedRecord
from glassbench.transport.contract import Address, Closed, Connected, Datagram, Transport


class StackReceiver:
    """The part of a `receiver.end.ReceiverEnd` that no stack changes. A subclass fills `records`."""

    def __init__(self, transport: Transport) -> None:
        self.records: dict[tuple[int, int], ReceivedRecord] = {}
        self.decoded: list[Decoded] = []
        self.connected_at: float | None = None
        self.closed: Closed | None = None
        self.keyframe_requests = self.stamp_errors = self.stamp_unreadable = self.unannounced = 0
        self._transport = transport

    def connect(self, *, now: float) -> None:
        self._transport.connect(now=now)

    def receive_datagram(self, data: bytes, peer: Address, ecn: int = 0, *, now: float) -> None:
        self._transport.receive_datagram(data, peer, ecn, now=now)

    def datagrams_to_send(self, *, now: float) -> Sequence[Datagram]:
        return self._transport.datagrams_to_send(now=now)

    def get_timer(self) -> float | None:
        return self._transport.get_timer()

    def handle_timer(self, *, now: float) -> None:
        self._transport.handle_timer(now=now)
        self._take_given()
        while (event := self._transport.next_event()) is not None:
            if isinstance(event, Connected):
                self.connected_at = event.at
            elif isinstance(event, Closed):
                self.closed = event

    def close(self, *, now: float) -> None:
        self._transport.close(now=now)

    def stats(self) -> Mapping[str, int]:
        return self._transport.stats()

    def _take_given(self) -> None:
        """Take what the stack has given."""
        raise NotImplementedError
