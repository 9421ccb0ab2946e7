"""A stack of others as a `transport.contract.Transport`, so that pipelines of ours drive it. Its datagrams are its own
affair."""

import threading
from collections import Counter, deque
from collections.abc import Mapping

from glassbench.experiments.account.reports import Role
from glassbench.experiments.scenario.tracks import VIDEO_TRACK
from glassbench.experiments.worlds.peers.outlet import Given
from glassbench.experiments.worlds.peers.peer import PeerEnd, PeerError
from glassbench.transport.contract import (
    Address,
    Closed,
    Connected,
    Datagram,
    Event,
    Frame,
    FrameDropped,
    FrameSent,
    FrameStarted,
    KeyframeRequested,
    Track,
    Unsupported,
)
from glassbench.transport.framing import Malformed, keyframe_request, parse_keyframe_request, split_frame
from glassbench.transport.srt.frames import FrameAssembler


class PeerTransport:
    """One end. `framed`: the stack carries messages, and our framing is in them; otherwise it takes what a frame
    consists of, and what it gives is for `take`.

    A frame is sent when the stack has taken it: what it does with it then nobody is told.
    """

    def __init__(self, end: PeerEnd, role: Role, tracks: tuple[Track, ...], *, framed: bool) -> None:
        self._end = end
        self._outlet = end.context.outlet
        self._role = role
        self._framed = framed
        self._tracks = {track.id for track in tracks}
        self._events: deque[Event] = deque()
        self._stats: Counter[str] = Counter(malformed=0, dropped_full=0, dropped_expired=0, keyframe_requests=0)
        self._assembler = FrameAssembler(tracks, self._events, self._stats)
        self._connecting = _Connecting(end)
        self.connected = False
        self._closed = False

    def connect(self, *, now: float) -> None:
        self._connecting.start()

    def send_frame(self, frame: Frame, *, now: float) -> None:
        if frame.expires_at is not None and frame.expires_at <= now:
            self._stats["dropped_expired"] += 1
            self._events.append(FrameDropped(frame.track, frame.sequence, now, "expired"))
            return
        parts = split_frame(frame, self._end.message_bytes) if self._framed else [frame.payload]
        if not all(self._hand_over(part, frame) for part in parts):
            self._stats["dropped_full"] += 1
            self._events.append(FrameDropped(frame.track, frame.sequence, now, "dropped"))
            return
        self._events.append(FrameStarted(frame.track, frame.sequence, now))
        self._events.append(FrameSent(frame.track, frame.sequence, now))

    def frame_budget(self, *, ready_at: float, interval: float, now: float) -> int | None:
        return None

    def request_keyframe(self, track: int, *, now: float) -> None:
        self._stats["keyframe_requests"] += 1
        try:
            self._end.send_back(keyframe_request(track))
        except PeerError as error:
            self._outlet.fail(str(error))

    def receive_datagram(self, data: bytes, peer: Address, ecn: int = 0, *, now: float) -> None:
        """Nothing: the stack has sockets of its own."""

    def datagrams_to_send(self, *, now: float) -> list[Datagram]:
        return []

    def get_timer(self) -> float | None:
        return None

    def handle_timer(self, *, now: float) -> None:
        """See what the stack has given, and how it is. It is called when the outlet is readable."""
        if self._framed:
            for given in self.take():
                self._take_message(given.data, at=min(given.at, now))  # a message may come after our driver looked
        if self._connecting.connected and not self.connected:
            self.connected = True
            self._events.append(Connected(now))
        if self._outlet.keyframe_wanted:
            self._outlet.keyframe_wanted = False
            self._events.append(KeyframeRequested(VIDEO_TRACK, now))
        if self._outlet.failed is not None and not self._closed:
            self._closed = True
            self._events.append(Closed(now, self._outlet.failed))

    def take(self) -> list[Given]:
        """What the stack gave, in order."""
        return self._outlet.take()

    def next_event(self) -> Event | None:
        return self._events.popleft() if self._events else None

    def close(self, *, now: float) -> None:
        try:
            self._end.close()
        except PeerError as error:
            self._outlet.fail(str(error))

    def stats(self) -> Mapping[str, int]:
        return {**self._end.counters(), **self._stats, "dropped_outlet": self._outlet.dropped}

    def _hand_over(self, part: bytes, frame: Frame) -> bool:
        if self._outlet.failed is not None:
            return False
        try:
            return self._end.send(part, frame)
        except PeerError as error:
            self._outlet.fail(str(error))
            return False

    def _take_message(self, data: bytes, *, at: float) -> None:
        try:
            if self._role == "receiver":
                self._assembler.add(data, arrived_at=at, skipped=False, now=at)
            elif (track := parse_keyframe_request(data)) in self._tracks:
                self._stats["keyframe_requests"] += 1
                self._events.append(KeyframeRequested(track, at))
            else:
                self._stats["malformed"] += 1
        except Malformed:
            self._stats["malformed"] += 1


class _Connecting:
    """The thread in which an end connects."""

    def __init__(self, end: PeerEnd) -> None:
        self._end = end
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.connected = False

    def start(self) -> None:
        self._thread.start()

    def _run(self) -> None:
        try:
            self._end.connect()
        except Unsupported as error:
            self._end.context.outlet.refuse(str(error))
            return
        except PeerError as error:
            self._end.context.outlet.fail(str(error))
            return
        self.connected = True
        self._end.context.outlet.wake()
