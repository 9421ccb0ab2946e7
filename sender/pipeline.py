"""The sender end as an endpoint: capture, encode, hand over to the transport, and write down when.

Captures happen at fixed instants. One encoder works on one frame at a time, for as long as the cost model says, or, in
a thread, for as long as it takes; frames that find it busy wait, and of more than `max_waiting` the oldest is dropped:
it never gets a sequence, since sequences count the frames that were encoded. A frame is handed to the transport when
its encoding ends.

With slices, parts of a picture are handed over while the rest is encoded: the cost is spread evenly over them, or the
thread gives them as the encoder has them.

An encoder that follows the network asks the transport ahead of every frame how large it may be (`Following`). Only the
newest capture waits then. If the answer is that none should be sent now, it waits until something comes from the
network or until it is no longer the newest, and is *skipped*: decided before it cost anything.
"""

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial

from glassbench.sender.cost import Cost
from glassbench.sender.display import Size
from glassbench.sender.encoder import Encoded, FrameEncoder
from glassbench.sender.end import NO_SEQUENCE, SenderEnd
from glassbench.sender.messages import Messages
from glassbench.sender.record import SentRecord
from glassbench.sender.slices import cut
from glassbench.transport.contract import (
    Address,
    Closed,
    Connected,
    Event,
    FrameDropped,
    KeyframeRequested,
    Track,
    Transport,
)
from glassbench.transport.layers import layer_of
from glassbench.transport.worker import Worker

_ONE_PACKET = 1000  # bytes: a smaller picture that comes whole is one slice, as each has headers


def capture_instant(index: int, *, start_at: float, fps: Fraction) -> float:
    """When source instant `index` is captured: seconds, a whole number of microseconds."""
    return round((start_at + float(index / fps)) * 1e6) / 1e6


def capture_count(duration: float, fps: Fraction) -> int:
    """How many captures fall into `duration` seconds, the first at its start."""
    return math.ceil(round(duration * float(fps), 6))


@dataclass(frozen=True, slots=True)
class Following:
    """How an encoder follows its network: the rate at which it begins, in bits per second, and the most that the budget
    of a frame may come to."""

    start_bps: float
    most_bps: float


class SenderPipeline(SenderEnd):
    """Drives one transport with one video track, and with messages if there are any.

    Pictures are captured for `duration` seconds from `start_at` on, but not in the `pauses`, pairs of instants.

    What is captured before the connection stands is dropped. With `keep_newest` the newest picture is kept, and encoded
    as soon as the connection stands: a live source shows that at such a moment. It is a keyframe, since it is the
    first.

    `target_bps` is what the encoder was told, if it has a constant rate; `following` is how it follows the network, if
    it does. With a `worker`, frames are encoded there, and take what they take; without, `encode_cost` says how long.
    An encoder that follows takes the cost for the best guess of how long the next frame takes. Of `slices`, more than
    one need a transport that puts them together (`transport/slices.py`). A `worker` may give each of them as it is
    ready; a whole picture, or what it gives last, is cut into those that are missing, unless it fits into a packet.

    A keyframe request is honoured at the next encode that is at least `keyframe_spacing` seconds after the last
    keyframe.
    """

    def __init__(
        self,
        transport: Transport,
        encoder: FrameEncoder,
        *,
        track: Track,
        fps: Fraction,
        start_at: float,
        duration: float,
        encode_cost: Cost,
        worker: Worker[Encoded] | None = None,
        messages: Messages | None = None,
        max_waiting: int = 2,
        keyframe_spacing: float = 0.2,
        keep_newest: bool = False,
        pauses: Sequence[tuple[float, float]] = (),
        target_bps: float | None = None,
        following: Following | None = None,
        slices: int = 1,
    ) -> None:
        super().__init__(transport)
        self.keyframe_requests = 0
        self._encoder = encoder
        self._track = track
        self._fps = fps
        self._start_at = start_at
        self._captures = capture_count(duration, fps)
        self._cost = encode_cost
        self._worker = worker
        self._messages = messages
        self._max_waiting = max_waiting if following is None else 1
        self._keyframe_spacing = keyframe_spacing
        self._keep_newest = keep_newest
        self._kept: tuple[int, SentRecord] | None = None
        self._pauses = pauses
        self._target_bps = target_bps
        self._following = following
        self._slices = slices
        self._interval = float(1 / fps)
        self._next_capture = 0
        self._capture_at = self._instant_of_next_capture()
        self._waiting: deque[tuple[int, SentRecord]] = deque()
        self._encoding: SentRecord | None = None
        self._ready: deque[tuple[float, bytes, bool]] = deque()  # when slices of it are encoded, and which is the last
        self._handed_over = 0  # slices of it
        self._next_message = 0
        self._message_at = self._instant_of_next_message()
        self._message_sequence = 0
        self._sequence = 0
        self._size: tuple[int, int] | None = None  # of the latest picture
        self._group = -1
        self._group_start = 0  # the sequence of its keyframe
        self._keyframe_wanted = False
        self._keyframe_free_at = -math.inf  # when the next one may be forced

    def receive_datagram(self, data: bytes, peer: Address, ecn: int = 0, *, now: float) -> None:
        super().receive_datagram(data, peer, ecn, now=now)
        self._start_encode(now)

    def handle_timer(self, *, now: float) -> None:
        own = self._due_at() <= now  # then the transport is asked in its turn
        super().handle_timer(now=now)
        if not own:
            self._start_encode(now)

    def finished(self, *, now: float) -> bool:
        """Whether all that will ever be captured has been handed to the transport."""
        return self._encoding is None and min(self._capture_at, self._message_at) == math.inf

    def _due_at(self) -> float:
        return min(self._ready_at(), self._capture_at, self._message_at)

    def _advance(self, now: float) -> None:
        """Do all that is due, in order of its instant, also when the driver woke us late."""
        self._take_encoded()
        while (at := self._due_at()) <= now:
            if at == self._ready_at():
                self._hand_over(now)
            elif at == self._capture_at:
                self._capture(at)
            else:
                self._send_message(at, now)
            self._start_encode(at)

    def _ready_at(self) -> float:
        """When the next slice is encoded."""
        return self._ready[0][0] if self._ready else math.inf

    def _instant_of_next_capture(self) -> float:
        """The instant of the next capture that is in no pause."""
        while self._next_capture < self._captures:
            at = capture_instant(self._next_capture, start_at=self._start_at, fps=self._fps)
            if not any(begin <= at < end for begin, end in self._pauses):
                return at
            self._next_capture += 1
        return math.inf

    def _instant_of_next_message(self) -> float:
        if self._messages is None or self._next_message >= len(self._messages.instants):
            return math.inf
        return self._messages.instants[self._next_message]

    def _capture(self, at: float) -> None:
        record = SentRecord(self._track.id, NO_SEQUENCE, at)
        self.captured.append(record)
        if self._connected:
            self._waiting.append((self._next_capture, record))
        elif self._keep_newest and self.closed is None:
            self._drop_kept()
            self._kept = (self._next_capture, record)
        else:
            record.given_up = "dropped"
        self._next_capture += 1
        self._capture_at = self._instant_of_next_capture()

    def _drop_kept(self) -> None:
        if self._kept is not None:
            self._kept[1].given_up = "dropped"
            self._kept = None

    def _start_encode(self, at: float) -> None:
        budget = self._next_budget(at)
        if self._encoding is None and self._waiting and budget != 0:
            capture, record = self._waiting.popleft()
            force_keyframe = self._keyframe_wanted and at >= self._keyframe_free_at
            work = partial(
                self._encoder.encode,
                capture,
                record.captured_at,
                force_keyframe=force_keyframe,
                budget_bytes=budget,
            )
            record.target_bps = self._target_bps if budget is None else budget * 8 / self._interval
            record.given_up = None
            self._encoding = record
            if self._worker is not None:
                self._worker.start(work)
            else:
                encoded = work()
                self._number(record, encoded.keyframe, at)
                self._note_size(record, encoded)
                self._spread(encoded.payload, at, self._cost(record.sequence, record.keyframe, encoded.size))
        while len(self._waiting) > self._max_waiting:
            self._waiting.popleft()[1].given_up = "dropped" if self._following is None else "skipped"

    def _next_budget(self, at: float) -> int | None:
        """How large the newest capture may become, in bytes; 0 if it is not to be encoded now; None without a limit."""
        if self._following is None or self._encoding is not None or not self._waiting:
            return None
        while len(self._waiting) > 1:
            self._waiting.popleft()[1].given_up = "skipped"
        ready_at = at + self._cost(self._sequence, False, self._size) / self._slices
        budget = self._transport.frame_budget(ready_at=ready_at, interval=self._interval, now=at)
        if budget is None:
            budget = self._bytes_at(self._following.start_bps)
        if budget == 0:
            self._waiting[0][1].given_up = "skipped"  # unless it is encoded after all
            if self._capture_at == math.inf:
                self._waiting.clear()
        return min(budget, self._bytes_at(self._following.most_bps))

    def _bytes_at(self, rate_bps: float) -> int:
        """What one frame has at a rate."""
        return max(1, int(rate_bps * self._interval / 8))

    def _take_encoded(self) -> None:
        """What the worker has finished is due at once."""
        while self._worker is not None and (done := self._worker.take()) is not None:
            if done.error is not None:
                raise done.error
            assert done.value is not None and self._encoding is not None
            if self._encoding.sequence == NO_SEQUENCE:
                self._number(self._encoding, done.value.keyframe, done.began_at)
            if done.last:
                self._note_size(self._encoding, done.value)
            self._spread(done.value.payload, done.ended_at, 0.0, last=done.last)

    def _number(self, record: SentRecord, keyframe: bool, at: float) -> None:
        if keyframe:
            self._group += 1
            self._group_start = self._sequence
            self._keyframe_free_at = round(at + self._keyframe_spacing, 6)
            self._keyframe_wanted = False
        record.sequence = self._sequence
        record.group = self._group
        record.keyframe = keyframe
        record.layer = layer_of(self._sequence - self._group_start, self._track.layers)
        record.encode_start_at = at
        self.records[record.track, record.sequence] = record
        self._sequence += 1

    def _note_size(self, record: SentRecord, encoded: Encoded) -> None:
        """Where there is a picture, the ledger knows its size, and the next one is expected to cost as much."""
        self._size = encoded.size
        record.rendition = "" if encoded.size is None else str(Size(*encoded.size))

    def _spread(self, payload: bytes, at: float, cost: float, *, last: bool = True) -> None:
        """Encoding takes `cost` from `at` on: say when each slice is ready. What is not the last is one slice."""
        assert self._encoding is not None
        self._encoding.size_bytes += len(payload)
        missing = self._slices - self._handed_over - len(self._ready)
        parts = cut(payload, missing) if last and self._encoding.size_bytes > _ONE_PACKET else [payload]
        for index, part in enumerate(parts, start=1):
            self._ready.append((at + cost * (index / len(parts)), part, last and index == len(parts)))

    def _hand_over(self, now: float) -> None:
        assert self._encoding is not None
        record, (ready_at, part, last) = self._encoding, self._ready.popleft()
        index = self._handed_over
        self._handed_over += 1
        if last:
            record.encode_end_at = ready_at
            self._encoding = None
            self._handed_over = 0
        self._send(record, self._track, part, now, slice_index=index, slices=self._slices, last=last)

    def _send_message(self, at: float, now: float) -> None:
        assert self._messages is not None
        track = self._messages.track
        record = SentRecord(track.id, NO_SEQUENCE, at)
        self.captured.append(record)
        self._next_message += 1
        self._message_at = self._instant_of_next_message()
        if not self._connected:
            record.given_up = "dropped"
            return
        record.sequence = record.group = self._message_sequence
        record.keyframe = True
        record.size_bytes = self._messages.size_bytes
        record.encode_start_at = record.encode_end_at = at
        self.records[track.id, record.sequence] = record
        self._message_sequence += 1
        self._send(record, track, self._messages.payload(record.sequence), now)

    def _take(self, event: Event) -> None:
        super()._take(event)
        match event:
            case FrameDropped():
                self._repair_references(self.records[event.track, event.sequence])
            case KeyframeRequested() if event.track == self._track.id:
                self.keyframe_requests += 1
                self._keyframe_wanted = True
            case Connected() if self._kept is not None:
                self._waiting.append(self._kept)
                self._kept = None
                self._start_encode(event.at)
            case Closed():
                self._drop_kept()
            case _:
                pass

    def _repair_references(self, dropped: SentRecord) -> None:
        """What follows a dropped base frame in its group cannot be decoded: start anew before the peer has to ask."""
        if dropped.track == self._track.id and dropped.group == self._group and dropped.layer == 0:
            self._keyframe_wanted = True
