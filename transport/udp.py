"""udp: the floor. A frame is cut into fragments that leave at once; what is lost stays lost.

No handshake, no pacing, no repair, no feedback but the keyframe request: what any other arm adds, it adds to this. The
wire format is `transport/framing.py`, one fragment a datagram.
"""

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass

from glassbench.transport.contract import (
    Address,
    Closed,
    Connected,
    Datagram,
    Event,
    Frame,
    FrameDropped,
    FrameLost,
    FrameReceived,
    FrameSent,
    FrameStarted,
    KeyframeRequested,
    TransportConfig,
)
from glassbench.transport.framing import (
    FRAGMENT_HEADER_BYTES,
    MAX_FRAME_BYTES,
    FrameHeader,
    Malformed,
    keyframe_request,
    parse_keyframe_request,
    split_frame,
)
from glassbench.transport.keyframe_requests import KeyframeRequests
from glassbench.transport.reassembly import Reassembler

_MAX_QUEUED_BYTES = 2 * MAX_FRAME_BYTES  # between two drains of `datagrams_to_send`
_MAX_GAP = 3000  # frames; RFC 3550 A.1 calls it MAX_DROPOUT


@dataclass(frozen=True, slots=True)
class UdpOptions:
    """`reorder_window`: seconds from the first fragment of a later frame until an unfinished frame is given up.

    There is nothing to wait for but reordering inside the network. 20 ms covers what Wi-Fi block acks and LTE RLC leave
    over, and still is less than one frame interval at 30 fps, so a loss is known before the next frame could be shown.
    """

    reorder_window: float = 0.02

    def __post_init__(self) -> None:
        if not 0 <= self.reorder_window <= 10:
            raise ValueError(f"reorder_window must be 0 to 10 seconds, got {self.reorder_window}")


class _UdpEnd:
    """What both ends share: addresses, the outgoing queue, events and counters."""

    def __init__(self, config: TransportConfig) -> None:
        if config.max_datagram_bytes <= FRAGMENT_HEADER_BYTES:
            raise ValueError(
                f"max_datagram_bytes must exceed {FRAGMENT_HEADER_BYTES} for udp, got {config.max_datagram_bytes}"
            )
        self._config = config
        self._events: deque[Event] = deque()
        self._stats: Counter[str] = Counter(
            datagrams_sent=0, datagrams_received=0, malformed=0, foreign=0, keyframe_requests=0
        )
        self._connected = False
        self._closed = False

    def connect(self, *, now: float) -> None:
        if not self._connected:
            self._connected = True
            self._events.append(Connected(now))

    def next_event(self) -> Event | None:
        return self._events.popleft() if self._events else None

    def close(self, *, now: float) -> None:
        if not self._closed:
            self._closed = True
            self._events.append(Closed(now, None))

    def stats(self) -> Mapping[str, int]:
        return dict(self._stats)


class UdpSender(_UdpEnd):
    """Sends fragments. Keeps no state of a frame once it has left."""

    def __init__(self, config: TransportConfig) -> None:
        super().__init__(config)
        UdpOptions(**config.options)  # type: ignore[arg-type]  # the same check at both ends
        self._tracks = {track.id for track in config.tracks}
        self._queue: deque[tuple[Frame, list[bytes]]] = deque()
        self._queued_bytes = 0
        self._keyframe_requests = KeyframeRequests()
        self._stats.update(dropped_full=0, dropped_expired=0)

    def send_frame(self, frame: Frame, *, now: float) -> None:
        size = len(frame.payload)
        if frame.expires_at is not None and frame.expires_at <= now:
            self._stats["dropped_expired"] += 1
            self._events.append(FrameDropped(frame.track, frame.sequence, now, "expired"))
        elif self._closed or size > MAX_FRAME_BYTES or self._queued_bytes + size > _MAX_QUEUED_BYTES:
            self._stats["dropped_full"] += 1
            self._events.append(FrameDropped(frame.track, frame.sequence, now, "dropped"))
        else:
            self._queue.append((frame, split_frame(frame, self._config.max_datagram_bytes)))
            self._queued_bytes += size

    def frame_budget(self, *, ready_at: float, interval: float, now: float) -> int | None:
        return None

    def request_keyframe(self, track: int, *, now: float) -> None:
        raise TypeError("the sender end of udp does not request keyframes")

    def receive_datagram(self, data: bytes, peer: Address, ecn: int = 0, *, now: float) -> None:
        self._stats["datagrams_received"] += 1
        if peer != self._config.peer:
            self._stats["foreign"] += 1
            return
        try:
            track = parse_keyframe_request(data)
        except Malformed:
            self._stats["malformed"] += 1
            return
        if track not in self._tracks:
            self._stats["malformed"] += 1
        elif not self._closed:
            self._stats["keyframe_requests"] += 1
            if self._keyframe_requests.hears(track, now=now):
                self._events.append(KeyframeRequested(track, now))

    def datagrams_to_send(self, *, now: float) -> list[Datagram]:
        if not self._queue:
            return []
        peer = self._config.peer
        datagrams: list[Datagram] = []
        for frame, fragments in self._queue:
            datagrams += [Datagram(fragment, peer) for fragment in fragments]
            self._events.append(FrameStarted(frame.track, frame.sequence, now))
            self._events.append(FrameSent(frame.track, frame.sequence, now))
        self._queue.clear()
        self._queued_bytes = 0
        self._stats["datagrams_sent"] += len(datagrams)
        return datagrams

    def get_timer(self) -> float | None:
        return None

    def handle_timer(self, *, now: float) -> None:
        pass


class UdpReceiver(_UdpEnd):
    """Delivers frames as they complete, and gives up those that a later frame overtook `reorder_window` ago."""

    def __init__(self, config: TransportConfig) -> None:
        super().__init__(config)
        self._window = UdpOptions(**config.options).reorder_window  # type: ignore[arg-type]
        self._reassembler = Reassembler(config.tracks, max_finished=2 * _MAX_GAP * max(1, len(config.tracks)))
        self._newest = {track.id: _Newest() for track in config.tracks}
        self._overtaken: dict[tuple[int, int], float] = {}  # when to give up; in the order of these instants
        self._requests: dict[int, None] = {}
        self._stats.update(frames_received=0, frames_lost=0)

    def send_frame(self, frame: Frame, *, now: float) -> None:
        raise TypeError("the receiver end of udp does not send frames")

    def frame_budget(self, *, ready_at: float, interval: float, now: float) -> int | None:
        raise TypeError("the receiver end of udp does not send frames")

    def request_keyframe(self, track: int, *, now: float) -> None:
        if track in self._newest and not self._closed:
            self._requests[track] = None

    def receive_datagram(self, data: bytes, peer: Address, ecn: int = 0, *, now: float) -> None:
        self._stats["datagrams_received"] += 1
        if self._closed:
            return
        if peer[0] != self._config.peer[0]:  # its port may change: a NAT may move it
            self._stats["foreign"] += 1
            return
        try:
            header, assembled = self._reassembler.add(data, now=now)
        except Malformed:
            self._stats["malformed"] += 1
            return
        newest = self._newest[header.track]
        if header.sequence > newest.sequence:
            self._overtake(header, newest, now=now)
        if assembled is None or not newest.sequence - _MAX_GAP <= header.sequence <= newest.sequence:
            return  # incomplete; or so old that it could be a replay; or of a jump that is not believed
        if header.sequence == newest.sequence:
            newest.finished = True
        self._overtaken.pop((header.track, header.sequence), None)
        self._stats["frames_received"] += 1
        self._events.append(
            FrameReceived(assembled.frame, assembled.first_arrival_at, assembled.complete_at, now),
        )

    def datagrams_to_send(self, *, now: float) -> list[Datagram]:
        if not self._requests:
            return []
        datagrams = [Datagram(keyframe_request(track), self._config.peer) for track in self._requests]
        self._requests.clear()
        self._stats["keyframe_requests"] += len(datagrams)
        self._stats["datagrams_sent"] += len(datagrams)
        return datagrams

    def get_timer(self) -> float | None:
        return next(iter(self._overtaken.values()), None) if not self._closed else None

    def handle_timer(self, *, now: float) -> None:
        while self._overtaken and not self._closed:
            key, due_at = next(iter(self._overtaken.items()))
            if due_at > now:
                return
            self._give_up(key, now=now)

    def _overtake(self, header: FrameHeader, newest: "_Newest", *, now: float) -> None:
        """A later frame has begun. The frames before it that are not whole get `reorder_window` more, and are then
        given up."""
        sequence = header.sequence
        if sequence - newest.sequence > _MAX_GAP and sequence - newest.jump not in (0, 1):
            newest.jump = sequence  # believed when the next one confirms it, as in RFC 3550 A.1
            return
        first = max(newest.sequence + newest.finished, sequence - _MAX_GAP)
        for missing in range(first, sequence):
            self._overtaken[header.track, missing] = now + self._window
        newest.sequence = sequence
        newest.finished = False
        while len(self._overtaken) > _MAX_GAP:
            self._give_up(next(iter(self._overtaken)), now=now)

    def _give_up(self, key: tuple[int, int], *, now: float) -> None:
        del self._overtaken[key]
        self._reassembler.forget(*key)
        self._stats["frames_lost"] += 1
        self._events.append(FrameLost(*key, now))


class _Newest:
    """The latest frame of a track of which a fragment arrived, and a jump ahead that is not believed yet."""

    __slots__ = ("finished", "jump", "sequence")

    def __init__(self) -> None:
        self.sequence = -1
        self.finished = True
        self.jump = -2
