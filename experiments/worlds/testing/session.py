"""A sender and a receiver of one transport, with a path each way, and media to send."""

from collections.abc import Mapping, Sequence
from functools import cache

from glassbench.experiments.worlds.testing.end import RecordedEnd
from glassbench.netem.element import Element
from glassbench.netem.elements.delay import Delay
from glassbench.netem.path import Path
from glassbench.netem.simulator import START_AT, Simulator
from glassbench.transport.contract import Frame, FrameReceived, Track, TransportConfig
from glassbench.transport.registry import TransportEntry

SENDER = ("10.0.0.1", 5000)
RECEIVER = ("10.0.0.2", 5000)
MEDIA_AT = START_AT + 2.0
ONE_WAY = 0.02  # seconds, unless a test builds its own path
VIDEO = Track(id=1, name="video", media="h264", priority=1, deadline=1.0)
CHAT = Track(id=2, name="chat", media="data", priority=0)


class RecordedSession:
    """A session whose ends are connected at START_AT. `options` are complete, as `registry.validate_options` gives
    them."""

    def __init__(
        self,
        entry: TransportEntry,
        options: Mapping[str, object],
        *,
        timer_resolution: float = 0.0,
        seed: int = 7,
        forward: Sequence[Element] | None = None,
        backward: Sequence[Element] | None = None,
        tracks: tuple[Track, ...] = (VIDEO, CHAT),
    ) -> None:
        ends = [(SENDER, RECEIVER, entry.make_sender), (RECEIVER, SENDER, entry.make_receiver)]
        self.sender, self.receiver = (
            RecordedEnd(make(TransportConfig(local, peer, seed, tracks, options=options))) for local, peer, make in ends
        )
        self._tracks = {track.id: track for track in tracks}
        self.offered: dict[tuple[int, int], Frame] = {}
        self.simulator = Simulator(timer_resolution=timer_resolution)
        self.simulator.add_node("sender", SENDER, self.sender)
        self.simulator.add_node("receiver", RECEIVER, self.receiver)
        self.simulator.add_route(
            SENDER, RECEIVER, [self.simulator.add_link(Path([Delay(ONE_WAY)] if forward is None else forward))]
        )
        self.simulator.add_route(
            RECEIVER, SENDER, [self.simulator.add_link(Path([Delay(ONE_WAY)] if backward is None else backward))]
        )
        self.receiver.at(START_AT, lambda now: self.receiver.transport.connect(now=now))
        self.sender.at(START_AT, lambda now: self.sender.transport.connect(now=now))

    @property
    def ends(self) -> tuple[RecordedEnd, RecordedEnd]:
        return self.sender, self.receiver

    def run(self, until: float) -> "RecordedSession":
        """Let everything happen until an instant."""
        self.simulator.run(until=until)
        return self

    def offer(self, frame: Frame) -> None:
        """Send a frame when it is captured."""
        self.offered[frame.track, frame.sequence] = frame
        self.sender.at(frame.captured_at, lambda now: self.sender.transport.send_frame(frame, now=now))

    def offer_video(
        self,
        count: int = 45,
        *,
        start_at: float = MEDIA_AT,
        first: int = 0,
        delta_bytes: int = 4000,
        interval: float = 1 / 30,
    ) -> float:
        """Offer frames with a keyframe of four times `delta_bytes` each second; gives the instant of the last."""
        captured_at = start_at
        for index in range(count):
            captured_at = round((start_at + index * interval) * 1e6) / 1e6
            keyframe = index % 30 == 0
            payload = access_unit(delta_bytes * 4 if keyframe else delta_bytes, keyframe=keyframe, salt=index)
            track = self._tracks[VIDEO.id]
            self.offer(_frame(track, first + index, captured_at, payload, group=index // 30, keyframe=keyframe))
        return captured_at

    def offer_chat(self, count: int = 5, *, start_at: float = MEDIA_AT, interval: float = 0.25) -> None:
        """Offer messages of one byte and more, the last longer than a datagram."""
        for index in range(count):
            captured_at = round((start_at + 0.01 + index * interval) * 1e6) / 1e6
            payload = bytes(range(1 + index)) if index < count - 1 else bytes(range(256)) * 12
            self.offer(_frame(self._tracks[CHAT.id], index, captured_at, payload, group=0, keyframe=True))

    def received(self) -> dict[tuple[int, int], Frame]:
        """The frames that arrived, by track and sequence. Raises AssertionError for one that came twice or changed."""
        received: dict[tuple[int, int], Frame] = {}
        for event in self.receiver.of(FrameReceived):
            key = event.frame.track, event.frame.sequence
            if key in received:
                raise AssertionError(f"frame {key} was delivered twice")
            if event.frame != self.offered.get(key):
                raise AssertionError(f"frame {key} was delivered, but not as it was sent")
            received[key] = event.frame
        return received


def access_unit(size: int, *, keyframe: bool, salt: int) -> bytes:
    """A valid-looking H.264 access unit: start code, NAL unit header, filler without start codes."""
    head = b"\x00\x00\x00\x01" + (b"\x65" if keyframe else b"\x41")
    return head + (_pattern(salt) * (size // 255 + 1))[: size - len(head)]


@cache
def _pattern(salt: int) -> bytes:
    return bytes((value * (2 * salt + 3)) % 255 + 1 for value in range(255))


def _frame(track: Track, sequence: int, captured_at: float, payload: bytes, *, group: int, keyframe: bool) -> Frame:
    expires_at = None if track.deadline is None else captured_at + track.deadline
    return Frame(track.id, group, sequence, captured_at, keyframe, 0, track.priority, expires_at, payload)
