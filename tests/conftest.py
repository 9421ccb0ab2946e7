"""Two ends of a transport over a simulated path: what the contract test, and tests of one transport, run on."""

import fcntl
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import pytest

from glassbench.experiments.scenario.arm_spec import parse_arm
from glassbench.netem.element import Element
from glassbench.netem.elements.delay import Delay
from glassbench.netem.path import Path as NetworkPath
from glassbench.netem.simulator import Simulator
from glassbench.transport import registry
from glassbench.transport.contract import (
    Address,
    Datagram,
    Event,
    Frame,
    FrameReceived,
    Track,
    Transport,
    TransportConfig,
)

# A shell that starts the tests in the background makes them, and what they start, ignore Ctrl-C; some tests send it.
signal.signal(signal.SIGINT, signal.default_int_handler)

SENDER = ("10.0.0.1", 5000)
RECEIVER = ("10.0.0.2", 5000)

EventType = TypeVar("EventType")


class End:
    """An endpoint that makes planned calls on a transport, and keeps its events and what it sent."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport
        self.events: list[Event] = []
        self.sent: list[bytes] = []
        self._plan: list[tuple[float, Callable[[float], None]]] = []

    def at(self, instant: float, call: Callable[[float], None]) -> None:
        """Plan a call, before the simulation gets there."""
        self._plan.append((instant, call))
        self._plan.sort(key=lambda entry: entry[0])

    def of(self, kind: type[EventType]) -> list[EventType]:
        """Its events of one kind."""
        return [event for event in self.events if isinstance(event, kind)]

    def receive_datagram(self, data: bytes, peer: Address, ecn: int = 0, *, now: float) -> None:
        self.transport.receive_datagram(data, peer, ecn, now=now)
        self._drain()

    def datagrams_to_send(self, *, now: float) -> list[Datagram]:
        datagrams = self.transport.datagrams_to_send(now=now)
        self.sent += [datagram.data for datagram in datagrams]
        self._drain()
        return datagrams

    def get_timer(self) -> float | None:
        timers = [self.transport.get_timer(), self._plan[0][0] if self._plan else None]
        return min((timer for timer in timers if timer is not None), default=None)

    def handle_timer(self, *, now: float) -> None:
        while self._plan and self._plan[0][0] <= now:
            self._plan.pop(0)[1](now)
        self.transport.handle_timer(now=now)
        self._drain()

    def _drain(self) -> None:
        while (event := self.transport.next_event()) is not None:
            self.events.append(event)


class Session:
    """A sender and a receiver of transport `name`, both connected at START_AT, with a path each way.

    The name may have options behind it, as an arm: "srt:latency_ms=200".
    """

    START_AT = 1000.0
    MEDIA_AT = 1002.0
    VIDEO = Track(id=1, name="video", media="h264", priority=1, deadline=1.0)
    CHAT = Track(id=2, name="chat", media="data", priority=0)

    def __init__(
        self,
        name: str,
        *,
        timer_resolution: float = 0.0,
        seed: int = 7,
        forward: Sequence[Element] | None = None,
        backward: Sequence[Element] | None = None,
        tracks: tuple[Track, ...] = (VIDEO, CHAT),
        options: Mapping[str, object] | None = None,
    ) -> None:
        arm = parse_arm(name)
        entry = registry.get(arm.transport)
        complete = registry.validate_options(arm.transport, {**dict(arm.options), **(options or {})})
        ends = [(SENDER, RECEIVER, entry.make_sender), (RECEIVER, SENDER, entry.make_receiver)]
        self.sender, self.receiver = (
            End(make(TransportConfig(local, peer, seed, tracks, options=complete))) for local, peer, make in ends
        )
        self.tracks = {track.id: track for track in tracks}
        self.offered: dict[tuple[int, int], Frame] = {}
        self.simulator = Simulator(start_at=self.START_AT, timer_resolution=timer_resolution)
        self.simulator.add_node("sender", SENDER, self.sender)
        self.simulator.add_node("receiver", RECEIVER, self.receiver)
        self.simulator.add_link(SENDER, RECEIVER, NetworkPath(forward if forward is not None else [Delay(0.02)]))
        self.simulator.add_link(RECEIVER, SENDER, NetworkPath(backward if backward is not None else [Delay(0.02)]))
        self.receiver.at(self.START_AT, lambda now: self.receiver.transport.connect(now=now))
        self.sender.at(self.START_AT, lambda now: self.sender.transport.connect(now=now))

    def run(self, until: float) -> "Session":
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
        for index in range(count):
            captured_at = round((start_at + index * interval) * 1e6) / 1e6
            keyframe = index % 30 == 0
            payload = annex_b(delta_bytes * 4 if keyframe else delta_bytes, keyframe, index)
            self.offer(self._frame(self.VIDEO, first + index, index // 30, captured_at, keyframe, payload))
        return captured_at

    def offer_chat(self, count: int = 5, *, start_at: float = MEDIA_AT, interval: float = 0.25) -> None:
        """Offer messages of one byte and more, the last longer than a datagram."""
        for index in range(count):
            captured_at = round((start_at + 0.01 + index * interval) * 1e6) / 1e6
            payload = bytes(range(1 + index)) if index < count - 1 else bytes(range(256)) * 12
            self.offer(self._frame(self.CHAT, index, 0, captured_at, True, payload))

    def received(self) -> dict[tuple[int, int], Frame]:
        """The frames that arrived, by track and sequence; each at most once and as it was sent."""
        frames = [event.frame for event in self.receiver.of(FrameReceived)]
        found = {(frame.track, frame.sequence): frame for frame in frames}
        assert len(found) == len(frames), "a frame was delivered twice"
        for key, frame in found.items():
            assert frame == self.offered[key]
        return found

    def _frame(
        self, track: Track, sequence: int, group: int, captured_at: float, keyframe: bool, payload: bytes
    ) -> Frame:
        expires_at = None if track.deadline is None else captured_at + track.deadline
        return Frame(track.id, group, sequence, captured_at, keyframe, 0, track.priority, expires_at, payload)


def annex_b(size: int, keyframe: bool, salt: int) -> bytes:
    """A valid-looking H.264 access unit: start code, NAL unit header, filler without start codes."""
    pattern = bytes((value * (2 * salt + 3)) % 255 + 1 for value in range(255))
    head = b"\x00\x00\x00\x01" + (b"\x65" if keyframe else b"\x41")
    return head + (pattern * (size // 255 + 1))[: size - len(head)]


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Callable[[Path], object]], Path]:
    """A folder that the first worker of pytest-xdist that asks for it fills, and all of them read."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

    def folder_of(name: str, fill: Callable[[Path], object]) -> Path:
        folder = shared / name
        with (shared / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not folder.exists():
                begun = shared / f"{name}.begun"
                shutil.rmtree(begun, ignore_errors=True)
                fill(begun)
                begun.rename(folder)
        return folder

    return folder_of


@pytest.fixture
def make_session() -> type[Session]:
    return Session


@pytest.fixture
def modules_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The current folder has modules named like the standard library's and like ours, and Python looks there first, as
    a notebook and `python -m` do; none of them is run."""
    folder = tmp_path / "of the user"
    folder.mkdir()
    names = "json queue random select signal socket struct subprocess tempfile typing experiments netem transport numpy"
    for name in names.split():
        (folder / f"{name}.py").write_text(
            f"open({str(folder / 'run')!r}, 'a').write('{name} ')\nraise SystemExit(3)\n"
        )
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", ["", str(folder), *sys.path])
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(("", os.environ.get("PYTHONPATH", ""))))
    yield
    assert not (folder / "run").exists(), (folder / "run").read_text()
