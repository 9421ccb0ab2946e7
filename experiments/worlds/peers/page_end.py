"""An end that is a page of ours, in a headless Chromium on its host.

The page comes from the loopback address of the host, with a WebSocket by which it is told what to do and tells what
happens, so that none of this crosses the network that is measured. What it says is not trusted.
"""

import asyncio
import json
import math
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from importlib.resources import files
from typing import Any, ClassVar, Generic, TypeVar

from glassbench.experiments.worlds.browser.pages import KINDS
from glassbench.experiments.worlds.peers.chromium import Chromium
from glassbench.experiments.worlds.peers.event_loop import EventLoop
from glassbench.experiments.worlds.peers.peer import PeerContext, PeerEnd, PeerError

_FOLDER = files("glassbench.experiments.worlds.peers") / "page"
_SAID_CHARACTERS = 200
_MOST_UNSENT = 8  # pieces that the page has not taken
_SERVE_PATIENCE = 5.0  # seconds
_OPEN_PATIENCE = 40.0  # seconds until Chromium has opened the page
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
    """What serves a page, `texts` its files by their names with "" for its HTML, and takes what it says, up to
    `most_said` bytes a message. `what` is on it. That it goes away is a failure, unless it `is_over`. `agent` is what
    the browser calls itself, if the page tells."""

    headers: ClassVar[Mapping[str, str]] = {}

    def __init__(self, context: PeerContext, what: str, texts: Mapping[str, str], *, most_said: int) -> None:
        self.is_over = False
        self.is_open = asyncio.Event()
        self.agent = ""
        self._outlet = context.outlet
        self._what = what
        self._texts = texts
        self._most_said = most_said
        self._runner: Any = None
        self._socket: Any = None

    async def serve(self) -> int:
        """Serve it from now on; the port."""
        from aiohttp import web

        app = web.Application()
        for name, text in self._texts.items():
            app.router.add_get(f"/{name}", self._resource(text, KINDS[name.partition(".")[2] or "html"]))
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

    async def give(self, data: bytes) -> None:
        """Give the page bytes; it returns when there is room for more."""
        await self._socket.send_bytes(data)

    def take(self, message: str | bytes) -> bytes | None:
        """Take what the page said; the answer, if there is one. Raises PeerError."""
        if isinstance(message, bytes):
            return self.take_bytes(message)
        said = self._parsed(message)
        match said.get("kind"):
            case "open":
                self.agent = _printable(said.get("agent", ""))
                self.is_open.set()
            case "failed":
                raise self.failure(said)
            case kind:
                try:
                    is_known = self.take_said(kind, said)
                except ValueError as error:
                    raise self._not_of_the_page(message, str(error)) from None
                if not is_known:
                    raise self._not_of_the_page(message)
        return None

    def take_bytes(self, data: bytes) -> bytes | None:
        """Take bytes of the page; the answer, if there is one."""
        raise NotImplementedError

    def take_said(self, kind: object, said: Mapping[str, object]) -> bool:
        """Take what only such a page says. False: it says no such thing. Raises PeerError, and ValueError with what is
        accepted."""
        return False

    def failure(self, said: Mapping[str, object]) -> PeerError:
        """That it failed, for the reason that the page said."""
        return PeerError(f"the {self._what} failed: {_printable(said.get('reason'))}")

    def object_of(self, said: Mapping[str, object], name: str) -> dict[str, object]:
        """An object in what the page said. Raises PeerError."""
        value = said.get(name)
        if not isinstance(value, dict):
            raise PeerError(
                f"the page of the {self._what} said {name} {str(value)[:_SAID_CHARACTERS]!r}, accepted is an object"
            )
        return value

    def _resource(self, text: str, kind: str) -> Any:
        from aiohttp import web

        async def answer(request: Any) -> Any:
            return web.Response(text=text, content_type=kind, headers=self.headers)

        return answer

    async def _listen(self, request: Any) -> Any:
        from aiohttp import WSMsgType, web

        self._socket = web.WebSocketResponse(max_msg_size=self._most_said + 1, compress=False)
        await self._socket.prepare(request)
        async for message in self._socket:
            if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                try:
                    answer = self.take(message.data)
                except PeerError as error:
                    self._outlet.fail(str(error))
                else:
                    if answer is not None:
                        await self.give(answer)
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

    def _not_of_the_page(self, message: str, accepted: str = "accepted is what its scripts say") -> PeerError:
        return PeerError(f"the page of the {self._what} said {message[:_SAID_CHARACTERS]!r}, {accepted}")


PageOf = TypeVar("PageOf", bound=LocalPage)


class PageEnd(PeerEnd, Generic[PageOf]):
    """The end with `page`, which is open when it has started. `flags` are more of Chromium's."""

    def __init__(self, context: PeerContext, page: PageOf, flags: Sequence[str] = ()) -> None:
        super().__init__(context)
        self.page = page
        self._flags = flags
        self._loop: EventLoop | None = None
        self._chromium: Chromium | None = None
        self._unsent: deque[bytes] = deque()
        self._is_unsent = asyncio.Event()

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
        self._loop.soon(self._loop.spawn, self._give_all(), "the page")

    def give(self, data: bytes) -> bool:
        """Let the page have bytes, and do not wait. False: there is no room."""
        if len(self._unsent) >= _MOST_UNSENT:
            return False
        self._unsent.append(data)
        self.loop.soon(self._is_unsent.set)
        return True

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

    async def _give_all(self) -> None:
        with suppress(ConnectionError):  # that the page went away it says itself
            while True:
                await self._is_unsent.wait()
                self._is_unsent.clear()
                while self._unsent:
                    await self.page.give(self._unsent[0])
                    self._unsent.popleft()


def _printable(value: object) -> str:
    """The begin of what a page said, to be shown."""
    return "".join(each if each.isprintable() else " " for each in str(value)[:_SAID_CHARACTERS])


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no JSON")
