"""The receiver end of a stack that says nothing of frames: which picture it is, the stamp in its pixels tells."""

from collections import deque
from collections.abc import Mapping
from functools import partial

import av

from glassbench.experiments.worlds.peers.outlet import Given
from glassbench.experiments.worlds.peers.peer_transport import PeerTransport
from glassbench.experiments.worlds.peers.raw_pictures import Lossless, picture_of
from glassbench.experiments.worlds.peers.stack_receiver import StackReceiver
from glassbench.receiver.decoded import Decoded
from glassbench.receiver.decoder import DecodeError, VideoDecoder
from glassbench.receiver.record import ReceivedRecord
from glassbench.receiver.stamp import read_stamp
from glassbench.transport.contract import Track
from glassbench.transport.worker import Worker

_MOST_KEPT_BYTES = 2**30  # of pictures whose quality will be measured


class StampedReceiver(StackReceiver):
    """A `receiver.end.ReceiverEnd`. A picture is on the screen as soon as the stack gives it, or, where the stack gives
    access units, as soon as `worker` has decoded it: there is no buffer of ours.

    `frames` is how many frames there are; others are `unannounced`. A picture that comes again counts once. With
    `keep_decoded` pictures are kept, up to a gigabyte; with more, none are, and there is no quality.
    """

    def __init__(
        self,
        transport: PeerTransport,
        *,
        track: Track,
        frames: int,
        size: tuple[int, int],
        codec: str | None,
        worker: Worker[av.VideoFrame | None],
        keep_decoded: bool,
    ) -> None:
        super().__init__(transport)
        self.repeated = self.undecodable = 0
        self._stack = transport
        self._track = track
        self._frames = frames
        self._size = size
        self._decoder = None if codec is None else VideoDecoder(codec)
        self._worker = worker
        self._to_decode: deque[Given] = deque()  # the first one is at work
        self._keeps = keep_decoded
        self._kept: list[tuple[ReceivedRecord, float, av.VideoFrame]] = []
        self._kept_bytes = 0

    def finish(self, *, now: float) -> None:
        """The run is over: pictures that are kept become what `decoded` holds."""
        if not self._kept:
            return
        encoder = Lossless()
        for record, captured_at, picture in self._kept:
            payload = encoder.encode(picture)
            self.decoded.append(Decoded(record.sequence, captured_at, record.displayed_at, True, payload))
        self._kept.clear()

    def stats(self) -> Mapping[str, int]:
        return {**super().stats(), "repeated": self.repeated, "undecodable": self.undecodable}

    def _take_given(self) -> None:
        self._take_decoded()
        for given in self._stack.take():
            if self._decoder is None:
                self._take_picture(given)
            else:
                self._to_decode.append(given)
                if len(self._to_decode) == 1:
                    self._start_decode()

    def _take_picture(self, given: Given) -> None:
        width, height = self._size
        if len(given.data) != width * height * 3 // 2:
            self.undecodable += 1
            return
        self._show(picture_of(given.data, width, height), given, ready_at=given.at)

    def _start_decode(self) -> None:
        assert self._decoder is not None
        self._worker.start(partial(self._decoder.decode, self._to_decode[0].data))

    def _take_decoded(self) -> None:
        while (done := self._worker.take()) is not None:
            given = self._to_decode.popleft()
            if done.value is not None:
                self._show(done.value, given, ready_at=done.ended_at)
            elif isinstance(done.error, DecodeError):
                self.undecodable += 1
            elif done.error is not None:
                raise done.error
            if self._to_decode:
                self._start_decode()

    def _show(self, picture: av.VideoFrame, given: Given, *, ready_at: float) -> None:
        stamp = read_stamp(picture)
        if stamp is None:
            self.stamp_unreadable += 1
            return
        sequence, captured_at = stamp
        if not 0 <= sequence < self._frames:
            self.unannounced += 1
            return
        if captured_at > ready_at:  # no camera films what will be
            self.stamp_errors += 1
            return
        if (self._track.id, sequence) in self.records:
            self.repeated += 1
            return
        record = ReceivedRecord(self._track.id, sequence, delivered_at=given.at, released_at=given.at)
        record.stamp_sequence, record.stamp_captured_at = stamp
        expires_at = None if self._track.deadline is None else captured_at + self._track.deadline
        record.decide(ready_at, expires_at=expires_at)
        self.records[self._track.id, sequence] = record
        self._keep(record, captured_at, picture)

    def _keep(self, record: ReceivedRecord, captured_at: float, picture: av.VideoFrame) -> None:
        if not self._keeps:
            return
        self._kept_bytes += picture.width * picture.height * 3 // 2
        if self._kept_bytes > _MOST_KEPT_BYTES:
            self._keeps = False
            self._kept.clear()
            return
        self._kept.append((record, captured_at, picture))
