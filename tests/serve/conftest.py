"""A server on loopback, and viewers in Python that watch it as a page would."""

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest
from visitor import Visitor

from glassbench.experiments.scenario import Scenario, build
from glassbench.experiments.scenario.tracks import CHAT_TRACK, VIDEO_TRACK
from glassbench.experiments.serve import web
from glassbench.experiments.serve.receiving import Receiving
from glassbench.experiments.serve.server import Broadcast, Server
from glassbench.experiments.serve.serving import Site, offer_of
from glassbench.experiments.worlds.browser.sending_page import SendingPage
from glassbench.experiments.worlds.browser.viewer import Viewer
from glassbench.netem.live.clock import LiveClock, monotonic_ns
from glassbench.netem.live.udp_socket import UdpSocket, open_socket
from glassbench.transport.contract import Track
from glassbench.transport.quic.served import Mapping
from glassbench.transport.quic.service import Visit

LOCAL = "127.0.0.1"
CHROMIUM = next((name for name in ("chromium", "chromium-browser", "google-chrome") if shutil.which(name)), None)
FLAGS = ["--no-sandbox", "--disable-background-networking", "--disable-component-update", "--no-first-run"]
TRACKS = (Track(VIDEO_TRACK, "video", "h264", 1), Track(CHAT_TRACK, "words", "data", 2))


@pytest.fixture
def needs_chromium() -> str:
    """The name of Chromium; skips the test where there is none."""
    if CHROMIUM is None:
        pytest.skip("there is no Chromium; to run this: sudo apt install chromium")
    return CHROMIUM


@pytest.fixture
def watching(needs_chromium: str) -> Callable[..., Any]:
    """watching(url, flags): a context manager with a page of Chromium, and what it printed to the console."""

    @contextlib.asynccontextmanager
    async def open_page(url: str, flags: Sequence[str] = (), **more: Any) -> AsyncIterator[tuple[Any, list[str]]]:
        from playwright.async_api import async_playwright

        printed: list[str] = []
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(
                executable_path=shutil.which(needs_chromium), args=[*FLAGS, *flags]
            )
            page = await browser.new_page(**more)
            page.on("console", lambda message: printed.append(message.text))
            page.on("pageerror", lambda error: printed.append(str(error)))
            await page.goto(url)
            yield page, printed
            await browser.close()

    return open_page


def watched(network: dict[str, Any] | None = None, arm: str = "webtransport-datagram", **video: Any) -> Scenario:
    return build(
        {
            "name": "watched",
            "seed": 1,
            "duration": "1min",
            "network": network or {},
            "video": {"source": "synthetic", "width": 320, "height": 180, "fps": 30, "bitrate": "600kbit/s", **video},
            "arms": [arm],
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
        self.sent: list[tuple[int, SendingPage]] = []
        self.visitors: list[Visitor] = []
        self.days_later = timedelta()
        clock = LiveClock(monotonic_ns())
        self.server = Server(
            offer,
            UdpSocket(open_socket(LOCAL, 0), clock),
            clock,
            today=lambda: self.today,
            said=self.said.append,
            left=lambda viewer, number: self.left.append((number, viewer)),
        )
        self.receiving = Receiving(
            self.server,
            UdpSocket(open_socket(LOCAL, 0), clock),
            clock,
            said=self.said.append,
            left=lambda page, number: self.sent.append((number, page)),
        )
        self._is_over = False

    @property
    def today(self) -> datetime:
        """What the server takes for the date."""
        return datetime.now(UTC) + self.days_later

    async def stop(self) -> None:
        """End it; a second time does nothing."""
        if not self._is_over:
            self._is_over = True
            for visitor in self.visitors:
                visitor.vanish()
            self.receiving.close()
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
        origin = more.pop("origin", self.origin)
        visit = Visit(path.encode(), origin.encode(), self.server.certificate.fingerprint)
        visitor = Visitor(self.server.port, visit, **more)
        self.visitors.append(visitor)
        return visitor

    async def visit(self, mapping: Mapping = "datagram", **more: Any) -> "Visitor":
        """A viewer in Python, with a token."""
        place = urlsplit((await self.token())["url"])
        return self.visitor(f"{place.path}?{place.query}&mapping={mapping}", mapping=mapping, **more)


@pytest.fixture
def running() -> Callable[..., Any]:
    """running(network, **video): a context manager with a server in the loop that runs."""

    @contextlib.asynccontextmanager
    async def start(
        *, poll: tuple[str, ...] = (), max_viewers: int = 64, port: int = 0, **scenario_of: Any
    ) -> AsyncIterator[Running]:
        broken: list[Any] = []  # `glass serve` ends with such an error
        asyncio.get_running_loop().set_exception_handler(lambda _, context: broken.append(context))
        scenario = watched(**scenario_of)
        listening = web.listening_socket(LOCAL, port)
        place = Site(port=listening.getsockname()[1])
        origins = frozenset(f"http://{name}" for name in place.names(place.port))
        offer = offer_of(scenario, origins, place, poll=poll, max_viewers=max_viewers)
        one = Running(offer, f"http://{LOCAL}:{place.port}/", scenario)
        app = web.application(one.server, one.receiving, place.names(place.port), is_secure=False)
        one.runner = await web.start(app, listening, None)
        try:
            yield one
        finally:
            await one.stop()
        assert not broken

    return start
