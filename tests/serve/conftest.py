"""A server on loopback, and viewers in Python that watch it as a page would."""

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator, Callable
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest

from glassbench.experiments.scenario import Scenario, build
from glassbench.experiments.scenario.tracks import CHAT_TRACK, VIDEO_TRACK
from glassbench.experiments.serve import web
from glassbench.experiments.serve.server import Broadcast, Server
from glassbench.experiments.serve.serving import Site, offer_of
from glassbench.experiments.worlds.browser.viewer import Viewer
from glassbench.netem.live.clock import LiveClock, monotonic_ns
from glassbench.netem.live.udp_socket import UdpSocket, open_socket
from glassbench.transport.contract import Closed, Event, Frame, FrameReceived, Track, TransportConfig
from glassbench.transport.framing import message
from glassbench.transport.quic.served import Mapping, visiting_receiver
from glassbench.transport.quic.service import Visit

LOCAL = "127.0.0.1"
CHROMIUM = next((name for name in ("chromium", "chromium-browser", "google-chrome") if shutil.which(name)), None)
TRACKS = (Track(VIDEO_TRACK, "video", "h264", 1), Track(CHAT_TRACK, "words", "data", 2))


@pytest.fixture
def needs_chromium() -> str:
    """The name of Chromium; skips the test where there is none."""
    if CHROMIUM is None:
        pytest.skip("there is no Chromium; to run this: sudo apt install chromium")
    return CHROMIUM


def watched(network: dict[str, Any] | None = None, **video: Any) -> Scenario:
    return build(
        {
            "name": "watched",
            "seed": 1,
            "duration": "1min",
            "network": network or {},
            "video": {"source": "synthetic", "width": 320, "height": 180, "fps": 30, "bitrate": "600kbit/s", **video},
            "arms": ["webtransport-datagram"],
        }
    )


class Running:
    """A server, the address of its page, what it said, and who has left."""

    runner: Any

    def __init__(self, offer: Broadcast, url: str, scenario: Scenario) -> None:
        self.url = url
        self.scenario = scenario
        self.said: list[str] = []
        self.left: list[tuple[int, Viewer]] = []
        self.visitors: list[Visitor] = []
        clock = LiveClock(monotonic_ns())
        self.server = Server(
            offer,
            UdpSocket(open_socket(LOCAL, 0), clock),
            clock,
            said=self.said.append,
            left=lambda viewer, number: self.left.append((number, viewer)),
        )
        self._is_over = False

    async def stop(self) -> None:
        """End it; a second time does nothing."""
        if not self._is_over:
            self._is_over = True
            for visitor in self.visitors:
                visitor.vanish()
            self.server.close()
            await self.runner.cleanup()

    @property
    def origin(self) -> str:
        return self.url.removesuffix("/")

    async def token(self) -> dict[str, Any]:
        """What the page asks for ahead of a connection."""
        jar = aiohttp.CookieJar(unsafe=True)
        async with aiohttp.ClientSession(cookie_jar=jar) as session:
            await session.get(self.url)
            async with session.post(f"{self.url}token", headers={"Origin": self.origin}) as answer:
                told: dict[str, Any] = await answer.json()
                return told

    def visitor(self, path: str, **more: Any) -> "Visitor":
        """A viewer in Python that asks for this path."""
        visitor = Visitor(self, path, **more)
        self.visitors.append(visitor)
        return visitor

    async def visit(self, mapping: Mapping = "datagram", **more: Any) -> "Visitor":
        """A viewer in Python, with a token."""
        place = urlsplit((await self.token())["url"])
        return self.visitor(f"{place.path}?{place.query}&mapping={mapping}", mapping=mapping, **more)


class Visitor:
    """A receiver of ours that calls the server. With `reads` false it takes nothing out of its socket."""

    def __init__(
        self, running: Running, path: str, mapping: Mapping = "datagram", *, origin: str | None = None
    ) -> None:
        self.events: list[Event] = []
        self.reads = True
        clock = self._clock = LiveClock(monotonic_ns())
        self.udp = UdpSocket(open_socket(), clock)
        visit = Visit(
            path.encode(),
            (running.origin if origin is None else origin).encode(),
            running.server.certificate.fingerprint,
        )
        config = TransportConfig(self.udp.address, (LOCAL, running.server.port), 2, TRACKS)
        self.end = visiting_receiver(mapping, config, visit)
        self.end.connect(now=clock.now())
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self.udp.fileno(), self._read)
        self._timer: asyncio.TimerHandle | None = None
        self._go()

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

    def _read(self) -> None:
        for data, peer, ecn, at in self.udp.receive():
            self.end.receive_datagram(data, peer, ecn, now=at)
        self._go()

    def _go(self) -> None:
        now = self._clock.now()
        self.end.handle_timer(now=now)
        self.udp.send(self.end.datagrams_to_send(now=now))
        while (event := self.end.next_event()) is not None:
            self.events.append(event)
        if self._timer is not None:
            self._timer.cancel()
        at = self.end.get_timer()
        if at is not None:
            self._timer = self._loop.call_later(max(0.0, at - now), self._go)


@pytest.fixture
def running() -> Callable[..., Any]:
    """running(network, **video): a context manager with a server in the loop that runs."""

    @contextlib.asynccontextmanager
    async def start(
        *, poll: tuple[str, ...] = (), max_viewers: int = 64, port: int = 0, **scenario_of: Any
    ) -> AsyncIterator[Running]:
        scenario = watched(**scenario_of)
        listening = web.listening_socket(LOCAL, port)
        place = Site(port=listening.getsockname()[1])
        origins = frozenset(f"http://{name}" for name in place.names(place.port))
        offer = offer_of(scenario, origins, place, poll=poll, max_viewers=max_viewers)
        one = Running(offer, f"http://{LOCAL}:{place.port}/", scenario)
        app = web.application(one.server, place.names(place.port), is_secure=False)
        one.runner = await web.start(app, listening, None)
        try:
            yield one
        finally:
            await one.stop()

    return start
