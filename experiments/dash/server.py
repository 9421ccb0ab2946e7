"""The dashboard over HTTP/1.1: its page, events, and files of results that a browser can show.

Nobody but the page itself may read what it says: on loopback the name of the host has to be one of loopback, since a
page of somebody else can let its own name lead here (DNS rebinding). Elsewhere a token is the first part of each path.
"""

import asyncio
import hmac
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from importlib.resources import files
from pathlib import Path, PurePosixPath

from aiohttp import web

from glassbench.experiments.dash.inside import opened
from glassbench.experiments.dash.news import ALIVE, News
from glassbench.experiments.dash.overview import SHOWN_FILES, Overview, Seen
from glassbench.experiments.results.files import first_line

LOOK = 0.5  # seconds between two looks at the folder, while somebody watches
MOST_WATCHING = 32  # browsers
PATIENCE = 10.0  # seconds for a browser to take what it is told

_SILENCE = 5.0  # seconds after which a browser is told that we are there
_CHUNK_BYTES = 1 << 17
_MOST_FILE_BYTES = 256 * 2**20

_PAGE = files("glassbench.experiments.dash") / "page"
_ASSETS = {
    "": _PAGE / "index.html",
    **{name: _PAGE / name for name in ("dash.js", "chart.js", "dash.css")},
    "report.css": files("glassbench.experiments.results.report") / "templates" / "report.css",
}
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
}
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})

_PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
# Reports are pages of somebody else. Their scripts run apart from ours, and not at all where they could read the token.
_FILE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'; sandbox"
_SCRIPTS_POLICY = " allow-scripts; script-src 'unsafe-inline'"

_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Dashboard:
    """The dashboard of the results below `root`. `clock` gives seconds; without a `token` it is for loopback alone.
    `silent` are the connections that have not asked for anything yet."""

    def __init__(self, root: Path, token: str | None, clock: Callable[[], float]) -> None:
        self._root = root
        self._token = token
        self._clock = clock
        self._overview = Overview(root)
        self._seen: Seen | None = None
        self._watching = 0
        self._somebody_watches = asyncio.Event()
        self._looked = asyncio.Condition()
        self._ended = False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="looks at results")
        self.silent: set[object] = set()

    def application(self) -> web.Application:
        """What answers requests."""
        application = web.Application(middlewares=[self._guard], client_max_size=1024)
        prefix = "" if self._token is None else f"/{self._token}"
        if self._token is not None:
            application.router.add_get(prefix, self._without_slash)
        application.router.add_get(f"{prefix}/events", self._events)
        application.router.add_get(f"{prefix}/results/{{name:.+}}", self._file)
        application.router.add_get(f"{prefix}/{{name:[a-z.]*}}", self._asset)
        application.cleanup_ctx.append(self._looking)
        application.on_shutdown.append(self._end)
        application.on_response_prepare.append(_add_headers)
        return application

    @web.middleware
    async def _guard(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        self.silent.discard(request.protocol)
        if self._token is None:
            host = _host_name(request.host)
            if host not in _LOOPBACK:
                raise web.HTTPForbidden(
                    text=f"This dashboard answers to localhost and 127.0.0.1, not to {host!a:.80}.\n"
                )
        elif not hmac.compare_digest(request.path.split("/")[1].encode("utf-8", "replace"), self._token.encode()):
            raise web.HTTPForbidden(text="The address must have the token that glass dash printed.\n")
        return await handler(request)

    async def _without_slash(self, request: web.Request) -> web.StreamResponse:
        """The address as people copy it, to which what the page names would not be relative."""
        raise web.HTTPFound(f"{request.path}/")

    async def _asset(self, request: web.Request) -> web.StreamResponse:
        asset = _ASSETS.get(request.match_info["name"])
        if asset is None:
            raise web.HTTPNotFound(text="There is no such page.\n")
        headers = {"Content-Security-Policy": _PAGE_POLICY, "Content-Type": _TYPES[PurePosixPath(asset.name).suffix]}
        return web.Response(body=asset.read_bytes(), headers=headers)

    async def _file(self, request: web.Request) -> web.StreamResponse:
        """A file of results that a browser can show."""
        name = request.match_info["name"]
        kind = SHOWN_FILES.get(PurePosixPath(name).suffix, "")
        try:
            with opened(self._root, name if kind else "") as file:
                size = os.fstat(file).st_size
                if size <= _MOST_FILE_BYTES:
                    return await self._give_file(request, file, size, kind)
        except (OSError, ValueError):
            raise web.HTTPNotFound(text="There is no such file that a browser could show.\n") from None
        raise web.HTTPForbidden(text=f"This file has {size} bytes; at most {_MOST_FILE_BYTES} are shown here.\n")

    async def _give_file(self, request: web.Request, file: int, size: int, kind: str) -> web.StreamResponse:
        policy = _FILE_POLICY + (_SCRIPTS_POLICY if self._token is None else "")
        response = web.StreamResponse(headers={"Content-Security-Policy": policy, "Content-Type": kind})
        response.content_length = left = size
        with suppress(OSError):
            await response.prepare(request)
            while left and (chunk := os.read(file, min(left, _CHUNK_BYTES))):
                left -= len(chunk)
                await self._give(request, response, chunk)
        if left and request.transport is not None:  # what was announced does not come
            request.transport.abort()
        return response

    async def _events(self, request: web.Request) -> web.StreamResponse:
        """What is new, until the browser goes, or takes nothing any more."""
        if self._watching >= MOST_WATCHING:
            raise web.HTTPServiceUnavailable(text=f"{MOST_WATCHING} browsers watch already, and more are not served.\n")
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        async with self._counted():
            with suppress(ConnectionError):  # it has gone
                await response.prepare(request)
                await self._tell(request, response, request.query.get("chosen"))
        return response

    async def _tell(self, request: web.Request, response: web.StreamResponse, chosen: str | None) -> None:
        """Tell a browser what is new, until we end. Raises ConnectionError."""
        news, told_at = News(), self._clock()
        await self._give(request, response, ALIVE)
        while not self._ended:
            events = [] if self._seen is None else [news.of_experiments(self._seen)]
            if self._seen is not None and chosen is not None:
                loop = asyncio.get_running_loop()
                detail = await loop.run_in_executor(self._thread, self._overview.detail, chosen)
                events.append(news.of_chosen(chosen, detail))
            if self._clock() - told_at > _SILENCE:
                events.append(ALIVE)
            for event in filter(None, events):
                await self._give(request, response, event)
                told_at = self._clock()
            async with self._looked:
                await self._looked.wait()

    async def _give(self, request: web.Request, response: web.StreamResponse, data: bytes) -> None:
        """Give a browser bytes; one that takes none for PATIENCE loses its connection. Raises ConnectionError."""
        try:
            await asyncio.wait_for(response.write(data), PATIENCE)
        except TimeoutError:
            if request.transport is not None:
                request.transport.abort()
            raise ConnectionAbortedError("it takes nothing") from None

    @asynccontextmanager
    async def _counted(self) -> AsyncIterator[None]:
        self._watching += 1
        self._somebody_watches.set()
        try:
            yield
        finally:
            self._watching -= 1
            if not self._watching:
                self._somebody_watches.clear()

    async def _looking(self, _: web.Application) -> AsyncIterator[None]:
        """Look at the folder again and again while somebody watches."""

        async def look() -> None:
            while True:
                await self._somebody_watches.wait()
                try:
                    loop = asyncio.get_running_loop()
                    self._seen = await loop.run_in_executor(
                        self._thread, lambda: self._overview.look(now=self._clock())
                    )
                except Exception as error:  # a defect of ours: the page says it, and what was seen before stays
                    self._seen = (self._seen or Seen([], 0))._replace(trouble=f"A look failed: {first_line(error)}.")
                async with self._looked:
                    self._looked.notify_all()
                await asyncio.sleep(LOOK)

        task = asyncio.create_task(look())
        yield
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        self._thread.shutdown()

    async def _end(self, _: web.Application) -> None:
        self._ended = True
        async with self._looked:
            self._looked.notify_all()


async def _add_headers(_: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(_HEADERS)


def _host_name(host: str) -> str:
    """The host of a Host header, without its port and the brackets of IPv6."""
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() and not host.endswith("]") else host
    return name.removeprefix("[").removesuffix("]").lower()
