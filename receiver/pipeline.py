"""The receiver end as an endpoint: transport, jitter buffer, decoder, screen, and a record of when.

It shows nothing that is not whole: a frame whose reference is missing never reaches the decoder. While the chain of the
base layer is broken it asks for a keyframe, again each `keyframe_retry` seconds.
"""

import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import av

from glassbench.receiver.decoded import Decoded
from glassbench.receiver.decoder import DecodeError, Decoder
from glassbench.receiver.jitter_buffer import JitterBuffer
from glassbench.receiver.playout import Playout
from glassbench.receiver.record import ReceivedRecord
from glassbench.receiver.stamp import read_stamp
from glassbench.transport.contract import (
    Address,
    Closed,
    Connected,
    Datagram,
    Event,
    Frame,
    FrameLost,
    FrameReceived,
    Track,
    Transport,
)
from glassbench.transport.worker import Worker


class ReceiverPipeline:
    """Drives one transport. `video` goes through jitter buffer and decoder; messages of all other tracks are displayed
    as they are delivered.

    `decode_cost(sequence, keyframe, size)` is in seconds, `size` being that of the picture, or None; the decoder works
    on one frame at a time. With a `worker` it works there, takes what it takes, and `decode_cost` is what playout
    expects. `records` has every frame that was delivered; `outcome` stays None for one that waits in the buffer, until
    `finish`. A frame that is ready after its deadline is late: it is decoded and not displayed. `decoded` has the
    pictures in order, if `keep_decoded`. `stamp_errors` counts pictures whose stamp names another frame,
    `stamp_unreadable` those without a readable stamp. `connected_at` and `closed` say when the connection stood, and
    how it ended. `announced` is how many frames each track has: others, which nobody captured, are dropped and counted
    in `unannounced`, so that they take no memory.
    """

    def __init__(
        self,
        transport: Transport,
        decoder: Decoder,
        *,
        video: Track,
        playout: Playout,
        decode_cost: Callable[[int, bool, tuple[int, int] | None], float],
        worker: Worker[av.VideoFrame | None] | None = None,
        keep_decoded: bool = True,
        announced: Mapping[int, int] | None = None,
        keyframe_retry: float = 0.2,
    ) -> None:
        self.records: dict[tuple[int, int], ReceivedRecord] = {}
        self.decoded: list[Decoded] = []
        self.connected_at: float | None = None
        self.closed: Closed | None = None
        self.keyframe_requests = 0
        self.stamp_errors = 0
        self.stamp_unreadable = 0
        self.unannounced = 0
        self._transport = transport
        self._decoder = decoder
        self._video = video
        self._cost = decode_cost
        self._buffer = JitterBuffer(
            playout,
            lambda frame: decode_cost(frame.sequence, frame.keyframe, None),
            deadline=video.deadline,
            layers=video.layers,
        )
        self._decoder_free_at = -math.inf
        self._worker = worker
        self._keep_decoded = keep_decoded
        self._announced = announced
        self._to_decode: deque[Frame] = deque()  # for the worker, the first one being at work
        self._keyframe_retry = keyframe_retry
        self._request_at: float | None = None  # when to ask (again) for a keyframe; None while the chain is whole

    def connect(self, *, now: float) -> None:
        """Start the transport (a listener waits). To be called once, before media starts."""
        self._transport.connect(now=now)
        self._advance(now)

    def receive_datagram(self, data: bytes, peer: Address, ecn: int = 0, *, now: float) -> None:
        self._transport.receive_datagram(data, peer, ecn, now=now)
        if self._take_events():  # what only waits for its time has a timer
            self._advance(now)

    def datagrams_to_send(self, *, now: float) -> Sequence[Datagram]:
        datagrams = self._transport.datagrams_to_send(now=now)
        if self._take_events():
            self._advance(now)
        return datagrams

    def get_timer(self) -> float | None:
        at = self._transport.get_timer()
        for timer in (self._buffer.get_timer(), self._request_at):
            if timer is not None and (at is None or timer < at):
                at = timer
        return at

    def handle_timer(self, *, now: float) -> None:
        self._transport.handle_timer(now=now)
        self._advance(now)

    def close(self, *, now: float) -> None:
        """End the connection in the transport's own way."""
        self._transport.close(now=now)
        self._advance(now)

    def finish(self, *, now: float) -> None:
        """The run is over. A frame that still waits for a missing one is undecodable; one that waits for its playout or
        for the decoder is late."""
        self._advance(now)
        for frame in self._to_decode:
            self._record(frame).outcome = "late"
        for record in self.records.values():
            if record.outcome is None:
                record.outcome = "undecodable" if self._buffer.misses_head else "late"

    def stats(self) -> Mapping[str, int]:
        """The counters of the transport."""
        return self._transport.stats()

    def _advance(self, now: float) -> None:
        self._take_decoded()
        self._take_events()
        while (released := self._buffer.pop(now=now)) is not None:
            if released.decodable:
                self._decode(released.frame, now)
            else:
                self._record(released.frame).outcome = "undecodable"
        self._ask_for_keyframe(now)

    def _take_events(self) -> bool:
        """Take the events of the transport. Returns whether there were any."""
        event = self._transport.next_event()
        if event is None:
            return False
        while event is not None:
            self._take(event)
            event = self._transport.next_event()
        return True

    def _take(self, event: Event) -> None:
        match event:
            case FrameReceived():
                self._receive(event)
            case FrameLost() if event.track == self._video.id:
                self._buffer.lost(event.sequence)
            case Connected():
                self.connected_at = event.at
            case Closed():
                self.closed = event
            case _:
                pass

    def _receive(self, event: FrameReceived) -> None:
        frame = event.frame
        if self._announced is not None and frame.sequence >= self._announced.get(frame.track, 0):
            self.unannounced += 1
            return
        if (frame.track, frame.sequence) in self.records:
            return
        record = ReceivedRecord(frame.track, frame.sequence, event.first_arrival_at, event.complete_at, event.at)
        self.records[frame.track, frame.sequence] = record
        if frame.track != self._video.id:
            record.released_at = event.at
            record.decide(event.at, expires_at=frame.expires_at)
        elif not self._buffer.insert(event):
            record.outcome = "late"

    def _decode(self, frame: Frame, now: float) -> None:
        """Decode now, and charge the decoder's time: the picture is on the screen when the cost model says."""
        self._record(frame).released_at = now
        if self._worker is not None:
            self._to_decode.append(frame)
            if len(self._to_decode) == 1:
                self._start_decode()
            return
        size = None
        try:
            picture = self._decoder.decode(frame.payload)
            size = None if picture is None else (picture.width, picture.height)
        except DecodeError:
            self._fail(frame)
            return
        finally:
            start_at = max(now, self._decoder_free_at)
            self._decoder_free_at = start_at + self._cost(frame.sequence, frame.keyframe, size)
        self._show(frame, picture, self._decoder_free_at)

    def _start_decode(self) -> None:
        if self._worker is not None and self._to_decode:
            self._worker.start(partial(self._decoder.decode, self._to_decode[0].payload))

    def _take_decoded(self) -> None:
        """What the worker has decoded is on the screen. Where it failed, all frames that refer to that one are lost
        with it."""
        if self._worker is None or (done := self._worker.take()) is None:
            return
        frame = self._to_decode.popleft()
        if done.error is None:
            self._show(frame, done.value, done.ended_at)
        elif isinstance(done.error, DecodeError):
            self._fail(frame)
            while self._to_decode and not self._to_decode[0].keyframe:
                self._fail(self._to_decode.popleft())
        else:
            raise done.error
        self._start_decode()

    def _fail(self, frame: Frame) -> None:
        self._record(frame).outcome = "undecodable"
        self._buffer.break_chain()

    def _show(self, frame: Frame, picture: av.VideoFrame | None, ready_at: float) -> None:
        record = self._record(frame)
        record.decide(ready_at, expires_at=frame.expires_at)
        if picture is None:
            return
        if self._keep_decoded:
            self.decoded.append(
                Decoded(frame.sequence, frame.captured_at, record.displayed_at, frame.keyframe, frame.payload)
            )
        stamp = read_stamp(picture)
        if stamp is None:
            self.stamp_unreadable += 1
        else:
            record.stamp_sequence, record.stamp_captured_at = stamp
            self.stamp_errors += stamp != (frame.sequence, frame.captured_at)

    def _record(self, frame: Frame) -> ReceivedRecord:
        return self.records[frame.track, frame.sequence]

    def _ask_for_keyframe(self, now: float) -> None:
        if not self._buffer.needs_keyframe:
            self._request_at = None
        elif self._request_at is None or now >= self._request_at:
            self._transport.request_keyframe(self._video.id, now=now)
            self.keyframe_requests += 1
            self._request_at = now + self._keyframe_retry
