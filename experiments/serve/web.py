"""The page of a server, by plain HTTP: its files, and a token for each connection."""

import base64
import os
import secrets  # noqa: TID251  a session must not follow from a seed
import socket
import ssl
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable

from aiohttp import web

from glassbench.experiments.serve.entrance import Entrance
from glassbench.experiments.serve.receiving import MOST_PAGES, Receiving
from glassbench.experiments.serve.receiving import PATH as SEND_PATH
from glassbench.experiments.serve.server import PATH, Server
from glassbench.experiments.serve.throttle import Throttle
from glassbench.experiments.worlds.browser.pages import KINDS, page_texts

_COOKIE = "glassbench"
_MOST_SESSIONS = 1000
_TOKENS_PER_SECOND, _MOST_TOKENS = 1.0, 20  # that a page may ask for
_IDLE = 15.0  # seconds until a connection has asked for something
_REFUSED = frozenset({403, 421, 429, 503})
_COUNTED = web.AppKey("counted", Counter[str])
_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; connect-src 'self' https:; img-src 'self' data:; "
    "frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
"""Among them those that isolate the page from others, so that its clock is fine (COOP and COEP)."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def application(server: Server, receiving: Receiving, hosts: frozenset[str], *, is_secure: bool) -> web.Application:
    """What serves the pages to whoever asks for one of these `hosts`, "name:port" each: a page of another name that
    leads here is refused (DNS rebinding)."""
    pages = page_texts("glassbench.experiments.serve")
    sessions: OrderedDict[str, Throttle] = OrderedDict()  # the newest last

    @web.middleware
    async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.host not in hosts:
            answer: web.StreamResponse = web.Response(status=421, text="this host serves other names\n")
        else:
            try:
                answer = await handler(request)
            except web.HTTPException as error:
                answer = web.Response(status=error.status, text=f"{error.reason}\n")
        if answer.status in _REFUSED:
            server.counted["requests"] += 1
        answer.headers.update(_HEADERS)
        return answer

    async def page(request: web.Request) -> web.StreamResponse:
        name = request.match_info.get("name") or "index.html"
        if name not in pages:
            raise web.HTTPNotFound
        answer = web.Response(text=pages[name], content_type=KINDS[name.partition(".")[2]])
        if name.endswith(".html"):
            session = secrets.token_urlsafe(18)
            sessions[session] = Throttle(_TOKENS_PER_SECOND, _MOST_TOKENS)
            while len(sessions) > _MOST_SESSIONS:
                sessions.popitem(last=False)
            answer.set_cookie(_COOKIE, session, httponly=True, samesite="Strict", secure=is_secure)
        return answer

    async def token(request: web.Request) -> web.StreamResponse:
        session = request.cookies.get(_COOKIE, "")
        origin = request.headers.get("Origin", "")
        if origin not in server.offer.origins or session not in sessions:
            return _refusal(403, "load the page anew: this server does not know it")
        sessions.move_to_end(session)
        if not sessions[session].take(now=server.now()):
            return _refusal(429, "too many connections from one page: wait a little")
        sends = request.query.get("for") == "send"
        if sends and receiving.is_full:
            return _refusal(503, f"{MOST_PAGES} pages send already, and no more may")
        if not sends and server.is_full:
            return _refusal(503, f"{server.offer.max_viewers} watch already, and no more may")
        port, path = (receiving.port, SEND_PATH) if sends else (server.port, PATH)
        return web.json_response(
            {
                "url": f"https://{_address(request.host)}:{port}{path}?token={server.tokens.make()}",
                "hash": base64.b64encode(server.certificate.fingerprint).decode(),
                "token": base64.b64encode(server.clock_token).decode(),
                "mapping": server.offer.mapping,
                "codec": server.offer.encoder.codec,
                "width": server.offer.source.width,
                "height": server.offer.source.height,
            }
        )

    app = web.Application(middlewares=[guarded], client_max_size=1024)
    app[_COUNTED] = server.counted
    app.router.add_post("/token", token)
    app.router.add_get("/", page)
    app.router.add_get("/{name:[a-z_]+[.][a-z]+}", page)
    return app


def _refusal(status: int, reason: str) -> web.Response:
    return web.json_response({"reason": reason}, status=status)


def _address(host: str) -> str:
    """Where WebTransport is, on the host of the page. A browser takes "localhost" for ::1, and we listen on IPv4."""
    name = host.rpartition(":")[0]
    return "127.0.0.1" if name == "localhost" else name


def listening_socket(host: str, port: int) -> socket.socket:
    """Where the page is asked for. Raises OSError, in one sentence."""
    try:
        return socket.create_server((host, port))
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)
        raise OSError(f"cannot serve the page at {host} port {port}: {reason}") from None


async def start(app: web.Application, listening: socket.socket, context: ssl.SSLContext | None) -> web.AppRunner:
    """Serve it; `cleanup` of what this returns ends it."""
    entrances: list[Entrance] = []

    async def close(_: web.Application) -> None:
        entrances.pop().close()

    app.on_cleanup.append(close)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5, keepalive_timeout=_IDLE)
    await runner.setup()
    assert runner.server is not None
    entrances.append(Entrance(listening, context, runner.server, app[_COUNTED]))
    return runner
