"""A page in Chromium that watches by WebTransport. The sending end is ours, the same as in every arm: it listens, and
the page calls. The page is that of `glass serve` without what a person needs (experiments/worlds/browser/page).

The page tells the instants of each frame by its own clock, which is aligned with the session's on its own host.
"""

import asyncio
import base64
import json
import os
import secrets  # noqa: TID251  by which the page is known on its host; no measurement depends on it
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, ClassVar

from glassbench.experiments.worlds.browser.page_ledger import PageError, PageLedger
from glassbench.experiments.worlds.browser.pages import KINDS, page_texts
from glassbench.experiments.worlds.peers.browser import CHROMIUM, FLAGS
from glassbench.experiments.worlds.peers.descriptions import heard, say
from glassbench.experiments.worlds.peers.event_loop import EventLoop
from glassbench.experiments.worlds.peers.page_receiver import PageReceiver
from glassbench.experiments.worlds.peers.peer import Carries, Peer, PeerContext, PeerEnd, PeerError, PeerVideo
from glassbench.experiments.worlds.peers.program import Program
from glassbench.netem.live.alignment_messages import ANSWER, QUESTION, TOKEN_BYTES, Message, decode, encode
from glassbench.receiver.end import ReceiverEnd
from glassbench.transport.contract import Frame, Track, Transport, TransportConfig, Unsupported
from glassbench.transport.quic.served import Mapping as Carried
from glassbench.transport.quic.served import served_sender
from glassbench.transport.quic.service import Service
from glassbench.transport.quic.web_certificate import make_certificate

PATH = "/watch"

_SERVE_PATIENCE = 5.0  # seconds
_OPEN_PATIENCE = 40.0  # seconds until Chromium has opened the page
_JOIN_PATIENCE = 20.0  # seconds until it has a session
_LOOK = 0.1  # seconds between two looks at whether it still runs
_MOST_SAID = 2**20  # bytes of a message
_OK, _NOT_HERE = 200, 404


class BrowserWebTransport(Peer):
    """Our sender, and Chromium."""

    carries: ClassVar[Carries] = "units"
    install = f"apt install {CHROMIUM}"

    @classmethod
    def version(cls) -> str:
        return cls.told_by(CHROMIUM, "--version").partition(" built")[0].strip()

    @classmethod
    def check(cls, options: Mapping[str, object], video: PeerVideo) -> None:
        cls.version()
        if video.codec == "hevc":
            raise Unsupported("Chromium decodes no HEVC here; accepted are h264, vp8, vp9 and av1")

    @classmethod
    def end(cls, context: PeerContext) -> PeerEnd:
        return _Server(context) if context.role == "sender" else _Page(context)


class _Server(PeerEnd):
    """The sending end: it tells the page by the side channel what to expect."""

    def __init__(self, context: PeerContext) -> None:
        super().__init__(context)
        self._certificate = make_certificate([context.local[0]], datetime.now(UTC))  # noqa: TID251  it ends by the calendar

    def own_transport(self, config: TransportConfig) -> Transport | None:
        mapping: Carried = self.context.options["mapping"]  # type: ignore[assignment]
        service = Service(
            self._certificate.certificate,
            self._certificate.private_key,
            lambda headers: _OK if headers.get(b":path") == PATH.encode() else _NOT_HERE,
            lambda content, now: None,
            lambda data, now: None,
        )
        options = {"control": self.context.options["control"]}
        return served_sender(replace(config, options=options), service, lambda: mapping)

    def start(self) -> None:
        say(self.context, "certificate", base64.b64encode(self._certificate.fingerprint).decode())

    def connect(self) -> None:
        """Nothing: the page calls."""

    def send(self, data: bytes, frame: Frame) -> bool:
        raise NotImplementedError("our transport sends")

    def close(self) -> None:
        """Nothing: our transport has closed."""

    def settings(self) -> Mapping[str, object]:
        return {"mapping": self.context.options["mapping"], "control": self.context.options["control"]}


class _Page(PeerEnd):
    """The receiving end: Chromium, and what serves its page on the loopback of its host."""

    def __init__(self, context: PeerContext) -> None:
        super().__init__(context)
        self.ledger = PageLedger()
        self._lock = threading.Lock()
        self._token = secrets.token_bytes(TOKEN_BYTES)
        self._is_open, self._has_joined = asyncio.Event(), asyncio.Event()
        self._agent = ""
        self._is_over = False
        self._socket: Any = None
        self._loop: EventLoop | None = None
        self._chromium: Program | None = None

    def own_receiver(self, transport: Transport, track: Track) -> ReceiverEnd | None:
        return PageReceiver(transport, track, self.ledger, self._lock)

    def start(self) -> None:
        self._loop = EventLoop(self.context.outlet)
        port = self._loop.run(self._serve(), _SERVE_PATIENCE, "the page")
        folder = self.context.folder
        self._chromium = Program(
            [CHROMIUM, *FLAGS, f"--user-data-dir={folder / CHROMIUM}", f"http://127.0.0.1:{port}/arm.html"],
            self.context,
            environment={**os.environ, "HOME": str(folder), "TMPDIR": str(folder)},
        )
        self._loop.run(self._until(self._is_open), _OPEN_PATIENCE, "Chromium did not open the page")

    def connect(self) -> None:
        assert self._loop is not None
        certificate = heard(self.context)["sdp"]
        host, port = self.context.peer
        video = self.context.video
        place = {
            "url": f"https://{host}:{port}{PATH}",
            "hash": certificate,
            "token": base64.b64encode(self._token).decode(),
            "codec": video.codec,
            "width": video.width,
            "height": video.height,
            "local": True,
        }
        self._loop.run(self._join(place), _JOIN_PATIENCE, "the page got no session")

    def send_back(self, data: bytes) -> None:
        """Nothing: the page asks for keyframes by itself."""

    def close(self) -> None:
        self._is_over = True
        if self._chromium is not None:
            self._chromium.stop()
        if self._loop is not None:
            self._loop.stop()

    def counters(self) -> Mapping[str, int]:
        return self.ledger.counted

    def settings(self) -> Mapping[str, object]:
        return {"agent": self._agent, "refused_rows": self.ledger.refused}

    async def _serve(self) -> int:
        """Serve the page from now on; the port."""
        from aiohttp import web

        pages = page_texts()
        app = web.Application()

        async def page(request: Any) -> Any:
            name = request.match_info["name"]
            if name not in pages:
                raise web.HTTPNotFound
            headers = {"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp"}
            return web.Response(text=pages[name], content_type=KINDS[name.partition(".")[2]], headers=headers)

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
                    self.context.outlet.fail(str(error))
        if not self._is_over:
            self.context.outlet.fail("the page went away")
        return self._socket

    async def _answer(self, data: bytes) -> None:
        """Answer a question for the time."""
        now = self.context.outlet.now()
        question = decode(data, QUESTION)
        if question is not None and question.token == self._token:
            answer = Message(ANSWER, self._token, question.nonce, now, self.context.outlet.now())
            await self._socket.send_bytes(encode(answer))

    def _take(self, text: str) -> None:
        """Raises PeerError."""
        try:
            said = json.loads(text)
            kind = said["kind"]
            if kind == "ledger":
                with self._lock:
                    self.ledger.take(said)
                self.context.outlet.wake()
                return
        except (ValueError, TypeError, KeyError, RecursionError, PageError) as error:
            raise PeerError(f"the page said what it may not say: {error}") from None
        if kind == "open":
            self._agent = str(said.get("agent"))[:300]
            self._is_open.set()
        elif kind == "connected":
            self._has_joined.set()
        elif kind == "ended" and not self._is_over:
            raise PeerError(f"the page: {str(said.get('reason'))[:200]}")

    async def _join(self, place: Mapping[str, object]) -> None:
        await self._socket.send_json({"kind": "watch", "place": place})
        await self._until(self._has_joined)

    async def _until(self, event: asyncio.Event) -> None:
        """Raises PeerError if Chromium ends before that."""
        assert self._chromium is not None
        while not event.is_set():
            if self._chromium.exit_code() is not None:
                raise PeerError(self._chromium.sentence())
            with suppress(TimeoutError):
                await asyncio.wait_for(event.wait(), _LOOK)
