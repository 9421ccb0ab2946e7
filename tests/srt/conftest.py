"""Two ends of srt on a simulated path, and what they report."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest

from glassbench.experiments.worlds.testing.end import RecordedEnd
from glassbench.netem.element import Element
from glassbench.netem.elements.delay import Delay
from glassbench.netem.medium import LossyMedium
from glassbench.netem.packet import Packet
from glassbench.netem.path import Path
from glassbench.netem.simulator import Simulator
from glassbench.transport.contract import (
    Address,
    Closed,
    Frame,
    FrameLost,
    FrameReceived,
    Track,
    TransportConfig,
)
from glassbench.transport.srt import SrtReceiver, SrtSender

SENDER: Address = ("10.0.0.1", 9000)
RECEIVER: Address = ("10.0.0.2", 9000)
VIDEO = Track(1, "video", "h264", 0)
CHAT = Track(2, "chat", "data", 1)


class Lossy(LossyMedium):
    """Loses the packets that `loses_data` names, by their SRT sequence number from 0 and how often it came before.

    Control packets pass.
    """

    def __init__(self, loses_data: Callable[[int, int], bool]) -> None:
        super().__init__()
        self._loses_data = loses_data
        self._first: int | None = None
        self._seen: Counter[int] = Counter()

    def loses(self, packet: Packet) -> bool:
        if packet.data[0] & 0x80:
            return False
        number = int.from_bytes(packet.data[:4], "big")
        if self._first is None:
            self._first = number
        sequence = (number - self._first) & 0x7FFF_FFFF
        self._seen[sequence] += 1
        return self._loses_data(sequence, self._seen[sequence] - 1)


@dataclass
class Call:
    """A sender, a receiver and the two paths between them; `now` is virtual time."""

    simulator: Simulator
    sender: RecordedEnd
    receiver: RecordedEnd
    submitted: dict[tuple[int, int], float] = field(default_factory=dict)

    @property
    def now(self) -> float:
        return self.simulator.now

    def run(self, until: float) -> None:
        self.simulator.run(until=until)

    def connect(self) -> None:
        for name, end in (("sender", self.sender), ("receiver", self.receiver)):
            end.transport.connect(now=self.now)
            end.take_events()
            self.simulator.settle(name)

    def send(self, sequence: int, size: int = 1000, *, track: int = VIDEO.id, expires_at: float | None = None) -> None:
        frame = Frame(
            track=track,
            group=0,
            sequence=sequence,
            captured_at=round(self.now * 1e6) / 1e6,
            keyframe=sequence == 0,
            layer=0,
            priority=0,
            expires_at=expires_at,
            payload=(sequence * 7919 + track).to_bytes(4, "big") * (size // 4) + bytes(size % 4),
        )
        self.sender.transport.send_frame(frame, now=self.now)
        self.sender.take_events()
        self.submitted[track, sequence] = self.now
        self.simulator.settle("sender")

    def stream(self, count: int, interval: float, size: int = 1000, *, first: int = 0) -> None:
        """Send `count` frames at even intervals from now on."""
        start_at = self.now
        for index in range(count):
            self.run(start_at + index * interval)
            self.send(first + index, size)

    def request_keyframe(self, track: int = VIDEO.id) -> None:
        self.receiver.transport.request_keyframe(track, now=self.now)
        self.simulator.settle("receiver")

    def close(self, name: str) -> None:
        end = self.sender if name == "sender" else self.receiver
        end.transport.close(now=self.now)
        end.take_events()
        self.simulator.settle(name)

    def received(self) -> dict[tuple[int, int], FrameReceived]:
        return {(event.frame.track, event.frame.sequence): event for event in self.receiver.of(FrameReceived)}

    def lost(self) -> list[tuple[int, int]]:
        return [(event.track, event.sequence) for event in self.receiver.of(FrameLost)]

    def closed(self, name: str) -> Closed | None:
        """The end of the connection as that end saw it; there is at most one."""
        events = (self.sender if name == "sender" else self.receiver).of(Closed)
        assert len(events) <= 1
        return events[0] if events else None

    def delays(self) -> list[float]:
        """From submission to delivery, of the frames delivered, in order of sequence."""
        received = self.received()
        return [received[key].at - at for key, at in self.submitted.items() if key in received]


@pytest.fixture(params=[0.0, 0.001], ids=["exact timers", "1 ms timers"])
def timer_resolution(request: pytest.FixtureRequest) -> float:
    return float(request.param)


@pytest.fixture
def make_call(timer_resolution: float) -> Callable[..., Call]:
    """Builds a call. `there` and `back` are the elements of the two directions, else a constant delay of rtt / 2."""

    def make(
        *,
        rtt: float = 0.04,
        there: Sequence[Element] | None = None,
        back: Sequence[Element] | None = None,
        seed: int = 1,
        max_datagram_bytes: int = 1452,
        connect: bool = True,
        **options: object,
    ) -> Call:
        simulator = Simulator(timer_resolution=timer_resolution)
        ends = {
            "sender": RecordedEnd(
                SrtSender(TransportConfig(SENDER, RECEIVER, seed, (VIDEO, CHAT), max_datagram_bytes, options))
            ),
            "receiver": RecordedEnd(
                SrtReceiver(TransportConfig(RECEIVER, SENDER, seed, (VIDEO, CHAT), max_datagram_bytes, options))
            ),
        }
        simulator.add_node("sender", SENDER, ends["sender"])
        simulator.add_node("receiver", RECEIVER, ends["receiver"])
        simulator.add_route(SENDER, RECEIVER, [simulator.add_link(Path([Delay(rtt / 2)] if there is None else there))])
        simulator.add_route(RECEIVER, SENDER, [simulator.add_link(Path([Delay(rtt / 2)] if back is None else back))])
        call = Call(simulator, ends["sender"], ends["receiver"])
        if connect:
            call.connect()
        return call

    return make


@pytest.fixture
def lossy() -> type[Lossy]:
    """The element that loses chosen transmissions of chosen packets."""
    return Lossy
