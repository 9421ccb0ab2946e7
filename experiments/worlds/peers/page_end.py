"""An end that is a page of ours, in a headless Chromium on its host.

The page comes from the loopback address of the host, with a WebSocket by which it tells when it displays a picture, and
then gives its pixels. What it says is not trusted.
"""

import asyncio
import json
import math
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from importlib.resources import files
from typing import Any, Generic, TypeVar

from glassbench.experiments.worlds.peers.chromium import Chromium
from glassbench.experiments.worlds.peers.event_loop import EventLoop
from glassbench.experiments.worlds.peers.peer import PeerContext, PeerEnd, PeerError

_FOLDER = files("glassbench.experiments.worlds.peers") / "page"
_KINDS = {"js": "text/javascript", "html": "text/html"}
_MOST_SAID = 64 * 2**10  # bytes of a message that is no picture
_SAID_CHARACTERS = 200
_MOST_DISPLAYED = 64  # pictures whose pixels have not come
_SERVE_PATIENCE = 5.0  # seconds
_OPEN_PATIENCE = 40.0  # seconds until Chromium has opened the page
_EXCHANGES = 10  # that align clocks
_MOST_NUMBER = 2**53  # up to which those of JavaScript are exact


def number_of(value: object) -> float:
    """A number that a page said, NaN if it is none."""
    return float(value) if isinstance(value, int | float) and abs(value) < _MOST_NUMBER else math.nan


def counts_of(entry: Mapping[str, object], names: Iterable[str]) -> dict[str, int]:
    """What a page counted, by these names."""
    return {name: value for name in names if isinstance(value := entry.get(name), int) and abs(value) < _MOST_NUMBER}


def page_file(name: str) -> str:
    """The text of a file of our pages."""
    return (_FOLDER / name).read_text()


class LocalPage:
    """What serves a page, `page` its HTML, with `scripts` by their names, and takes what it says. `what` is on it. That
    it goes away is a failure, unless it `is_over`. Its clock is known to `clock_error` seconds, None until it is."""

    def __init__(self, context: PeerContext, what: str, page: str, scripts: Mapping[str, str]) -> None:
        self.is_over = False
        self.is_open, self.has_shown = asyncio.Event(), asyncio.Event()
        self._outlet = context.outlet
        self._what = what
        self._resources = {"": page_file(page), "end.js": page_file("end.js"), **scripts}
        self._picture_bytes = context.video.width * context.video.height * 3 // 2
        self._displayed: deque[float] = deque(maxlen=_MOST_DISPLAYED)  # when pictures were whose pixels come
        self._runner: Any = None
        self._socket: Any = None
        self.clock_error: float | None = None
        self._offset = math.nan  # of session time to the clock of the page, in seconds
        self._answer: asyncio.Future[float] | None = None

    async def serve(self) -> int:
        """Serve it from now on; the port."""
        from aiohttp import web

        app = web.Application()
        for name, text in self._resources.items():
            app.router.add_get(f"/{name}", _resource(text, _KINDS["js" if name else "html"]))
        app.router.add_get("/socket", self._listen)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        return int(self._runner.addresses[0][1])

    async def stop_serving(self) -> None:
        """Serve it no longer. It may be called twice."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def say(self, message: Mapping[str, object]) -> None:
        """Tell the page something."""
        await self._socket.send_json(message)

    async def align(self) -> None:
        """Learn the session time of its clock, by exchanges. Both are clocks of this host, so they do not drift."""
        least, most = -math.inf, math.inf
        for _ in range(_EXCHANGES):
            self._answer = asyncio.get_running_loop().create_future()
            asked = self._outlet.now()
            await self.say({"kind": "clock"})
            at = await self._answer
            least, most = max(least, asked - at), min(most, self._outlet.now() - at)
        self._offset, self.clock_error = (least + most) / 2, (most - least) / 2

    async def give(self, data: bytes) -> None:
        """Give the page bytes; it returns when there is room for more."""
        await self._socket.send_bytes(data)

    def take(self, message: str | bytes) -> None:
        """Take what the page said. Raises PeerError."""
        if isinstance(message, bytes):
            self._take_picture(message)
            return
        said = self._parsed(message)
        match said.get("kind"):
            case "open":
                self.is_open.set()
            case "displayed":
                self._displayed.append(self._displayed_at(number_of(said.get("at")) / 1e3))
            case "clock":
                if self._answer is not None and not self._answer.done():
                    self._answer.set_result(number_of(said.get("at")) / 1e3)
            case "failed":
                reason = str(said.get("reason"))[:_SAID_CHARACTERS]
                printable = "".join(each if each.isprintable() else " " for each in reason)
                raise PeerError(f"the {self._what} failed: {printable}")
            case kind:
                if not self.take_said(kind, said):
                    raise self._not_of_the_page(message)

    def take_said(self, kind: object, said: Mapping[str, object]) -> bool:
        """Take what only such a page says. False: it says no such thing. Raises PeerError."""
        return False

    def object_of(self, said: Mapping[str, object], name: str) -> dict[str, object]:
        """An object in what the page said. Raises PeerError."""
        value = said.get(name)
        if not isinstance(value, dict):
            raise PeerError(
                f"the page of the {self._what} said {name} {str(value)[:_SAID_CHARACTERS]!r}, accepted is an object"
            )
        return value

    def _displayed_at(self, at: float) -> float:
        """The session time of what the page displayed `at`, by its clock; that of now, if that is not known."""
        now, at = self._outlet.now(), at + self._offset
        return at if at < now else now

    def _take_picture(self, pixels: bytes) -> None:
        """A picture whose display was told is shown when it was, not when its pixels are here."""
        at = self._displayed.popleft() if self._displayed else self._outlet.now()
        self.has_shown.set()
        self._outlet.give(pixels, at=at)

    async def _listen(self, request: Any) -> Any:
        from aiohttp import WSMsgType, web

        self._socket = web.WebSocketResponse(max_msg_size=max(self._picture_bytes, _MOST_SAID) + 1, compress=False)
        await self._socket.prepare(request)
        async for message in self._socket:
            if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                try:
                    self.take(message.data)
                except PeerError as error:
                    self._outlet.fail(str(error))
        if not self.is_over:
            self._outlet.fail(f"the page of the {self._what} went away")
        return self._socket

    def _parsed(self, message: str) -> dict[str, object]:
        """Raises PeerError."""
        try:
            said = json.loads(message, parse_constant=_no_number)
        except (ValueError, RecursionError):
            raise self._not_of_the_page(message) from None
        if not isinstance(said, dict):
            raise self._not_of_the_page(message)
        return said

    def _not_of_the_page(self, message: str) -> PeerError:
        said = message[:_SAID_CHARACTERS]
        return PeerError(f"the page of the {self._what} said {said!r}, accepted is what its scripts say")


PageOf = TypeVar("PageOf", bound=LocalPage)


class PageEnd(PeerEnd, Generic[PageOf]):
    """The end with `page`, which is open when it has started. `flags` are more of Chromium's."""

    def __init__(self, context: PeerContext, page: PageOf, flags: Sequence[str] = ()) -> None:
        super().__init__(context)
        self.page = page
        self._flags = flags
        self._loop: EventLoop | None = None
        self._chromium: Chromium | None = None

    @property
    def loop(self) -> EventLoop:
        """The loop in which the page is served, from `start` on."""
        if self._loop is None:
            raise PeerError("it did not start")
        return self._loop

    def start(self) -> None:
        self._loop = EventLoop(self.context.outlet)
        port = self._loop.run(self.page.serve(), _SERVE_PATIENCE, "the page")
        self._chromium = Chromium(self.context, f"http://127.0.0.1:{port}/", self._flags)
        self._loop.run(self.until(self.page.is_open), _OPEN_PATIENCE, "Chromium did not open the page")

    def close(self) -> None:
        self.page.is_over = True
        if self._chromium is not None:
            self._chromium.stop()
        if self._loop is not None:
            with suppress(PeerError):
                self._loop.run(self.page.stop_serving(), _SERVE_PATIENCE, "the page")
            self._loop.stop()

    async def until(self, event: asyncio.Event) -> None:
        """Wait for it. Raises PeerError if Chromium ends before that."""
        assert self._chromium is not None
        await self._chromium.until(event)


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no JSON")


def _resource(text: str, kind: str) -> Any:
    from aiohttp import web

    async def answer(request: Any) -> Any:
        return web.Response(text=text, content_type=kind)

    return answer
