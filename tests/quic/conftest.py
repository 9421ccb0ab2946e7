"""Two ends of a QUIC arm in the simulator, with frames offered to one and the events of both written down."""

import ssl
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import pytest
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection

from glassbench.experiments.worlds.testing.end import RecordedEnd
from glassbench.netem.element import Counts, Element
from glassbench.netem.elements.delay import Delay
from glassbench.netem.elements.fixed_rate import FixedRate
from glassbench.netem.packet import Packet
from glassbench.netem.path import Path
from glassbench.netem.queues.drop_tail import DropTail
from glassbench.netem.simulator import Simulator
from glassbench.transport.contract import Event, Frame, FrameReceived, Track, Transport, TransportConfig
from glassbench.transport.registry import get, validate_options

SENDER, RECEIVER = ("10.0.0.1", 4000), ("10.0.0.2", 4433)
START_AT = 1000.0
MEDIA_AT = 1002.0
VIDEO = Track(id=1, name="video", media="h264", priority=2)
CHAT = Track(id=2, name="chat", media="data", priority=0)


class Drop(Element):
    """Loses the packets for which `lost(packet)` holds."""

    shortest = 0.0

    def __init__(self, lost: Callable[[Packet], bool]) -> None:
        self._lost = lost
        self.gone: list[Packet] = []
        self._out: list[Packet] = []
        self._counts = Counts()

    def push(self, packet: Packet) -> None:
        self._counts.pushed += 1
        if self._lost(packet):
            self._counts.lost += 1
        else:
            self._out.append(packet)

    def pop(self, now: float) -> list[Packet]:
        out, self._out = self._out, []
        self._counts.popped += len(out)
        return out

    def get_timer(self) -> float | None:
        return self._out[0].at if self._out else None

    def counts(self) -> Counts:
        return self._counts


@dataclass
class Call:
    """One session between a sending and a receiving end."""

    arm: str
    options: dict[str, object] = field(default_factory=dict)
    tracks: tuple[Track, ...] = (VIDEO, CHAT)
    forward: Sequence[Element] | None = None
    backward: Sequence[Element] | None = None
    delay: float = 0.02
    rate_bps: float = 20e6
    queue_bytes: int = 200_000
    timer_resolution: float = 0.0
    sender: RecordedEnd = field(init=False)
    receiver: RecordedEnd = field(init=False)
    simulator: Simulator = field(init=False)

    def make(
        self, frames: Iterable[Frame], requests: Iterable[tuple[float, int]] = (), close_at: float | None = None
    ) -> None:
        entry = get(self.arm)
        options = validate_options(self.arm, self.options)
        left = TransportConfig(SENDER, RECEIVER, 1, self.tracks, options=options)
        right = TransportConfig(RECEIVER, SENDER, 2, self.tracks, options=options)
        sender, receiver = entry.make_sender(left), entry.make_receiver(right)
        calls: list[tuple[float, Callable[[float], None]]] = [(START_AT, lambda now: sender.connect(now=now))]
        calls += [(f.captured_at, lambda now, f=f: sender.send_frame(f, now=now)) for f in frames]  # type: ignore[misc]
        if close_at is not None:
            calls.append((close_at, lambda now: sender.close(now=now)))
        asks = [(at, lambda now, t=t: receiver.request_keyframe(t, now=now)) for at, t in requests]
        self.sender, self.receiver = RecordedEnd(sender), RecordedEnd(receiver)
        for end, planned in ((self.sender, calls), (self.receiver, asks)):
            for at, make_call in planned:
                end.at(at, make_call)
        self.simulator = Simulator(timer_resolution=self.timer_resolution)
        self.simulator.add_node("sender", SENDER, self.sender)
        self.simulator.add_node("receiver", RECEIVER, self.receiver)
        forward = self.forward if self.forward is not None else self.link()
        backward = self.backward if self.backward is not None else [Delay(self.delay)]
        self.simulator.add_route(SENDER, RECEIVER, [self.simulator.add_link(Path(forward))])
        self.simulator.add_route(RECEIVER, SENDER, [self.simulator.add_link(Path(backward))])

    def link(self) -> list[Element]:
        return [FixedRate(self.rate_bps, DropTail(limit_bytes=self.queue_bytes)), Delay(self.delay)]

    def run(
        self,
        frames: Iterable[Frame],
        *,
        until: float,
        requests: Iterable[tuple[float, int]] = (),
        close_at: float | None = None,
    ) -> "Call":
        self.make(frames, requests, close_at)
        self.simulator.run(until=until)
        return self

    def of(self, kind: type) -> list[Event]:
        return [event for end in (self.sender, self.receiver) for event in end.events if isinstance(event, kind)]

    def received(self, track: int = VIDEO.id) -> dict[int, FrameReceived]:
        events = [e for e in self.receiver.events if isinstance(e, FrameReceived) and e.frame.track == track]
        assert len({e.frame.sequence for e in events}) == len(events), "a frame was received twice"
        return {e.frame.sequence: e for e in events}

    def counts(self) -> Counter[str]:
        return Counter(type(e).__name__ for end in (self.sender, self.receiver) for e in end.events)


def make_video(
    count: int,
    size: int | Callable[[int], int] = 16_000,
    *,
    interval: float = 1 / 30,
    deadline: float | None = None,
    gop: int = 30,
    track: Track = VIDEO,
    at: float = MEDIA_AT,
) -> list[Frame]:
    """Frames of distinct contents; a keyframe begins each group."""
    frames = []
    for n in range(count):
        captured_at = round((at + n * interval) * 1e6) / 1e6
        length = size(n) if callable(size) else size
        frames.append(
            Frame(
                track=track.id,
                group=n // gop,
                sequence=n,
                captured_at=captured_at,
                keyframe=n % gop == 0,
                layer=0,
                priority=track.priority,
                expires_at=None if deadline is None else captured_at + deadline,
                payload=bytes([n % 251]) * length,
            )
        )
    return frames


def make_end(arm: str, *, calls: bool) -> Transport:
    """One end with default options, outside of the simulator."""
    entry = get(arm)
    options = validate_options(arm, {})
    if calls:
        return entry.make_sender(TransportConfig(SENDER, RECEIVER, 1, (VIDEO, CHAT), options=options))
    return entry.make_receiver(TransportConfig(RECEIVER, SENDER, 2, (VIDEO, CHAT), options=options))


class Pair:
    """Two ends that exchange datagrams without delay; `step` lets a millisecond pass."""

    def __init__(self, caller, listener):
        self.ends = (caller, listener)
        self.now = 1000.0
        self.wires = ([], [])

    def step(self, times=1):
        for _ in range(times):
            self.now += 0.001
            for index, end in enumerate(self.ends):
                for data in self._sent(end):
                    self.wires[index].append(data)
                    self.ends[1 - index].receive_datagram(data, (SENDER, RECEIVER)[index], now=self.now)
                timer = end.get_timer()
                if timer is not None and timer <= self.now:
                    end.handle_timer(now=self.now)
        return self

    def _sent(self, end):
        return [datagram[0] for datagram in end.datagrams_to_send(now=self.now)]


class Hostile:
    """A caller that speaks QUIC, and on it whatever it likes."""

    def __init__(self, alpn="glassbench"):
        configuration = QuicConfiguration(
            alpn_protocols=[alpn], verify_mode=ssl.CERT_NONE, max_datagram_frame_size=65535, server_name="x"
        )
        self.quic = QuicConnection(configuration=configuration)
        self.listener = make_end(
            "quic-stream-per-frame" if alpn == "glassbench" else "webtransport-datagram", calls=False
        )
        self.quic.connect(RECEIVER, now=1000.0)
        self.pair = Pair(self.quic, self.listener).step(20)

    def stream(self, data, end=True):
        stream_id = self.quic.get_next_available_stream_id(is_unidirectional=True)
        self.quic.send_stream_data(stream_id, data, end_stream=end)
        return stream_id


def take_events(end: Transport) -> list[Event]:
    """All events that wait."""
    waiting = []
    while (event := end.next_event()) is not None:
        waiting.append(event)
    return waiting


@pytest.fixture
def call() -> type[Call]:
    return Call


@pytest.fixture
def video() -> Callable[..., list[Frame]]:
    return make_video


@pytest.fixture
def drop() -> type[Drop]:
    return Drop


# Of the session, for hypothesis runs one test function many times with the same fixtures.


@pytest.fixture(scope="session")
def new_end() -> Callable[..., Transport]:
    return make_end


@pytest.fixture(scope="session")
def pair() -> type[Pair]:
    return Pair


@pytest.fixture(scope="session")
def hostile() -> type[Hostile]:
    return Hostile


@pytest.fixture(scope="session")
def events() -> Callable[[Transport], list[Event]]:
    return take_events
