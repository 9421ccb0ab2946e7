"""A player that people use, in Chromium at the receiving end: it plays from an origin of ours on the sender's host.

The page that it plays in comes from the loopback address of the receiver's host, with a WebSocket by which it tells
when it displays a picture, and then gives its pixels. What it says is not trusted.
"""

import asyncio
import json
import os
import sys
from abc import abstractmethod
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, ClassVar

from glassbench.experiments.worlds.peers.event_loop import EventLoop
from glassbench.experiments.worlds.peers.http_player import HttpStack
from glassbench.experiments.worlds.peers.peer import PeerContext, PeerEnd, PeerError
from glassbench.experiments.worlds.peers.program import Program
from glassbench.transport.contract import Unsupported

PLAYERS = Path(sys.prefix, "share", "glassbench", "players")
"""Where npm installs the libraries."""

CHROMIUM = "chromium"
FLAGS = (
    "--headless",
    "--no-sandbox",  # root has none, nor has who may make no namespaces; it shows a page of ours
    "--disable-gpu",
    "--autoplay-policy=no-user-gesture-required",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-breakpad",
    "--disable-extensions",
    "--disable-sync",
    "--log-level=3",  # what ends it; it warns of much that is not there
)
_PAGE = files("glassbench.experiments.worlds.peers") / "page"
_SCRIPT, _HTML = "text/javascript", "text/html"
_MOST_SAID = 64 * 2**10  # bytes of a message that is no picture
_SAID_CHARACTERS = 200
_MOST_DISPLAYED = 64  # pictures whose pixels have not come
_SERVE_PATIENCE = 5.0  # seconds
_OPEN_PATIENCE = 40.0  # seconds until Chromium has opened the page
_JOIN_PATIENCE = 20.0  # seconds until the first picture
_LOOK = 0.1  # seconds between two looks at whether it still runs
_COUNTED = "displayed", "dropped", "not_copied", "seeks", "stalls"


def target_latency(context: PeerContext) -> float:
    """What a tuned player aims at, in seconds: a chunk is there when its last frame is, and the buffer is before it."""
    segment, frames, buffer = (
        float(str(context.options[name])) for name in ("segment_ms", "chunk_frames", "buffer_ms")
    )
    chunk = frames / float(context.video.fps) if frames else segment / 1e3
    return round(chunk + buffer / 1e3, 3)


@dataclass(frozen=True)
class Library:
    """What plays: a package of npm with its version, its file in that, and our script around it."""

    package: str
    version: str
    file: str
    script: str

    @property
    def path(self) -> Path:
        return self._folder / self.file

    def installed(self) -> str:
        """The version that is here. Raises Unsupported."""
        try:
            return str(json.loads((self._folder / "package.json").read_text())["version"])
        except (OSError, ValueError, KeyError):
            command = f"npm install --prefix {PLAYERS} {self.package}@{self.version}"
            raise Unsupported(f"there is no {self.package} here: {command}") from None

    @property
    def _folder(self) -> Path:
        return PLAYERS / "node_modules" / self.package


class BrowserStack(HttpStack):
    """An origin of ours, whose `manifest` is played, and a player in Chromium."""

    decodes = True
    install = f"apt install {CHROMIUM}"
    library: ClassVar[Library]
    manifest: ClassVar[str]

    @classmethod
    def version(cls) -> str:
        library = f"{cls.library.package} {cls.library.installed()}"
        chromium = cls.told_by(CHROMIUM, "--version").partition(" built")[0]
        return f"{library}, {chromium}, {HttpStack.version()}"

    @classmethod
    def end(cls, context: PeerContext) -> PeerEnd:
        if context.role == "sender":
            return cls.origin(context)
        host, port = context.peer
        settings = cls.tuned(target_latency(context)) if context.options["tuned"] else {}
        return BrowserEnd(context, cls.library, {"url": f"http://{host}:{port}/{cls.manifest}", "settings": settings})

    @classmethod
    @abstractmethod
    def origin(cls, context: PeerContext) -> PeerEnd:
        """The sending end."""

    @classmethod
    @abstractmethod
    def tuned(cls, latency: float) -> Mapping[str, object]:
        """The settings of the library for a target latency in seconds."""


class BrowserEnd(PeerEnd):
    """The receiving end. `play` is what the script of the library is told: the address of the manifest, and settings
    of the library."""

    def __init__(self, context: PeerContext, library: Library, play: Mapping[str, object]) -> None:
        super().__init__(context)
        self._page = PlayerPage(context, library)
        self._play = play
        self._loop: EventLoop | None = None
        self._chromium: Program | None = None

    def start(self) -> None:
        self._loop = EventLoop(self.context.outlet)
        port = self._loop.run(self._page.serve(), _SERVE_PATIENCE, "the page of the player")
        folder = self.context.folder
        self._chromium = Program(
            [CHROMIUM, *FLAGS, f"--user-data-dir={folder / CHROMIUM}", f"http://127.0.0.1:{port}/"],
            self.context,
            environment={**os.environ, "HOME": str(folder), "TMPDIR": str(folder)},
        )
        self._loop.run(self._until(self._page.is_open), _OPEN_PATIENCE, "Chromium did not open the page of the player")

    def connect(self) -> None:
        assert self._loop is not None
        self._loop.run(self._join(), _JOIN_PATIENCE, "the player showed no picture")

    def close(self) -> None:
        self._page.is_over = True
        if self._chromium is not None:
            self._chromium.stop()
        if self._loop is not None:
            self._loop.stop()

    def counters(self) -> Mapping[str, int]:
        return self._page.counted

    def settings(self) -> Mapping[str, object]:
        return self._page.told

    async def _join(self) -> None:
        await self._page.say(self._play)
        await self._until(self._page.has_shown)

    async def _until(self, event: asyncio.Event) -> None:
        """Raises PeerError if Chromium ends before that."""
        assert self._chromium is not None
        while not event.is_set():
            if self._chromium.exit_code() is not None:
                raise PeerError(self._chromium.sentence())
            with suppress(TimeoutError):
                await asyncio.wait_for(event.wait(), _LOOK)


class PlayerPage:
    """What serves the page, and takes what the page says: `told` and `counted` are what it told of its player last.
    That it goes away is a failure, unless it `is_over`."""

    def __init__(self, context: PeerContext, library: Library) -> None:
        self.is_over = False
        self.is_open, self.has_shown = asyncio.Event(), asyncio.Event()
        self.told: Mapping[str, object] = {}
        self.counted: Mapping[str, int] = {}
        self._outlet = context.outlet
        self._picture_bytes = context.video.width * context.video.height * 3 // 2
        self._displayed: deque[float] = deque(maxlen=_MOST_DISPLAYED)  # when pictures were whose pixels come
        self._library = library
        self._socket: Any = None

    async def serve(self) -> int:
        """Serve it from now on; the port."""
        from aiohttp import web

        app = web.Application()
        for path, text, kind in (
            ("/", (_PAGE / "page.html").read_text(), _HTML),
            ("/page.js", (_PAGE / "page.js").read_text(), _SCRIPT),
            ("/player.js", (_PAGE / self._library.script).read_text(), _SCRIPT),
            ("/library.js", self._library.path.read_text(), _SCRIPT),
        ):
            app.router.add_get(path, _resource(text, kind))
        app.router.add_get("/socket", self._listen)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return int(runner.addresses[0][1])

    async def say(self, message: Mapping[str, object]) -> None:
        """Tell the page something."""
        await self._socket.send_json(message)

    def take(self, message: str | bytes) -> None:
        """Take what the page said. Raises PeerError."""
        if isinstance(message, bytes):
            self._take_picture(message)
            return
        said = _parsed(message)
        match said.get("kind"):
            case "open":
                self.is_open.set()
            case "displayed":
                self._displayed.append(self._outlet.now())
            case "told":
                self.told, self.counted = _object(said, "player"), _numbers(_object(said, "counted"))
            case "failed":
                raise PeerError(f"the player failed: {str(said.get('reason'))[:_SAID_CHARACTERS]}")
            case _:
                raise _not_of_the_page(message)

    def _take_picture(self, pixels: bytes) -> None:
        """A picture whose display was told is shown when it was, not when its pixels are here."""
        at = self._displayed.popleft() if self._displayed else self._outlet.now()
        self.has_shown.set()
        self._outlet.give(pixels, at=at)

    async def _listen(self, request: Any) -> Any:
        from aiohttp import WSMsgType, web

        self._socket = web.WebSocketResponse(max_msg_size=max(self._picture_bytes, _MOST_SAID))
        await self._socket.prepare(request)
        async for message in self._socket:
            if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                try:
                    self.take(message.data)
                except PeerError as error:
                    self._outlet.fail(str(error))
        if not self.is_over:
            self._outlet.fail("the page of the player went away")
        return self._socket


def _resource(text: str, kind: str) -> Any:
    from aiohttp import web

    async def answer(request: Any) -> Any:
        return web.Response(text=text, content_type=kind)

    return answer


def _parsed(message: str) -> dict[str, object]:
    """Raises PeerError."""
    try:
        said = json.loads(message)
    except (ValueError, RecursionError):
        raise _not_of_the_page(message) from None
    if not isinstance(said, dict):
        raise _not_of_the_page(message)
    return said


def _object(said: Mapping[str, object], name: str) -> dict[str, object]:
    """Raises PeerError."""
    value = said.get(name)
    if not isinstance(value, dict):
        raise PeerError(f"the page of the player said {name} {str(value)[:_SAID_CHARACTERS]!r}, accepted is an object")
    return value


def _numbers(counted: Mapping[str, object]) -> dict[str, int]:
    return {name: value for name in _COUNTED if isinstance(value := counted.get(name), int)}


def _not_of_the_page(message: str) -> PeerError:
    return PeerError(f"the page of the player said {message[:_SAID_CHARACTERS]!r}, accepted is what page.js says")
