"""What every sender end does: it drives a transport, hands frames over to it, and writes down what became of each."""

from collections.abc import Mapping, Sequence

from glassbench.sender.record import SentRecord
from glassbench.transport.contract import (
    Address,
    Closed,
    Connected,
    Datagram,
    Estimated,
    Event,
    Frame,
    FrameDropped,
    FrameRepaired,
    FrameSent,
    FrameStarted,
    Track,
    Transport,
)

NO_SEQUENCE = -1


class SenderEnd:
    """An endpoint over one transport, for a subclass that has something to send.

    `captured` has one record per frame or message in the order of capture: the rows of the ledger. Those that were
    never encoded or sent (encoder busy, not connected) have `sequence` -1 and `given_up` "dropped". `records` finds the
    others by (track, sequence). `estimates` are those of the transport. `connected_at` and `closed` say when the
    connection stood, and how it ended.
    """

    def __init__(self, transport: Transport) -> None:
        self.captured: list[SentRecord] = []
        self.records: dict[tuple[int, int], SentRecord] = {}
        self.estimates: list[Estimated] = []
        self.connected_at: float | None = None
        self.closed: Closed | None = None
        self._transport = transport
        self._connected = False

    def connect(self, *, now: float) -> None:
        """Start the transport. To be called once, not after the first capture."""
        self._transport.connect(now=now)
        self._take_events()

    def receive_datagram(self, data: bytes, peer: Address, ecn: int = 0, *, now: float) -> None:
        self._advance(now)
        self._transport.receive_datagram(data, peer, ecn, now=now)
        self._take_events()

    def datagrams_to_send(self, *, now: float) -> Sequence[Datagram]:
        datagrams = self._transport.datagrams_to_send(now=now)
        self._take_events()
        return datagrams

    def get_timer(self) -> float | None:
        own = self._due_at()
        timer = self._transport.get_timer()
        at = own if timer is None else min(own, timer)
        return None if at == float("inf") else at

    def handle_timer(self, *, now: float) -> None:
        self._transport.handle_timer(now=now)
        self._take_events()
        self._advance(now)

    def close(self, *, now: float) -> None:
        """End the connection in the transport's own way."""
        self._transport.close(now=now)
        self._take_events()

    def stats(self) -> Mapping[str, int]:
        """The counters of the transport."""
        return self._transport.stats()

    def finished(self, *, now: float) -> bool:
        """Whether all that will ever be captured has been handed to the transport."""
        raise NotImplementedError

    def _due_at(self) -> float:
        """When `_advance` has something to do; infinite if never."""
        raise NotImplementedError

    def _advance(self, now: float) -> None:
        """Do all that is due."""
        raise NotImplementedError

    def _send(
        self,
        record: SentRecord,
        track: Track,
        payload: bytes,
        now: float,
        *,
        slice_index: int = 0,
        slices: int = 1,
        last: bool = True,
    ) -> None:
        """Hand over a frame, or one of its slices, of which there are at most `slices`."""
        frame = Frame(
            track=track.id,
            group=record.group,
            sequence=record.sequence,
            captured_at=record.captured_at,
            keyframe=record.keyframe,
            layer=record.layer,
            priority=track.priority + record.layer,
            expires_at=None if track.deadline is None else record.captured_at + track.deadline,
            payload=payload,
            slice=slice_index,
            slices=slices,
            last=last,
        )
        if slice_index == 0:
            record.queued_at = now
        self._transport.send_frame(frame, now=now)
        self._take_events()

    def _take_events(self) -> None:
        while (event := self._transport.next_event()) is not None:
            self._take(event)

    def _take(self, event: Event) -> None:
        match event:
            case FrameStarted() | FrameSent() | FrameDropped():
                record = self.records[event.track, event.sequence]
                if isinstance(event, FrameStarted):
                    record.first_sent_at = event.at
                elif isinstance(event, FrameSent):
                    record.last_sent_at = event.at
                else:
                    record.given_up = event.reason
            case FrameRepaired():
                self.records[event.track, event.sequence].repaired = event.by
            case Estimated():
                self.estimates.append(event)
            case Connected():
                self._connected = True
                self.connected_at = event.at
            case Closed():
                self._connected = False
                self.closed = event
            case _:
                pass
