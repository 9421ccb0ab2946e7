"""Slices of a picture that leave while the rest of it is encoded, over any transport whose framing is ours.

To the transport below, each slice is a frame of its own: slice k of a frame s that has n at most is its frame n s + k,
so that order, repair, deadlines and dropping work as they do for frames. The first byte of its payload is 1 in the last
slice of a frame, and 0 in the others: a small frame has fewer, and the transport may take the numbers in between for
lost, or wait for them.

These two put frames together again: what a sender hands over slice by slice, and what is told of it, is told of the
frame. A frame is there when all of its slices are. RTP marks the end of a frame on the wire by itself, so it needs the
sender end alone, and nothing in the payload.
"""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from glassbench.transport.contract import (
    Address,
    Datagram,
    Event,
    Frame,
    FrameDropped,
    FrameLost,
    FrameReceived,
    FrameRepaired,
    FrameSent,
    FrameStarted,
    Transport,
    TransportConfig,
)
from glassbench.transport.framing import MAX_FRAME_BYTES

MOST_SLICES = 8
_MOST_FRAMES = 1024  # of which something is remembered: more than are on their way in two seconds at 240 fps
_MOST_BYTES = 4 * MAX_FRAME_BYTES  # of slices that wait for others, as in `reassembly.py`

_NOT_LAST, _LAST = b"\0", b"\1"  # the first byte of a slice

_Key = tuple[int, int]  # track and sequence


class _Sliced:
    """What both ends do: they pass on what is not about slices."""

    def __init__(self, inner: Transport, slices: int, config: TransportConfig) -> None:
        self._inner = inner
        self._slices = slices
        self._sliced = frozenset(track.id for track in config.tracks if track.media != "data")

    def connect(self, *, now: float) -> None:
        self._inner.connect(now=now)

    def frame_budget(self, *, ready_at: float, interval: float, now: float) -> int | None:
        return self._inner.frame_budget(ready_at=ready_at, interval=interval, now=now)

    def request_keyframe(self, track: int, *, now: float) -> None:
        self._inner.request_keyframe(track, now=now)

    def receive_datagram(self, data: bytes, peer: Address, ecn: int = 0, *, now: float) -> None:
        self._inner.receive_datagram(data, peer, ecn, now=now)

    def datagrams_to_send(self, *, now: float) -> list[Datagram]:
        return self._inner.datagrams_to_send(now=now)

    def get_timer(self) -> float | None:
        return self._inner.get_timer()

    def handle_timer(self, *, now: float) -> None:
        self._inner.handle_timer(now=now)

    def close(self, *, now: float) -> None:
        self._inner.close(now=now)

    def next_event(self) -> Event | None:
        """The oldest event that is about a frame, or about none."""
        while (event := self._inner.next_event()) is not None:
            if (whole := self._of_frame(event)) is not None:
                return whole
        return None

    def _of_frame(self, event: Event) -> Event | None:
        """What an event about a slice says of its frame; None if that was said, or is not yet to be said."""
        raise NotImplementedError


@dataclass(slots=True)
class _Leaving:
    started: bool = False
    slices: int | None = None  # how many it has, once the last one was handed over
    sent: int = 0
    dropped: bool = False


class SlicedSender(_Sliced):
    """The sender end: `send_frame` takes the slices of a frame one after the other. Those of a frame that was dropped
    go no further. `marks` the last slice, for a transport that does not."""

    def __init__(self, inner: Transport, slices: int, config: TransportConfig, *, marks: bool = True) -> None:
        super().__init__(inner, slices, config)
        self._marks = marks
        self._leaving: OrderedDict[_Key, _Leaving] = OrderedDict()

    def send_frame(self, frame: Frame, *, now: float) -> None:
        if frame.track not in self._sliced:
            self._inner.send_frame(frame, now=now)
        elif not (state := self._state(frame.track, frame.sequence)).dropped:
            if frame.last:
                state.slices = frame.slice + 1
            own = replace(
                frame,
                sequence=frame.sequence * self._slices + frame.slice,
                keyframe=frame.keyframe and frame.slice == 0,
                payload=(_LAST if frame.last else _NOT_LAST) + frame.payload if self._marks else frame.payload,
            )
            self._inner.send_frame(own, now=now)

    def stats(self) -> Mapping[str, int]:
        return self._inner.stats()

    def _state(self, track: int, sequence: int) -> _Leaving:
        state = self._leaving.setdefault((track, sequence), _Leaving())
        while len(self._leaving) > _MOST_FRAMES:
            self._leaving.popitem(last=False)
        return state

    def _of_frame(self, event: Event) -> Event | None:
        if not isinstance(event, FrameStarted | FrameSent | FrameDropped | FrameRepaired):
            return event
        if event.track not in self._sliced:
            return event
        whole = replace(event, sequence=event.sequence // self._slices)
        state = self._state(whole.track, whole.sequence)
        match event:
            case FrameStarted():
                told, state.started = state.started, True
            case FrameSent():
                state.sent += 1
                told = state.sent != (state.slices or self._slices)
            case FrameDropped():
                told, state.dropped = state.dropped, True
            case FrameRepaired():
                told = False
        return None if told else whole


@dataclass(slots=True)
class _Arriving:
    slices: dict[int, FrameReceived] = field(default_factory=dict)
    last: int | None = None


class SlicedReceiver(_Sliced):
    """The receiver end: a frame is received with the last of its slices, and lost with the first that is."""

    def __init__(self, inner: Transport, slices: int, config: TransportConfig) -> None:
        super().__init__(inner, slices, config)
        self._arrived: OrderedDict[_Key, _Arriving] = OrderedDict()
        self._held_bytes = 0
        self._ended: OrderedDict[_Key, None] = OrderedDict()  # received or lost
        self._forgotten = dict.fromkeys(self._sliced, -1)  # per track, the newest frame that ended so long ago
        self._frames = {"frames_received": 0, "frames_lost": 0}
        self._given_up = self._malformed = 0

    def send_frame(self, frame: Frame, *, now: float) -> None:
        self._inner.send_frame(frame, now=now)

    def stats(self) -> Mapping[str, int]:
        """Those of the transport below, but frames are counted, not slices."""
        inner = self._inner.stats()
        counted = {name: count for name, count in self._frames.items() if name in inner}
        malformed = inner.get("malformed", 0) + self._malformed
        return {**inner, **counted, "malformed": malformed, "sliced_frames_given_up": self._given_up}

    def _of_frame(self, event: Event) -> Event | None:
        whole = self._joined(event)
        if isinstance(whole, FrameReceived):
            self._frames["frames_received"] += 1
        elif isinstance(whole, FrameLost):
            self._frames["frames_lost"] += 1
        return whole

    def _joined(self, event: Event) -> Event | None:
        match event:
            case FrameReceived() if event.frame.track in self._sliced:
                return self._take(event)
            case FrameLost() if event.track in self._sliced:
                key = event.track, event.sequence // self._slices
                if key[1] <= self._forgotten[event.track] or self._end(key):
                    return None
                return replace(event, sequence=key[1])
            case _:
                return event

    def _take(self, event: FrameReceived) -> FrameReceived | None:
        sequence, index = divmod(event.frame.sequence, self._slices)
        mark, payload = event.frame.payload[:1], event.frame.payload[1:]
        if mark not in (_NOT_LAST, _LAST):
            self._malformed += 1
            return None
        key = event.frame.track, sequence
        if key in self._ended or sequence <= self._forgotten[key[0]]:
            return None
        arriving = self._arrived.setdefault(key, _Arriving())
        if index in arriving.slices:
            return None
        arriving.slices[index] = replace(event, frame=replace(event.frame, payload=payload))
        self._held_bytes += len(payload)
        if mark == _LAST:
            arriving.last = index
        if arriving.last is not None and all(each in arriving.slices for each in range(arriving.last + 1)):
            self._end(key)
            return _whole([arriving.slices[each] for each in range(arriving.last + 1)], sequence, event.at)
        while len(self._arrived) > _MOST_FRAMES or self._held_bytes > _MOST_BYTES:
            self._end(next(iter(self._arrived)))
            self._given_up += 1
        return None

    def _end(self, key: _Key) -> bool:
        """Nothing more is expected of a frame. Whether that was so before."""
        if (arriving := self._arrived.pop(key, None)) is not None:
            self._held_bytes -= sum(len(each.frame.payload) for each in arriving.slices.values())
        before = key in self._ended
        self._ended[key] = None
        while len(self._ended) > _MOST_FRAMES:
            track, sequence = self._ended.popitem(last=False)[0]
            self._forgotten[track] = max(self._forgotten[track], sequence)
        return before


def _whole(slices: list[FrameReceived], sequence: int, at: float) -> FrameReceived:
    first = slices[0].frame
    payload = b"".join(each.frame.payload for each in slices)
    return FrameReceived(
        frame=replace(first, sequence=sequence, payload=payload),
        first_arrival_at=min(each.first_arrival_at for each in slices),
        complete_at=max(each.complete_at for each in slices),
        at=at,
    )
