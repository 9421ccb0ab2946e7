"""A viewer in Python that watches `glass serve` as a page would, in an asyncio loop."""

import asyncio
from collections.abc import Callable

from glassbench.experiments.scenario.tracks import CHAT_TRACK, VIDEO_TRACK
from glassbench.experiments.worlds.browser.way import Way
from glassbench.netem.live.clock import LiveClock, monotonic_ns
from glassbench.netem.live.udp_socket import UdpSocket, open_socket
from glassbench.transport.contract import Closed, Event, Frame, FrameReceived, Track, TransportConfig
from glassbench.transport.framing import message
from glassbench.transport.quic.served import Mapping, visiting_receiver
from glassbench.transport.quic.service import Visit

LOCAL = "127.0.0.1"
TRACKS = (Track(VIDEO_TRACK, "video", "h264", 1), Track(CHAT_TRACK, "words", "data", 2))


class Visitor:
    """A receiver of ours that calls the server at a port of this host. It keeps all its events."""

    def __init__(
        self,
        port: int,
        visit: Visit,
        mapping: Mapping = "datagram",
        *,
        make_way: Callable[[float], Way] | None = None,
    ) -> None:
        """`make_way` makes an emulated network between, for a session that begins at that time."""
        self.events: list[Event] = []
        clock = self._clock = LiveClock(monotonic_ns())
        self.udp = UdpSocket(open_socket(), clock)
        self.way = None if make_way is None else make_way(clock.now())
        config = TransportConfig(self.udp.address, (LOCAL, port), 2, TRACKS)
        self.end = visiting_receiver(mapping, config, visit)
        self.end.connect(now=clock.now())
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self.udp.fileno(), self._read)
        self._timer: asyncio.TimerHandle | None = None
        self._go()

    def now(self) -> float:
        """The time of its own session."""
        return self._clock.now()

    @property
    def frames(self) -> list[Frame]:
        return [
            each.frame for each in self.events if isinstance(each, FrameReceived) and each.frame.track == VIDEO_TRACK
        ]

    @property
    def words(self) -> list[bytes]:
        return [frame.payload for frame in self._received if frame.track == CHAT_TRACK]

    @property
    def of_video(self) -> list[FrameReceived]:
        return [each for each in self.events if isinstance(each, FrameReceived) and each.frame.track == VIDEO_TRACK]

    @property
    def _received(self) -> list[Frame]:
        return [each.frame for each in self.events if isinstance(each, FrameReceived)]

    @property
    def closed(self) -> list[str | None]:
        return [each.error for each in self.events if isinstance(each, Closed)]

    def say(self, content: bytes) -> None:
        self.stream(message(content))

    def stream(self, data: bytes, *, ends: bool = True) -> None:
        """Send bytes on a stream of its own."""
        assert self.end._stack is not None and self.end._session is not None
        self.end._stack.send_stream_data(self.end._session.open_stream(), data, end_stream=ends)
        self._go()

    def datagram(self, data: bytes) -> None:
        assert self.end._stack is not None and self.end._session is not None
        self.end._stack.send_datagram(self.end._session.datagram(data), None)
        self._go()

    async def until(self, holds: Callable[[], bool], seconds: float = 10.0) -> None:
        end = self._loop.time() + seconds
        while not holds():
            assert self._loop.time() < end, (self.closed, len(self.frames), self.words[-3:])
            await asyncio.sleep(0.01)

    def leave(self) -> None:
        self.end.close(now=self._clock.now())
        self._go()
        self.vanish()

    def move(self) -> None:
        """Go on from another port."""
        self._loop.remove_reader(self.udp.fileno())
        self.udp.close()
        self.udp = UdpSocket(open_socket(), self._clock)
        self._loop.add_reader(self.udp.fileno(), self._read)
        self.stream(b"")

    def vanish(self) -> None:
        """Be gone without a word."""
        if self._timer is not None:
            self._timer.cancel()
        if self.udp.fileno() >= 0:
            self._loop.remove_reader(self.udp.fileno())
            self.udp.close()

    def stop_reading(self) -> None:
        """Take nothing out of its socket any more, and send nothing."""
        self._loop.remove_reader(self.udp.fileno())
        if self._timer is not None:
            self._timer.cancel()

    def read_again(self) -> None:
        """After `stop_reading`."""
        self._loop.add_reader(self.udp.fileno(), self._read)
        self._go()

    def _read(self) -> None:
        for data, peer, ecn, at in self.udp.receive():
            if self.way is None:
                self.end.receive_datagram(data, peer, ecn, now=at)
            else:
                self.way.come(data, peer, ecn, at)
        self._go()

    def _go(self) -> None:
        now = self._clock.now()
        timers = []
        if self.way is not None:
            for data, peer, ecn, at in self.way.came(now):
                self.end.receive_datagram(data, peer, ecn, now=at)
        self.end.handle_timer(now=now)
        if self.way is None:
            self.udp.send(self.end.datagrams_to_send(now=now))
        else:
            self.way.leave(self.end.datagrams_to_send(now=now), now)
            self.udp.send((data, peer, ecn) for data, peer, ecn, _ in self.way.left(now))
            timers.append(self.way.due_at())
        while (event := self.end.next_event()) is not None:
            self.events.append(event)
        if self._timer is not None:
            self._timer.cancel()
        if due := [at for at in (*timers, self.end.get_timer()) if at is not None]:
            self._timer = self._loop.call_later(max(0.0, min(due) - now), self._go)
