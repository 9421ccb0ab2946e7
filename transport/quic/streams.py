"""Frames on streams: one stream per track, per group of pictures, or per frame."""

import math
from collections import Counter, deque
from collections.abc import Hashable
from dataclasses import dataclass, field
from enum import Enum
from itertools import count

from glassbench.transport.contract import Frame, FrameRepaired, FrameSent, FrameStarted
from glassbench.transport.framing import record
from glassbench.transport.layers import overtakes
from glassbench.transport.quic.carrier import CountUp, Emit
from glassbench.transport.quic.session import EXPIRED, Session
from glassbench.transport.quic.stack import Stack

_MOST_LEFT = 256  # frames, more than are in flight or have to be repaired


class StreamPer(Enum):
    """What shares a stream, and so waits for the same lost packets."""

    TRACK = "track"
    GROUP = "group"
    FRAME = "frame"


@dataclass(slots=True)
class _Placed:
    frame: Frame
    start: int
    stop: int
    started: bool = False


@dataclass(slots=True)
class _OpenStream:
    """An open stream with the frames on it of which not every byte has left, and the newest of which every byte has."""

    stream_id: int
    track: int
    priority: int
    number: int
    written: int
    expires_at: float = -math.inf  # of the last frame to expire
    ended: bool = False
    sent: int = 0
    frames: deque[_Placed] = field(default_factory=deque)
    left: deque[_Placed] = field(default_factory=lambda: deque(maxlen=_MOST_LEFT))


class StreamCarrier:
    """Writes records to streams. A stream is reset when it has ended and the last of its frames expired unfinished, or
    is of no use after one that went ahead."""

    def __init__(self, per: StreamPer, stack: Stack, session: Session, emit: Emit, count_up: CountUp) -> None:
        self._stack = stack
        self._session = session
        self._per = per
        self._emit = emit
        self._count_up = count_up
        self._numbers = count()
        self._current: dict[tuple[int, int], _OpenStream] = {}  # by what shares a stream: it takes further frames
        self._streams: dict[int, _OpenStream] = {}  # by stream
        self._unsent: Counter[int] = Counter()  # bytes by priority

    def accepts(self, frame: Frame) -> bool:
        return self._key(frame) in self._current or self._stack.may_open_stream()

    def start(self, frame: Frame) -> None:
        stream = self._current.get(self._key(frame)) or self._open(frame)
        data = record(frame)
        ends = self._per is StreamPer.FRAME
        self._stack.send_stream_data(stream.stream_id, data, end_stream=ends)
        stream.frames.append(_Placed(frame, stream.written, stream.written + len(data)))
        stream.written += len(data)
        stream.ended = ends
        stream.expires_at = max(stream.expires_at, math.inf if frame.expires_at is None else frame.expires_at)
        self._unsent[stream.priority] += len(data)
        if ends:
            del self._current[self._key(frame)]

    def fill(self, packets: int) -> None:
        """Nothing: aioquic cuts packets out of the streams itself."""

    def unsent_bytes(self, priority: int) -> int:
        return sum(size for level, size in self._unsent.items() if level <= priority)

    def waiting(self) -> bool:
        return self._stack.has_stream_data()

    def expire(self, *, now: float) -> list[Frame]:
        return self._give_up([each for each in self._streams.values() if each.ended and each.expires_at <= now])

    def overtaken(self, by: Frame) -> list[Frame]:
        unfinished = [each for each in self._streams.values() if each.ended and each.frames]
        return self._give_up(
            [each for each in unfinished if all(overtakes(by, placed.frame) for placed in each.frames)]
        )

    def _give_up(self, streams: list[_OpenStream]) -> list[Frame]:
        """Reset streams; the answer is the frames on them of which not every byte has left."""
        unfinished = []
        for stream in streams:
            if self._stack.has_stream(stream.stream_id):
                self._stack.reset_stream(stream.stream_id, self._session.error_code(EXPIRED))
                self._count_up("resets")
            unfinished += [placed.frame for placed in stream.frames]
            self._unsent[stream.priority] -= stream.written - stream.sent
            del self._streams[stream.stream_id]
        return unfinished

    def expires_at(self) -> float:
        return min((stream.expires_at for stream in self._streams.values() if stream.ended), default=math.inf)

    def sweep(self) -> list[Frame]:
        done = [
            stream for stream in self._streams.values() if stream.ended and not self._stack.has_stream(stream.stream_id)
        ]
        for stream in done:
            del self._streams[stream.stream_id]
        unwanted = [stream for stream in self._streams.values() if self._stack.is_reset(stream.stream_id)]
        for key in [key for key, stream in self._current.items() if stream in unwanted]:
            del self._current[key]
        return self._give_up(unwanted)

    def urgency(self, stream_id: int) -> tuple[int, int]:
        """Order of service: the session's own streams, then by priority, then by age."""
        stream = self._streams.get(stream_id)
        return (stream.priority, stream.number) if stream is not None else (-1, stream_id)

    def on_stream_sent(self, stream_id: int, start: int, offset: int, size_bytes: int, *, now: float) -> None:
        stream = self._streams.get(stream_id)
        if stream is None:
            return
        repeated_to = min(start + size_bytes, stream.sent)
        for placed in (*stream.left, *stream.frames) if start < repeated_to else ():
            if placed.start < repeated_to and start < placed.stop:
                self._emit(FrameRepaired(placed.frame.track, placed.frame.sequence, now, "rtx"))
        new_bytes = offset - stream.sent
        self._count_up("media_bytes", new_bytes)
        self._count_up("repair_bytes", max(0, size_bytes - new_bytes))  # it may repeat some and go on
        self._unsent[stream.priority] -= new_bytes
        stream.sent = offset
        while stream.frames and stream.frames[0].start < offset:
            placed = stream.frames[0]
            if not placed.started:
                placed.started = True
                self._emit(FrameStarted(placed.frame.track, placed.frame.sequence, now))
            if placed.stop > offset:
                return
            stream.left.append(stream.frames.popleft())
            self._emit(FrameSent(placed.frame.track, placed.frame.sequence, now))

    def on_path_narrowed(self) -> None:
        """Nothing: aioquic cuts what it repeats anew."""

    def on_datagram_sent(self, token: Hashable, *, now: float) -> None:
        pass

    def on_datagram_settled(self, token: Hashable, acknowledged: bool, *, now: float) -> None:
        pass

    def _key(self, frame: Frame) -> tuple[int, int]:
        if self._per is StreamPer.TRACK:
            return (frame.track, 0)
        return (frame.track, frame.group if self._per is StreamPer.GROUP else frame.sequence)

    def _open(self, frame: Frame) -> _OpenStream:
        """A new stream; of a group it ends the track's older ones, so that these can be finished or reset."""
        for key in [key for key in self._current if key[0] == frame.track]:
            older = self._current.pop(key)
            self._stack.send_stream_data(older.stream_id, b"", end_stream=True)
            older.ended = True
        prefix = self._session.stream_prefix_bytes
        stream = _OpenStream(
            self._session.open_stream(), frame.track, frame.track_priority, next(self._numbers), written=prefix
        )
        self._unsent[stream.priority] += prefix
        self._current[self._key(frame)] = self._streams[stream.stream_id] = stream
        return stream
