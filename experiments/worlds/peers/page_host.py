"""A page in Chromium on the host of an end: served from the loopback of that host, and talked to by a WebSocket.

The page asks for the time there, too, so that its clock is known without the network that is measured.
"""

import asyncio
import json
import secrets  # noqa: TID251  by which the page is known on its host; no measurement depends on it
from collections.abc import Callable, Mapping
from typing import Any

from glassbench.experiments.worlds.browser.pages import KINDS, page_texts
from glassbench.experiments.worlds.peers.chromium import Chromium
from glassbench.experiments.worlds.peers.event_loop import EventLoop
from glassbench.experiments.worlds.peers.peer import PeerContext, PeerError
from glassbench.netem.live.alignment_messages import ANSWER, QUESTION, TOKEN_BYTES, Message, decode, encode

_SERVE_PATIENCE = 5.0  # seconds
_OPEN_PATIENCE = 40.0  # seconds until Chromium has opened the page
_JOIN_PATIENCE = 20.0  # seconds until it has a session
_MOST_SAID = 2**20  # bytes of a message
_MOST_WAITING = 8  # pictures that wait for the WebSocket
_CHARACTERS = 300
_HEADERS = {"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp"}
"""Those that isolate the page, so that its clock is fine."""


class PageHost:
    """`take(said)` takes what the page says beside that it is open, connected or at its end; it raises ValueError, and
    then the arm has failed, as it has when the page goes away. It is called in a thread of its own."""

    def __init__(self, context: PeerContext, take: Callable[[Mapping[str, Any]], None]) -> None:
        self.token = secrets.token_bytes(TOKEN_BYTES)
        self.agent = ""
        self._context = context
        self._take_said = take
        self._is_open, self._has_joined = asyncio.Event(), asyncio.Event()
        self._is_over = False
        self._waiting = 0
        self._socket: Any = None
        self._loop: EventLoop | None = None
        self._chromium: Chromium | None = None

    def start(self) -> None:
        """Serve the page, and let Chromium open it. Raises PeerError."""
        self._loop = EventLoop(self._context.outlet)
        port = self._loop.run(self._serve(), _SERVE_PATIENCE, "the page")
        self._chromium = Chromium(self._context, f"http://127.0.0.1:{port}/arm.html")
        self._loop.run(self._until(self._is_open), _OPEN_PATIENCE, "Chromium did not open the page")

    def join(self, said: Mapping[str, object]) -> None:
        """Tell the page what to do, and wait until it has a session. Raises PeerError."""
        assert self._loop is not None
        self._loop.run(self._join(said), _JOIN_PATIENCE, "the page got no session")

    def send(self, data: bytes) -> bool:
        """Give the page bytes. False: there is no room."""
        if self._loop is None or self._waiting >= _MOST_WAITING:
            return False
        self._waiting += 1
        self._loop.soon(self._spawn_send, data)
        return True

    def stop(self) -> None:
        """End it all. It may be called twice."""
        self._is_over = True
        if self._chromium is not None:
            self._chromium.stop()
        if self._loop is not None:
            self._loop.stop()

    def _spawn_send(self, data: bytes) -> None:
        assert self._loop is not None
        self._loop.spawn(self._send(data), "the page")

    async def _send(self, data: bytes) -> None:
        try:
            await self._socket.send_bytes(data)
        finally:
            self._waiting -= 1

    async def _serve(self) -> int:
        """Serve the page from now on; the port."""
        from aiohttp import web

        pages = page_texts()
        app = web.Application()

        async def page(request: Any) -> Any:
            name = request.match_info["name"]
            if name not in pages:
                raise web.HTTPNotFound
            return web.Response(text=pages[name], content_type=KINDS[name.partition(".")[2]], headers=_HEADERS)

        app.router.add_get("/socket", self._listen)
        app.router.add_get("/{name}", page)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return int(runner.addresses[0][1])

    async def _listen(self, request: Any) -> Any:
        from aiohttp import WSMsgType, web

        self._socket = web.WebSocketResponse(max_msg_size=_MOST_SAID)
        await self._socket.prepare(request)
        async for message in self._socket:
            if message.type is WSMsgType.BINARY:
                await self._answer(message.data)
            elif message.type is WSMsgType.TEXT:
                try:
                    self._take(message.data)
                except PeerError as error:
                    self._context.outlet.fail(str(error))
        if not self._is_over:
            self._context.outlet.fail("the page went away")
        return self._socket

    async def _answer(self, data: bytes) -> None:
        """Answer a question for the time."""
        now = self._context.outlet.now()
        question = decode(data, QUESTION)
        if question is not None and question.token == self.token:
            answer = Message(ANSWER, self.token, question.nonce, now, self._context.outlet.now())
            await self._socket.send_bytes(encode(answer))

    def _take(self, text: str) -> None:
        """Raises PeerError."""
        try:
            said = json.loads(text)
            if not isinstance(said, dict):
                raise ValueError("accepted is an object")
            match said.get("kind"):
                case "open":
                    self.agent = str(said.get("agent"))[:_CHARACTERS]
                    self._is_open.set()
                case "connected":
                    self._has_joined.set()
                case "ended":
                    if not self._is_over:
                        raise PeerError(f"the page: {str(said.get('reason'))[:_CHARACTERS]}")
                case _:
                    self._take_said(said)
        except (ValueError, RecursionError) as error:
            raise PeerError(f"the page said {text[:_CHARACTERS]!r}: {error}") from None

    async def _join(self, said: Mapping[str, object]) -> None:
        await self._socket.send_json(said)
        await self._until(self._has_joined)

    async def _until(self, event: asyncio.Event) -> None:
        """Raises PeerError if Chromium ends before that."""
        assert self._chromium is not None
        await self._chromium.until(event)
